# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is old in which table, how a table is gone through, and how hard the server may be worked: no server is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..core.durations import parse_duration
from ..core.errors import Refused
from ..core.sizes import MEBIBYTE, say_bytes

ATTEMPTED = "delete old rows"
FLOOR = timedelta(days=1)
"""The shortest time that rows are kept: a rule for less is more likely a slip of a unit than meant."""

FIRST_BATCH = 500
SMALLEST_BATCH = 100
BATCH_SECONDS = 1.0
"""How long a batch may take: as long, at most, does anybody wait for its locks."""


@dataclass(frozen=True)
class Rule:
    """What is old in a table.

    :param table: its name, with the schema or without, with quotes as SQL writes it or without
    :param column: the column with the moment of a row
    :param older_than: the age as it was given
    :param key: columns that tell its rows apart; empty for the primary key
    """

    table: str
    column: str
    older_than: str
    age: timedelta
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Brakes:
    """How hard the server may be worked.

    :param rows: the most rows that a batch looks at
    :param lag: seconds that a standby may be behind, or say nothing of what it was sent; 0 leaves that out
    :param waiting: sessions that may wait for a batch of ours
    :param active: other sessions at work above which none is begun; None for any number
    :param behind: bytes of WAL that a standby may be behind; 0 leaves that out
    :param retained: bytes of WAL that a replication slot may keep that nobody is connected to; 0 leaves that out
    """

    rows: int = 5000
    lag: float = 30.0
    waiting: int = 0
    active: int | None = None
    behind: int = 128 * MEBIBYTE
    retained: int = 1024 * MEBIBYTE


@dataclass(frozen=True)
class Retention:
    """All that a module's options say.

    :param maximum_percent: how much of a table may be old
    :param cascade: whether rows of other tables may be deleted or changed by foreign keys
    """

    rules: tuple[Rule, ...]
    brakes: Brakes = Brakes()
    maximum_percent: float = 50.0
    cascade: bool = False


@dataclass(frozen=True)
class Load:
    """How hard the server works.

    A lag in seconds is what was measured when a standby last got further: it does not grow while one stands still.

    :param lag: seconds that the slowest standby is behind
    :param active: sessions of others at work
    :param behind: bytes of WAL that the farthest standby has not applied yet
    :param silent: seconds since a standby that has not confirmed all WAL last said anything
    :param slot: the replication slot that keeps the most WAL of those that nobody is connected to
    :param retained: how many bytes of WAL it keeps
    """

    lag: float
    active: int
    behind: int = 0
    silent: float = 0.0
    slot: str = ""
    retained: int = 0


def retention_of(options: Mapping[str, Any]) -> Retention:
    """Check and read a module's options.

    :raises Refused: for a rule or a limit that makes no sense
    """
    brakes = Brakes(options["batch_size"], parse_duration(options["maximum_replication_lag"]).total_seconds(),
                    options["maximum_waiting"], options.get("maximum_active"), options["maximum_replication_lag_bytes"],
                    options["maximum_retained_bytes"])
    if brakes.rows < 1 or min(brakes.waiting, brakes.behind, brakes.retained) < 0 or (
            brakes.active is not None and brakes.active < 1):
        raise Refused(ATTEMPTED, "batch_size, maximum_waiting, maximum_active, maximum_replication_lag_bytes, "
                      "maximum_retained_bytes", "a number is too small",
                      "Give at least one row, no session or more that waits, one or more at work, and no negative bytes.")
    if not 0 <= options["maximum_percent"] <= 100:
        raise Refused(ATTEMPTED, "maximum_percent", f"{options['maximum_percent']:g} is no percentage", "Give 0 to 100.")
    rules = tuple(_rule(given) for given in options["rules"])
    return Retention(rules, brakes, options["maximum_percent"], bool(options["cascade"]))


def _rule(given: Mapping[str, Any]) -> Rule:
    age = parse_duration(given["older_than"])
    if age < FLOOR:
        raise Refused(ATTEMPTED, given["table"], f"older_than is {given['older_than']}, and less than a day is never meant",
                      "Give at least 1d.")
    return Rule(given["table"], given["column"], str(given["older_than"]).strip(), age, tuple(given.get("key") or ()))


def walk_of(
    indexes: Sequence[tuple[bool, bool, tuple[str, ...]]], column: str, wanted: Sequence[str]
) -> tuple[bool, tuple[str, ...]]:
    """How a table is gone through: in the order of the column where an index leads with it, else in that of a key.

    By the column only old rows are looked at, by a key the whole table once. Either way what was deleted lies behind, and
    no dead row is passed again.

    :param indexes: of each B-tree over all rows: whether it is the primary key, whether it tells rows apart, its columns
    :param wanted: the key's columns; empty for the primary key
    :returns: whether it goes by the column, and the key's columns, none where there is no such key
    """
    keys = [columns for primary, unique, columns in indexes
            if unique and (set(columns) == set(wanted) if wanted else primary)]
    return any(columns[0] == column for _primary, _unique, columns in indexes), keys[0] if keys else ()


def first_size(brakes: Brakes) -> int:
    """The size of the first batch: small, since nothing is known yet."""
    return min(FIRST_BATCH, brakes.rows)


def next_size(size: int, seconds: float, waiting: int, brakes: Brakes) -> int:
    """The size of the next batch: half after one that took long or that somebody waited for, twice after a quick one."""
    if seconds > BATCH_SECONDS or waiting > brakes.waiting:
        return max(min(SMALLEST_BATCH, brakes.rows), size // 2)
    return min(brakes.rows, size * 2) if seconds < BATCH_SECONDS / 2 else size


def too_much(load: Load, brakes: Brakes) -> str:
    """Why no batch begins now; empty where one may."""
    if brakes.lag and load.lag > brakes.lag:
        return f"a standby is {load.lag:.0f} s behind, and {brakes.lag:g} s are allowed"
    if brakes.lag and load.silent > brakes.lag:
        return f"a standby has said nothing for {load.silent:.0f} s, and {brakes.lag:g} s are allowed"
    if brakes.behind and load.behind > brakes.behind:
        return f"a standby is {say_bytes(load.behind)} behind, and {say_bytes(brakes.behind)} are allowed"
    if brakes.retained and load.retained > brakes.retained:
        return (f"the replication slot {load.slot}, which nobody is connected to, keeps {say_bytes(load.retained)} of WAL, "
                f"and {say_bytes(brakes.retained)} are allowed")
    if brakes.active is not None and load.active > brakes.active:
        return f"{load.active} sessions are at work, and {brakes.active} are allowed"
    return ""
