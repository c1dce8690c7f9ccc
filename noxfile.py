"""`make test-matrix`: the tests on every supported ansible-core and Python that this machine has."""

from __future__ import annotations

import os
from pathlib import Path

import nox

COMBINATIONS = [
    ("3.11", "2.19"), ("3.12", "2.19"), ("3.13", "2.19"),
    ("3.12", "2.20"), ("3.13", "2.20"),
    ("3.12", "2.21"), ("3.13", "2.21"),
]
"""ansible-core 2.20 and later need Python 3.12 on the controller."""

CI = ("3.11", "2.19")
"""What `make test` runs in CI; by default the matrix runs all others."""

# pyenv's shims stand for Pythons that they refuse to run; the folders of the versions themselves do not.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ["PATH"] = os.pathsep.join([*map(str, PYENV.glob("versions/3.1[1-3].*/bin")), os.environ["PATH"]])
os.environ["UV_PYTHON_DOWNLOADS"] = "never"

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = [f"tests(python='{python}', core='{core}')" for python, core in COMBINATIONS if (python, core) != CI]


@nox.session
@nox.parametrize("python,core", COMBINATIONS)
def tests(session: nox.Session, core: str) -> None:
    """Unit and contract tests, or the paths and options given after `--`."""
    session.install("-c", str(_constraints(session)), "-e", ".[lab,notebooks,dev]", f"ansible-core=={core}.*")
    session.run("pytest", *(session.posargs or ["tests/unit", "tests/contract"]))


def _constraints(session: nox.Session) -> Path:
    """constraints.txt without ansible-core, of which it pins one release a Python."""
    pinned = Path("constraints.txt").read_text(encoding="utf-8").splitlines()
    path = Path(session.create_tmp()) / "constraints.txt"
    path.write_text("\n".join(line for line in pinned if not line.startswith("ansible-core==")), encoding="utf-8")
    return path
