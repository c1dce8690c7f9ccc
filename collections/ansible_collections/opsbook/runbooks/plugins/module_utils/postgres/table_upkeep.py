# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VACUUM and ANALYZE of the tables that need it (procedures 001-13, 003-07).

The seeds vacuum and analyze everything, need or not. PostgreSQL skips a table that the role has no right to with a mere
warning and reports success: here such tables are gaps, and what was done is verified by the server's own counts. Both run
outside of a transaction, side by side, the biggest tables first so that the last one to end is a small one.

A crash, a failover and pg_stat_reset empty the server's counts, and autovacuum then waits for what is counted anew. A table
that nothing is known of is worked on, which gives its counts back: ANALYZE reads a sample, and VACUUM leaves out the pages
that are visible to all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.change import Change, Kept, Plan, no_undo, one_step
from ..core.coverage import Collected, Coverage, Gap, merge_coverage
from ..core.errors import OperationError, Refused
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import Operation, Outcome
from ..core.run import Run
from .connection import Connect, outside_transaction, sql
from .errors import explaining
from .tables import Table, Tables, collect_tables, no_right, refuse_standby

UNCOUNTED = "the server's counts of it are lost, as after a crash, a failover or a reset"

REPORT_SECONDS = 15.0
"""How long the server may take to count what was done: statistics are reported with a delay."""

NO_UNDO = {
    "vacuum": no_undo("Nothing is lost: only rows that nobody can see any more are cleaned up."),
    "analyze": no_undo("Nothing is lost: statistics of the planner are made anew, and go out of date by themselves."),
}


@dataclass(frozen=True)
class Need:
    """When a table is worked on.

    :param verb: "vacuum" or "analyze"
    :param rows: at least so many dead rows (vacuum) or changed rows (analyze)
    :param percent: and at least so many of its rows
    :param frozen_age: vacuum also tables whose oldest row that is not frozen is as many transactions old
    :param analyze: renew the statistics of what is vacuumed in the same go
    """

    verb: str
    rows: int
    percent: float
    frozen_age: int = 150_000_000
    analyze: bool = False

    @property
    def action(self) -> str:
        """What is done to a table."""
        return "vacuum_analyze" if self.analyze else self.verb


def need_of(verb: str, options: Mapping[str, Any]) -> Need:
    """Check and read a module's options.

    :raises Refused: for a number that is none
    """
    need = Need(verb, options["minimum_rows"], options["minimum_percent"], options.get("maximum_frozen_age") or 0,
                bool(options.get("analyze")))
    if need.rows < 1 or not 0 <= need.percent <= 100:
        raise Refused(f"{verb} tables", "minimum_rows, minimum_percent", f"{need.rows} rows, {need.percent:g} %",
                      "Give at least one row, and a percentage from 0 to 100.")
    return need


def keep_up(connect: Connect, run: Run, place: str, wanted: Sequence[str], need: Need) -> Operation[Tables]:
    """The operation: vacuum or analyze the tables that need it.

    :param place: host, port and database of the server
    :param wanted: tables by name or pattern
    """
    return Operation(
        collect=lambda: collect_upkeep(connect, run, place, wanted, need),
        plan=lambda collected: plan_upkeep(collected, need, run.limits),
        apply=None,
        apply_together=lambda changes: apply_biggest_first(connect, run, changes),
        verify=lambda collected, plan: verify_upkeep(connect, run, place, collected, plan, need),
    )


def collect_upkeep(connect: Connect, run: Run, place: str, wanted: Sequence[str], need: Need) -> Collected[Tables]:
    """Read the tables; one that needs work and that the role has no right to is a gap.

    :raises Refused: on a standby
    """
    seen = collect_tables(connect, run, place, wanted)
    refuse_standby(place, seen.state.in_recovery, f"{need.verb} tables")
    denied = tuple(Gap(seen.state.resource(table), no_right(need.verb)) for table in seen.state.tables
                   if not table.maintainable and why_needed(table, need))
    return Collected(seen.state, seen.now, merge_coverage([seen.coverage, Coverage((), denied)]))


def plan_upkeep(collected: Collected[Tables], need: Need, limits: Limits) -> Plan:
    """Decide which tables are worked on."""
    state, changes, kept = collected.state, [], []
    for table in state.tables:
        resource, reason = state.resource(table), why_needed(table, need)
        if not reason:
            kept.append(Kept(resource, "no need"))
        elif not table.maintainable:
            kept.append(Kept(resource, "the role has no right to it"))
        elif limits.protects(table.named):
            kept.append(Kept(resource, "protected"))
        else:
            changes.append(Change(resource, need.action, {"needs": need.verb}, {"needs": None},
                                  f"{need.action.replace('_', ' and ')} {table.named}: {reason}", NO_UNDO[need.verb],
                                  {"table": table}))
    return one_step(changes, kept, len(state.tables), "tables")


def why_needed(table: Table, need: Need) -> str:
    """Why a table needs work; empty where it does not."""
    return _why_analyze(table, need) if need.verb == "analyze" else _why_vacuum(table, need)


def _why_analyze(table: Table, need: Need) -> str:
    # Autovacuum never analyzes a partitioned table, and the server counts no changes of it.
    if table.uncounted:
        return UNCOUNTED
    if table.analyzed is None and (table.live or table.partitioned):
        return "never analyzed"
    return "" if table.partitioned else _part(table.changed, table.live, need, "changed")


def _why_vacuum(table: Table, need: Need) -> str:
    if table.partitioned:
        return ""
    if need.frozen_age and table.frozen_age >= need.frozen_age:
        return f"its oldest row is {table.frozen_age:,} transactions old"
    if table.uncounted:
        return UNCOUNTED
    return _part(table.dead, table.live + table.dead, need, "dead")


def apply_biggest_first(connect: Connect, run: Run, changes: Sequence[Change]) -> list[Outcome | OperationError]:
    """Work on all tables, the next one on whichever connection is done first, as many connections as the run allows."""
    waiting = deque(sorted(changes, key=lambda change: -change.handle["table"].size))
    done: dict[str, Outcome | OperationError] = {}

    def work_off(_number: int) -> None:
        while waiting:
            left = run.deadline - run.clock.monotonic()
            with outside_transaction(connect, left, "work on tables", "a connection for upkeep") as cursor:
                _take_turns(cursor, run, waiting, done)

    lanes = run.each(work_off, range(min(run.workers, len(changes))))
    if any(change.action in _WITHOUT_DATABASE and isinstance(done.get(change.resource), Outcome) for change in changes):
        _update_database(connect, run)
    closed = next((lane.error for lane in lanes if lane.error), None)
    return [done.get(change.resource) or closed or _not_begun(change) for change in changes]


def _take_turns(cursor: Any, run: Run, waiting: deque[Change], done: dict[str, Outcome | OperationError]) -> None:
    """Work on one table after another until there is none left, or the connection is lost."""
    while waiting and not cursor.connection.closed:
        try:
            change = waiting.popleft()
        except IndexError:  # another was faster
            return
        try:
            run.may_change()
            done[change.resource] = apply_upkeep(cursor, change)
        except OperationError as error:
            done[change.resource] = error


def apply_upkeep(cursor: Any, change: Change) -> Outcome:
    """Vacuum or analyze one table.

    :param cursor: outside of a transaction
    :raises OperationError: when it is refused, or skipped by the server with a warning
    """
    leaves_out = cursor.connection.server_version >= SKIPS_DATABASE_SINCE
    statement = (_WITHOUT_DATABASE if leaves_out else {}).get(change.action) or _STATEMENTS[change.action]
    maintain(cursor, statement, change.handle["table"], f"{change.action} a table")
    return Outcome(change.resource)


def maintain(cursor: Any, statement: str, table: Table, attempted: str) -> None:
    """Carry out one statement of upkeep on a table.

    :param statement: with `{}` for the table's name
    :raises OperationError: when it is refused, or skipped by the server with a warning
    """
    del cursor.connection.notices[:]
    with explaining(attempted, table.named):
        cursor.execute(sql.SQL(statement).format(sql.Identifier(table.schema, table.name)))
    skipped = [notice.strip() for notice in cursor.connection.notices if notice.startswith("WARNING")]
    if skipped:
        raise OperationError(attempted, table.named, "; ".join(skipped), "PostgreSQL skipped it: see the role's rights.")


def _update_database(connect: Connect, run: Run) -> None:
    """Note in the catalogue how old the database's oldest row is, once for all tables. The server does it too, by itself."""
    left = run.deadline - run.clock.monotonic()
    try:
        with outside_transaction(connect, left, "note the age of a database", "the database") as cursor:
            if cursor.connection.server_version >= SKIPS_DATABASE_SINCE:
                cursor.execute("VACUUM (ONLY_DATABASE_STATS)")
    except OperationError as error:
        run.progress(error.message())


def verify_upkeep(
    connect: Connect, run: Run, place: str, collected: Collected[Tables], plan: Plan, need: Need
) -> list[Evidence]:
    """Read the tables again: each that was worked on has a later date, and no more dead rows than before."""
    planned = {change.resource: change.handle["table"] for change in plan.changes}
    names = [table.named for table in planned.values()]
    if not planned:
        return []

    def look() -> dict[str, Table]:
        seen = collect_tables(connect, run, place, names).state
        return {seen.resource(table): table for table in seen.tables}

    patience = run.poll(first_delay=0.1, longest_delay=1.0)
    patience.deadline = min(patience.deadline, run.clock.monotonic() + REPORT_SECONDS)
    begun = collected.state.now
    seen = patience.until(look, lambda tables: all(_since(tables.get(one), need) > begun for one in planned),
                          lambda tables: "").seen
    return [_evidence(resource, seen.get(resource), begun, need) for resource in planned]


def _evidence(resource: str, table: Table | None, begun: str, need: Need) -> Evidence:
    since = _since(table, need)
    done = since > begun
    still = why_needed(table, need) if table else ""
    actual = {"last": since or "never", "still": still or "nothing"}
    if still and done:
        # Rows that an old transaction can still see cannot go; the next vacuum does no better while it lasts.
        actual["reason"] = "an old transaction, a replication slot or a standby may still see them"
    return Evidence(need.action, resource, f"after {begun}, nothing left to do", actual, done and not still)


def _since(table: Table | None, need: Need) -> str:
    """Since when all that was to be done is done; empty for never."""
    if table is None:
        return ""
    vacuumed, analyzed = table.vacuumed or "", table.analyzed or ""
    if need.analyze:
        return min(vacuumed, analyzed)
    return vacuumed if need.verb == "vacuum" else analyzed


def _part(rows: int, of: int, need: Need, what: str) -> str:
    percent = 100 * rows / of if of else 100.0
    return f"{rows:,} of {of:,} rows {what} ({percent:.0f} %)" if rows >= need.rows and percent >= need.percent else ""


def _not_begun(change: Change) -> OperationError:
    return OperationError(f"{change.action} a table", change.resource, "it was not begun", "Run again.")


SKIPS_DATABASE_SINCE = 160000
"""The version that first let a vacuum leave out what it notes of the whole database, for which vacuums wait in line."""
_WITHOUT_DATABASE = {
    "vacuum": "VACUUM (SKIP_DATABASE_STATS) {}", "vacuum_analyze": "VACUUM (SKIP_DATABASE_STATS, ANALYZE) {}",
}
_STATEMENTS = {"vacuum": "VACUUM {}", "vacuum_analyze": "VACUUM (ANALYZE) {}", "analyze": "ANALYZE {}"}
