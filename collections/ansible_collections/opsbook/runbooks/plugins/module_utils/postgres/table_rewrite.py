# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VACUUM FULL of tables that are named, and that would give something back (procedure 001-04).

The seed runs it on a full disk, for all tables. It writes each table and its indexes a second time before it gives the first
ones back, and nobody reads or writes the table meanwhile. So each table has to be named, what it locks and how much room
it needs is said beforehand, and where the room there is has been told, more than that is refused. What is written goes into
WAL as well (measured: 47.4 MB of files, 46.9 MB of WAL), which on RDS lies on the same storage, and stays while a slot or an
archive wants it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.change import Change, Kept, Plan, no_undo, one_step
from ..core.coverage import Collected, Coverage, Gap, merge_coverage
from ..core.errors import Refused
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import Operation, Outcome
from ..core.run import Run
from ..core.sizes import say_bytes
from .bloat import MEASURED, Bloat, Key, table_bloat
from .connection import Connect, outside_transaction
from .table_upkeep import maintain
from .tables import Table, Tables, collect_tables, no_right, refuse_standby

WILD = frozenset("*?[")

NO_UNDO = no_undo("Nothing is lost: rows that nobody can see any more are gone, and their space is given back.")


@dataclass(frozen=True)
class Worth:
    """When a table is written anew.

    :param percent: at least so much of it is wasted
    :param free_space: bytes that are free where the server keeps its data; None where nobody said
    """

    percent: float
    free_space: int | None = None


@dataclass(frozen=True)
class Rewritable:
    """The tables named.

    :param bloat: what each would give back, without its indexes
    :param wanted: the names given
    """

    tables: Tables
    bloat: Mapping[Key, Bloat]
    wanted: tuple[str, ...]

    def files(self, table: Table) -> int:
        """Bytes of the new table and its indexes at most. What is wasted counts where it was measured: an estimate may claim
        too much, and then there would not be room enough."""
        bloat = self.bloat[_key(table)]
        return max(0, table.whole - (bloat.wasted or 0 if bloat.method == MEASURED else 0))

    def wal(self, table: Table) -> int:
        """Bytes of WAL that writing it anew makes, about."""
        return self.files(table) if table.logged else 0


def worth_of(options: Mapping[str, Any]) -> Worth:
    """Check and read a module's options.

    :raises Refused: for a percentage that is none, or room below nothing
    """
    worth = Worth(options["minimum_percent"], options.get("free_space"))
    if not 0 < worth.percent <= 100 or (worth.free_space or 0) < 0:
        raise Refused("write tables anew", "minimum_percent, free_space", f"{worth.percent:g} %, {worth.free_space}",
                      "Give a percentage above 0, and bytes.")
    return worth


def rewrite_tables(connect: Connect, run: Run, place: str, wanted: Sequence[str], worth: Worth) -> Operation[Rewritable]:
    """The operation: write the tables anew that would give something back.

    :param wanted: tables by name, no patterns
    """
    return Operation(
        collect=lambda: collect_rewritable(connect, run, place, wanted),
        plan=lambda collected: plan_rewrite(collected, worth, run.limits),
        apply=lambda change: apply_rewrite(connect, run, change),
        # Only one is locked and needs room at a time, and what a small one gives back helps the next.
        in_turn=lambda change: change.handle["files"],
        verify=lambda collected, plan: verify_rewrite(connect, run, place, collected, plan, worth),
    )


def collect_rewritable(connect: Connect, run: Run, place: str, wanted: Sequence[str]) -> Collected[Rewritable]:
    """Read the tables, what they waste and how large they are; one that the role has no right to is a gap.

    :raises Refused: on a standby
    """
    seen = collect_tables(connect, run, place, wanted)
    refuse_standby(place, seen.state.in_recovery, "write tables anew")
    bloat = table_bloat(connect, place, seen.state.tables)
    gaps = [Gap(seen.state.resource(table), reason) for table in seen.state.tables
            for reason in [_why_unknown(table, bloat[_key(table)])] if reason]
    state = Rewritable(seen.state, bloat, tuple(wanted))
    return Collected(state, seen.now, merge_coverage([seen.coverage, Coverage((), tuple(gaps))]))


def plan_rewrite(collected: Collected[Rewritable], worth: Worth, limits: Limits) -> Plan:
    """Decide which tables are written anew.

    :raises Refused: for a pattern, and for tables that need more room than there is
    """
    state, changes, kept = collected.state, [], []
    _refuse_patterns(state)
    for table in state.tables.tables:
        resource, reason = state.tables.resource(table), _why_kept(table, state.bloat[_key(table)], worth, limits)
        if reason:
            kept.append(Kept(resource, reason))
            continue
        changes.append(Change(resource, "rewrite", {"wastes": "too much"}, {"wastes": "little"},
                              _summary(state, table, worth), NO_UNDO, {"table": table, "files": state.files(table)}))
    _refuse_without_room(state, [change.handle["table"] for change in changes], worth)
    return one_step(changes, kept, len(state.tables.tables), "tables")


def apply_rewrite(connect: Connect, run: Run, change: Change) -> Outcome:
    """Write one table anew.

    :raises OperationError: when its lock is not granted in time, or the server has no room; the table is as before then
    """
    table: Table = change.handle["table"]
    left = run.deadline - run.clock.monotonic()
    with outside_transaction(connect, left, "write a table anew", table.named) as cursor:
        maintain(cursor, "VACUUM (FULL) {}", table, "write a table anew")
    return Outcome(change.resource)


def verify_rewrite(
    connect: Connect, run: Run, place: str, collected: Collected[Rewritable], plan: Plan, worth: Worth
) -> list[Evidence]:
    """Read the tables again: what they waste now, and how large they are."""
    if not plan.changes:
        return []
    after = collect_rewritable(connect, run, place, collected.state.wanted).state
    tables = {after.tables.resource(table): table for table in after.tables.tables}
    return [_evidence(change, after, tables.get(change.resource), worth) for change in plan.changes]


def _evidence(change: Change, after: Rewritable, table: Table | None, worth: Worth) -> Evidence:
    expected = f"less than {worth.percent:g} % wasted"
    if table is None:
        return Evidence("rewrite", change.resource, expected, "it is gone", None)
    bloat = after.bloat[_key(table)]
    actual = {"bytes_before": change.handle["table"].whole, "bytes_after": table.whole, **bloat.as_dict()}
    ok = None if bloat.percent is None else bloat.percent < worth.percent
    if ok is False:
        actual["why"] = ("an old transaction may still see dead rows; where the bloat is an estimate, it is wrong for this "
                         "table, which pgstattuple would tell")
    return Evidence("rewrite", change.resource, expected, actual, ok)


def _refuse_patterns(state: Rewritable) -> None:
    exact = {name for table in state.tables.tables for name in (table.name, table.named)}
    patterns = [name for name in state.wanted if name not in exact and WILD & set(name)]
    if patterns:
        raise Refused("write tables anew", ", ".join(patterns),
                      "nobody can read or write a table meanwhile, so patterns do not do", "Name each table.")


def _why_unknown(table: Table, bloat: Bloat) -> str:
    if table.partitioned:
        return ""
    if not table.maintainable:
        return no_right("vacuum")
    return f"how much of it is wasted is unknown: {bloat.reason}" if bloat.percent is None else ""


def _why_kept(table: Table, bloat: Bloat, worth: Worth, limits: Limits) -> str:
    if table.partitioned:
        return "it has no rows of its own: name its partitions"
    if not table.maintainable:
        return "the role has no right to it"
    if bloat.percent is None:
        return "how much of it is wasted is unknown"
    if bloat.percent < worth.percent:
        return f"no need: {bloat.percent:g} % of it are wasted ({bloat.method})"
    return "protected" if limits.protects(table.named) else ""


def _refuse_without_room(state: Rewritable, tables: Sequence[Table], worth: Worth) -> None:
    """WAL of those before may still be there when the next is written; what they give back may not be yet."""
    written = 0
    for table in sorted(tables, key=state.files):
        written += state.wal(table)
        needs = state.files(table) + written
        if worth.free_space is not None and needs > worth.free_space:
            raise Refused("write a table anew", table.named,
                          f"it needs up to {say_bytes(needs)} beside what it has, {say_bytes(written)} of it for WAL of "
                          f"this run, and {say_bytes(worth.free_space)} are free",
                          "Grow the storage first, or delete what is not needed; nothing was changed.")


def _summary(state: Rewritable, table: Table, worth: Worth) -> str:
    bloat, known = state.bloat[_key(table)], "" if worth.free_space is not None else " (what is free is not known)"
    wasted = f"{say_bytes(bloat.wasted or 0)} of {say_bytes(table.size)} are wasted ({bloat.method})"
    wal = f", and {say_bytes(state.wal(table))} for WAL" if table.logged else ""
    return (f"write {table.named} anew: {wasted}. Needs up to {say_bytes(state.files(table))} more{wal}{known}; its ACCESS "
            "EXCLUSIVE lock keeps readers and writers out")


def _key(table: Table) -> Key:
    return table.schema, table.name
