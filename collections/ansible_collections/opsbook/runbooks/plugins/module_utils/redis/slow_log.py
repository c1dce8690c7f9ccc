# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Redis or Valkey server found slow, and what each kind of command cost (procedures 001-06, 001-07).

Sources: SLOWLOG GET, INFO commandstats. The slow log holds commands with their arguments, which are data: only the command's
name and how many arguments it had are read out of it. Managed servers allow SLOWLOG and forbid CONFIG.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import OperationError
from ..core.run import Run
from .connection import Connect
from .errors import explaining

KIND = "redis"
MOST_ENTRIES = 128
STATS = "cmdstat_"


@dataclass(frozen=True)
class SlowCommand:
    """One entry of the slow log.

    :param at: when it was logged, UTC
    :param command: its name and subcommand in upper case, without arguments
    :param arguments: how many it had
    :param milliseconds: time of execution, waiting left out
    """

    at: datetime
    command: str
    arguments: int
    milliseconds: float


@dataclass(frozen=True)
class CommandStat:
    """What one kind of command cost since the counters began."""

    command: str
    calls: int
    milliseconds: float

    @property
    def mean_ms(self) -> float:
        """Milliseconds a call."""
        return self.milliseconds / self.calls if self.calls else 0.0


@dataclass(frozen=True)
class Slowness:
    """The slow log, the newest first, and the commands, those that cost most first."""

    place: str
    entries: tuple[SlowCommand, ...] = ()
    commands: tuple[CommandStat, ...] = ()


def collect_slowness(connect: Connect, run: Run, place: str) -> Collected[Slowness]:
    """Read both; what is forbidden is a gap.

    :param place: host and port
    :raises OperationError: when the server gives no connection
    """
    resource = f"{KIND}:{place}"
    entries: tuple[SlowCommand, ...] = ()
    commands: tuple[CommandStat, ...] = ()
    read: list[str] = []
    gaps: list[Gap] = []
    client = connect()
    try:
        try:
            with explaining("read the slow log of Redis", resource):
                entries = tuple(map(_entry, client.slowlog_get(MOST_ENTRIES)))
            read.append(f"{resource} SLOWLOG")
        except OperationError as error:
            gaps.append(Gap(f"{resource} SLOWLOG", error.reason))
        try:
            with explaining("read the commands of Redis", resource):
                commands = stats_of(client.info("commandstats"))
            read.append(f"{resource} INFO commandstats")
        except OperationError as error:
            gaps.append(Gap(f"{resource} INFO commandstats", error.reason))
    finally:
        client.close()
    return Collected(Slowness(place, entries, commands), run.now(), Coverage(tuple(read), tuple(gaps)))


def stats_of(info: Mapping[str, Any]) -> tuple[CommandStat, ...]:
    """The commands of INFO commandstats, those that took the most time first."""
    found = [CommandStat(name[len(STATS):].upper().replace("|", " "), int(part["calls"]), float(part["usec"]) / 1000)
             for name, part in info.items() if name.startswith(STATS) and isinstance(part, Mapping)]
    return tuple(sorted(found, key=lambda stat: (-stat.milliseconds, stat.command)))


def _entry(reply: Mapping[str, Any]) -> SlowCommand:
    words = str(_text(reply.get("command"))).split(" ")
    return SlowCommand(datetime.fromtimestamp(int(reply["start_time"]), timezone.utc), words[0].upper()[:40],
                       len(words) - 1, round(int(reply["duration"]) / 1000, 3))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
