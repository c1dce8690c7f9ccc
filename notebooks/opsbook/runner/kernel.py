"""A kernel of an investigation: `python -m opsbook.runner.kernel -f CONNECTION_FILE`. It does not outlive its runner."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PARENT = "JPY_PARENT_PID"
"""By which ipykernel knows whom to follow where the kernel of the system cannot end it (elsewhere than on Linux)."""


def main() -> None:
    """Follow the runner, import what investigations need, serve."""
    die_with_runner()
    # Nothing of what is imported here is ever garbage; looking for some takes a quarter of the start (measured).
    gc.disable()
    from opsbook.runner.warm import warm

    warm()
    from ipykernel import kernelapp

    gc.freeze()
    gc.enable()
    kernelapp.launch_new_instance()


def die_with_runner() -> None:
    """Have the system end this process at once when the runner dies, whatever a cell does at that moment."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.environ.get(PARENT) not in (None, str(os.getppid())):
        sys.exit("the runner is gone")


if __name__ == "__main__":
    main()
