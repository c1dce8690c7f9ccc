"""A steady load on a database: many clients that read and write, and how long each kind of them waited.

pgbench makes it, so that the load costs little beside the server. Its transactions begin by a schedule, and waits are
counted from the moment that each was due: a server that stands still for a second shows as a second of waiting of all who
came meanwhile, not as a few slow answers.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from lab import postgres
from lab.databases.keyspace import LOGICAL
from lab.databases.model import Traffic
from lab.folders import SECRETS, LabError, read_json
from lab.lifecycle import required_status
from lab.terminal import say

_DAY = 86400
_END_SECONDS = 60.0
_PREFIX = "waits"


@dataclass(frozen=True)
class Place:
    """Which database, and as whom.

    :param password: empty for a role that needs none
    """

    port: int
    database: str
    user: str
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Waits:
    """How long the transactions of one kind took, from the moment that each was due.

    :param done: how many came to their end
    :param failed: how many did not
    :param median_ms: of those that did
    :param high_ms: 99 of a hundred took less
    :param longest_ms: the longest
    """

    done: int
    failed: int
    median_ms: float
    high_ms: float
    longest_ms: float


class Load:
    """The load while it lasts: `with Load(...) as load: ...`, and afterwards `load.waits`."""

    def __init__(self, place: Place, traffic: Sequence[Traffic], clients: int = 50, rate: int = 400) -> None:
        """:param rate: transactions a second, all clients together"""
        self._place, self._traffic, self._clients, self._rate = place, tuple(traffic), clients, rate
        self._folder = tempfile.TemporaryDirectory(prefix="opsbook-load-")
        self._process: subprocess.Popen[str] | None = None
        self.waits: Mapping[str, Waits] = {}
        self.said = ""

    def __enter__(self) -> Load:
        program = postgres.find_installation(os.environ).bin / "pgbench"
        if not program.exists():
            raise LabError(f"{program} is not there: a load needs pgbench, which is part of PostgreSQL's contrib")
        environment = {**os.environ, "PGPASSWORD": self._place.password, "PGAPPNAME": "lab-load"}
        self._process = subprocess.Popen(
            [str(program), *self._arguments()], cwd=self._folder.name, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.said = self._end().strip()[-2000:]
            self.waits = {one.name: summary(lines) for one, lines in zip(self._traffic, self._lines(), strict=True)}
        finally:
            self._folder.cleanup()
        if kind is None and not any(waits.done for waits in self.waits.values()):
            raise LabError(f"the load did nothing: {self.said}")

    def ended_within(self, seconds: float) -> bool:
        """Wait that long; whether it ended by itself meanwhile, which it does only when every client failed."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _arguments(self) -> list[str]:
        place, folder = self._place, Path(self._folder.name)
        scripts = []
        for number, one in enumerate(self._traffic):
            (folder / f"{number}.sql").write_text(one.script, encoding="utf-8")
            scripts += ["-f", f"{number}.sql@{one.weight}"]
        return ["-n", "-c", str(self._clients), "-j", "2", "-T", str(_DAY), "-R", str(self._rate), "-l",
                f"--log-prefix={_PREFIX}", *scripts, "-h", "127.0.0.1", "-p", str(place.port), "-U", place.user,
                place.database]

    def _end(self) -> str:
        if self._process is None:
            return ""
        # What its own clock sends when the time is up: it comes to a proper end and writes all it knows.
        self._process.send_signal(signal.SIGALRM)
        try:
            return self._process.communicate(timeout=_END_SECONDS)[1]
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.communicate()[1]

    def _lines(self) -> list[list[list[str]]]:
        by_script: list[list[list[str]]] = [[] for _ in self._traffic]
        for path in sorted(Path(self._folder.name).glob(f"{_PREFIX}.*")):
            for line in path.read_text(encoding="ascii").splitlines():
                fields = line.split()
                by_script[int(fields[3])].append(fields)
        return by_script


def summary(lines: Sequence[Sequence[str]]) -> Waits:
    """What pgbench's lines of one script say: client, number, microseconds or why there are none, script, moment."""
    took = sorted(int(fields[2]) / 1000 for fields in lines if fields[2].isdigit())
    if not took:
        return Waits(0, len(lines), 0.0, 0.0, 0.0)
    return Waits(len(took), len(lines) - len(took), took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)],
                 took[-1])


def place_of(folder: Path, system: str) -> Place:
    """A running lab's database, as its applications use it. Raises LabError."""
    found = required_status(folder)["postgres"]
    if system not in found:
        raise LabError(f"{system} has no database in this lab; those that have: {', '.join(found) or 'none'}")
    return Place(found[system]["port"], system, system, read_json(folder / SECRETS)["databases"][system])


def add_command(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command `load` to the parser's commands."""
    text = "let many clients read and write in a database for a while, and say how long they waited"
    command = commands.add_parser("load", parents=[common], help=text, description=text)
    command.set_defaults(run=_run)
    command.add_argument("--system", choices=sorted(LOGICAL), default="media", help="whose database (default media)")
    command.add_argument("--clients", type=int, default=50, help="how many (default 50)")
    command.add_argument("--rate", type=int, default=400, help="transactions a second of all together (default 400)")
    command.add_argument("--seconds", type=float, default=30.0, help="how long (default 30)")


def _run(folder: Path, options: argparse.Namespace) -> int:
    # Imported here: a lab without databases needs no driver.
    from lab.databases.contents import DATABASES

    traffic = DATABASES[options.system].traffic
    with Load(place_of(folder, options.system), traffic, options.clients, options.rate) as load:
        ended_early = load.ended_within(options.seconds)
    say(f"{'':<10}{'done':>8}{'failed':>8}{'median ms':>12}{'99 % ms':>12}{'longest ms':>12}")
    for name, of in load.waits.items():
        say(f"{name:<10}{of.done:>8}{of.failed:>8}{of.median_ms:>12.1f}{of.high_ms:>12.1f}{of.longest_ms:>12.1f}")
    if ended_early:
        raise LabError(f"the load ended before its time: {load.said}")
    return 0
