# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VACUUM and ANALYZE of the tables that need it (procedures 001-13, 003-07).

The seeds vacuum and analyze everything, need or not. PostgreSQL skips a table that the role has no right to with a mere
warning and reports success: here such tables are gaps, and what was done is verified by the server's own counts. Both run
outside of a transaction, on a connection a table, the biggest tables first so that the last one to end is a small one.
"""

from __future__ import annotations

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
from .tables import Table, Tables, collect_tables

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
    """

    verb: str
    rows: int
    percent: float
    frozen_age: int = 150_000_000


def need_of(verb: str, options: Mapping[str, Any]) -> Need:
    """Check and read a module's options.

    :raises Refused: for a number that is none
    """
    need = Need(verb, options["minimum_rows"], options["minimum_percent"], options.get("maximum_frozen_age") or 0)
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
        apply=lambda change: apply_upkeep(connect, run, change),
        apply_together=lambda changes: apply_biggest_first(connect, run, changes),
        verify=lambda collected, plan: verify_upkeep(connect, run, place, collected, plan, need),
    )


def collect_upkeep(connect: Connect, run: Run, place: str, wanted: Sequence[str], need: Need) -> Collected[Tables]:
    """Read the tables; one that needs work and that the role has no right to is a gap."""
    seen = collect_tables(connect, run, place, wanted)
    reason = (f"{seen.state.role} may not {need.verb} it: it needs USAGE of the schema, and to own the table or the "
              "database, or MAINTAIN on the table (PostgreSQL 17)")
    denied = tuple(Gap(seen.state.resource(table), reason) for table in seen.state.tables
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
            changes.append(Change(resource, need.verb, {"needs": need.verb}, {"needs": None},
                                  f"{need.verb} {table.named}: {reason}", NO_UNDO[need.verb],
                                  {"table": table, "verb": need.verb}))
    return one_step(changes, kept, len(state.tables), "tables")


def why_needed(table: Table, need: Need) -> str:
    """Why a table needs work; empty where it does not."""
    return _why_analyze(table, need) if need.verb == "analyze" else _why_vacuum(table, need)


def _why_analyze(table: Table, need: Need) -> str:
    # Autovacuum never analyzes a partitioned table, and the server counts no changes of it.
    if table.analyzed is None and (table.live or table.partitioned):
        return "never analyzed"
    return "" if table.partitioned else _part(table.changed, table.live, need, "changed")


def _why_vacuum(table: Table, need: Need) -> str:
    if table.partitioned:
        return ""
    if need.frozen_age and table.frozen_age >= need.frozen_age:
        return f"its oldest row is {table.frozen_age:,} transactions old"
    return _part(table.dead, table.live + table.dead, need, "dead")


def apply_biggest_first(connect: Connect, run: Run, changes: Sequence[Change]) -> list[Outcome | OperationError]:
    """Work on all tables, as many at once as the run allows."""
    order = sorted(changes, key=lambda change: -change.handle["table"].size)
    done = {one.item.resource: one for one in run.each_change(lambda change: apply_upkeep(connect, run, change), order)}
    return [_outcome(done[change.resource], change) for change in changes]


def apply_upkeep(connect: Connect, run: Run, change: Change) -> Outcome:
    """Vacuum or analyze one table.

    :raises OperationError: when it is refused, or skipped by the server with a warning
    """
    table: Table = change.handle["table"]
    left = run.deadline - run.clock.monotonic()
    name = sql.Identifier(table.schema, table.name)
    statement = "VACUUM {}" if change.handle["verb"] == "vacuum" else "ANALYZE {}"
    with outside_transaction(connect, left, f"{change.handle['verb']} a table", table.named) as cursor:
        cursor.execute(sql.SQL(statement).format(name))
        skipped = [notice.strip() for notice in cursor.connection.notices if notice.startswith("WARNING")]
    if skipped:
        raise OperationError(f"{change.handle['verb']} a table", table.named, "; ".join(skipped),
                             "PostgreSQL skipped it: see the role's rights.")
    return Outcome(change.resource)


def verify_upkeep(
    connect: Connect, run: Run, place: str, collected: Collected[Tables], plan: Plan, need: Need
) -> list[Evidence]:
    """Read the tables again: each that was worked on has a later date, and no more dead rows than before."""
    planned = {change.resource: change.handle["table"] for change in plan.changes}
    if not planned:
        return []

    def look() -> dict[str, Table]:
        seen = collect_tables(connect, run, place, ["*"]).state
        return {seen.resource(table): table for table in seen.tables}

    patience = run.poll(first_delay=0.1, longest_delay=1.0)
    patience.deadline = min(patience.deadline, run.clock.monotonic() + REPORT_SECONDS)
    begun = collected.state.now
    seen = patience.until(look, lambda tables: all(_since(tables.get(one), need.verb) > begun for one in planned),
                          lambda tables: "").seen
    return [_evidence(resource, seen.get(resource), begun, need) for resource in planned]


def _evidence(resource: str, table: Table | None, begun: str, need: Need) -> Evidence:
    done = _since(table, need.verb) > begun
    still = why_needed(table, need) if table else ""
    actual = {"last": _since(table, need.verb) or "never", "still": still or "nothing"}
    if still and done:
        # Rows that an old transaction can still see cannot go; the next vacuum does no better while it lasts.
        actual["reason"] = "an old transaction, a replication slot or a standby may still see them"
    return Evidence(need.verb, resource, f"after {begun}, nothing left to do", actual, done and not still)


def _since(table: Table | None, verb: str) -> str:
    return (table and (table.vacuumed if verb == "vacuum" else table.analyzed)) or ""


def _part(rows: int, of: int, need: Need, what: str) -> str:
    percent = 100 * rows / of if of else 100.0
    return f"{rows:,} of {of:,} rows {what} ({percent:.0f} %)" if rows >= need.rows and percent >= need.percent else ""


def _outcome(done: Any, change: Change) -> Outcome | OperationError:
    return done.error or done.answer or OperationError(
        f"{change.handle['verb']} a table", change.resource, "it was not begun", "Run again.")
