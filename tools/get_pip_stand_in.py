"""Stands in for the get-pip script that ansible-test downloads from a host of its own.

Installs pip from its wheel in the same folder, so that `ansible-test sanity` works with nothing but the Python package
index. `tools/lint` copies it to ansible-test's cache as get_pip_<version>.py, beside that wheel.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
BOOTSTRAP_ONLY = ("--no-setuptools", "--no-wheel")


def main() -> None:
    """Run pip out of its wheel, installing that wheel, with the options ansible-test gave."""
    match = re.fullmatch(r"get_pip_([0-9_]+)\.py", HERE.name)
    if match is None:
        raise SystemExit(f"{HERE.name} must be called get_pip_<version>.py")
    version = match.group(1).replace("_", ".")
    wheel = HERE.with_name(f"pip-{version}-py3-none-any.whl")
    options = [option for option in sys.argv[1:] if option.startswith("-") and option not in BOOTSTRAP_ONLY]
    sys.path.insert(0, str(wheel))
    sys.argv = ["pip", "install", "--no-index", str(wheel), *options]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
