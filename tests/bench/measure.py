"""What a command costs: wall time, and CPU time of its whole process tree."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class Failed(RuntimeError):
    """A measured command did not do what it was to do: its time says nothing."""


@dataclass(frozen=True)
class Cost:
    """Seconds.

    :param cpu: user and system time of the command and of all its descendants that were waited for
    """

    wall: float
    cpu: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.cpu - other.cpu)

    def __truediv__(self, number: float) -> Cost:
        return Cost(self.wall / number, self.cpu / number)


def environment(cache: Path, *programs: Path) -> dict[str, str]:
    """The caller's environment without settings that would change what is measured.

    Compiled Python files go into a folder of the measurement's own, for all sides alike: with writing them switched off,
    as some machines have it, each command would compile all of its libraries again.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AWS_", "OPSBOOK_"))}
    plain.pop("PYTHONDONTWRITEBYTECODE", None)
    path = os.pathsep.join([*(str(folder) for folder in programs), plain["PATH"]])
    return {**plain, "PATH": path, "PYTHONPYCACHEPREFIX": str(cache), "ANSIBLE_NOCOLOR": "1"}


def measured(command: Sequence[str | Path], folder: Path, variables: Mapping[str, str]) -> Cost:
    """Run a command to its end.

    :raises Failed: with the end of its output when its exit status is not 0
    """
    words = [str(part) for part in command]
    said = folder / "said.txt"
    with said.open("wb") as output:
        begun = time.monotonic()
        process = subprocess.Popen(words, cwd=folder, env=dict(variables),
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        # The kernel adds up what a process and those it waited for have used, and tells whoever waits for it.
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        text = said.read_text(encoding="utf-8", errors="replace")
        raise Failed(f"{' '.join(words)} ended with status {process.returncode}:\n{text[-4000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)
