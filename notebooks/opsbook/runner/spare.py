"""The kernel of one run: started before anything else is known, used once, gone with all it left when the run ends.

Only the standard library is imported here, so that the kernel starts while the runner still imports its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CASE = "OPSBOOK_CASE"
PREFIX = "opsbook-run-"
LONGEST_SOCKET = 80
"""Characters of a folder in which the names of sockets are short enough for every system (108 on Linux, 104 elsewhere)."""
END_SECONDS = 5.0

OPTIONS = ("--HistoryManager.enabled=False", "--Application.log_level=50")


class SpareKernel:
    """A kernel process and its folder. `alive`, `kill` and `close` may be called at any time, from a signal handler too."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start it; what it is for is given later.

        :raises OSError: when it cannot be started
        """
        _sweep()
        self.folder = _folder()
        self.connection = self.folder / "connection.json"
        _write_private(self.connection, json.dumps(_connection(self.folder)))
        self._case = _case_file(self.folder)
        places = {name: str(self.folder / name.lower()) for name in (
            "IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "opsbook.runner.kernel", "-f", str(self.connection), *OPTIONS],
            env={**environment, **places, CASE: self._case.name, "JPY_PARENT_PID": str(os.getpid()),
                 "PYDEVD_DISABLE_FILE_VALIDATION": "1", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(self.folder / "said.txt").open("wb"),
            pass_fds=(self._case.fileno(),), start_new_session=True)

    def give(self, case: Mapping[str, Any]) -> None:
        """Leave what the investigation is about where the kernel reads it."""
        self._case.seek(0)
        self._case.truncate()
        self._case.write(json.dumps(case, default=str))
        self._case.flush()

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Interrupt what it carries out."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it and all that it started, at once."""
        self._signal(signal.SIGKILL)

    def said(self) -> str:
        """The last line that it wrote to its own standard error; empty where it wrote none."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "said.txt").read_text(encoding="utf-8", errors="replace")[-4000:].split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def how_it_ended(self) -> str:
        """What ended it, in words."""
        code = self._process.poll()
        if code is None:
            return "it still runs"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def close(self) -> None:
        """End it and remove its folder with all in it."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        self._case.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        # Its group, which lives on where the kernel alone has died: what a cell had started is in it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


@contextlib.contextmanager
def spare_kernel(environment: Mapping[str, str]) -> Iterator[SpareKernel]:
    """A kernel for the length of a block."""
    kernel = SpareKernel(environment)
    try:
        yield kernel
    finally:
        kernel.close()


def _connection(folder: Path) -> dict[str, Any]:
    """Sockets in a folder that only its owner may enter; nothing listens on a port."""
    ports = {f"{name}_port": number for number, name in enumerate(("shell", "iopub", "stdin", "control", "hb"), 1)}
    return {"transport": "ipc", "ip": str(folder / "k"), **ports, "key": secrets.token_hex(32),
            "signature_scheme": "hmac-sha256", "kernel_name": "python3"}


def _case_file(folder: Path) -> Any:
    """A file without a name where the system has such: nothing is left of it when both processes are killed."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("case", 0)
        os.fchmod(handle, 0o600)
        file = os.fdopen(handle, "w+", encoding="utf-8")
        return _Named(file, f"/proc/self/fd/{handle}")
    path = folder / "case.json"
    _write_private(path, "")
    return path.open("r+", encoding="utf-8")


class _Named:
    """An open file under the name that the kernel, which inherits its number, opens it by."""

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self.name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _folder() -> Path:
    """A folder of this run's own, mode 0700; its name tells whose it is."""
    place = tempfile.gettempdir()
    short = place if len(place) <= LONGEST_SOCKET else "/tmp"
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=short))


def _sweep() -> None:
    """Remove the folders of runs that were killed: there is no secret in them, only sockets and caches."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        with contextlib.suppress(OSError, ValueError):
            owner = int(folder.name.removeprefix(PREFIX).partition("-")[0])
            if folder.stat().st_uid == os.getuid() and not _runs(owner):
                shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
