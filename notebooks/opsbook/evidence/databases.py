"""How a system's PostgreSQL is: who holds connections and waits for whom, which statements cost, what its tables look like.

A server that gives no connection is a finding, and a row that says why; one that may not be asked is a gap. Statements are
read without their literals, sessions without their statements: both may hold secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.rds_instances import Instance, collect_instances
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import (
    POSTGRES,
    Connect,
    connector,
    place_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.sessions import Activity, collect_sessions
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statements import (
    Choice,
    Statement,
    Statements,
    collect_statements,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics import Wishes, collect_statistics
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics_state import Statistics
from opsbook.diagnosis.service_map import Component
from opsbook.evidence.pieces import Piece
from opsbook.evidence.sources import Source, attempt, undeclared, without

Row = TypeVar("Row")
State = TypeVar("State")

SECTIONS = ("cache", "tables", "wraparound", "transactions")
"""What an investigation asks of a server: what is cheap, and what a role that may only look is allowed. Dead rows show in
tables; `bloat` and the other sections may be asked for."""


def database_component(case: Source) -> Component | None:
    """The component that `opsbook_postgres` reaches: of kind postgres, or the RDS instance that the inventory says it is."""
    instance = case.declared.get("postgres_rds_instance")
    return next((one for one in case.service_map.components
                 if one.kind == "postgres" or (one.kind == "rds_instance" and one.id == instance)), None)


def sessions(case: Source, name: str = "database sessions") -> Piece[Activity]:
    """Connections, sessions, locks and prepared transactions: one row."""
    return _asked(case, Piece(name, "postgres", "pg_stat_activity, pg_locks, pg_prepared_xacts", None),
                  lambda connect, place: collect_sessions(connect, case.run, place), lambda state: (state,))


def statements(
    case: Source, minimum_mean_ms: float = 0.0, limit: int = 20, order_by: str = "total", name: str = "statements"
) -> Piece[Statement]:
    """The statements that cost most since pg_stat_statements began to count.

    :param minimum_mean_ms: only those whose mean time is at least this
    :param order_by: "total", "mean" or "calls"
    """
    choice = Choice(minimum_mean_ms, 1, order_by, limit)
    query = f"pg_stat_statements by {order_by} time, mean at least {minimum_mean_ms:g} ms, the first {limit}"
    return _asked(case, Piece(name, "postgres", query, None), lambda connect, place: collect_statements(
        connect, case.run, place, choice), lambda state: state.statements)


def statements_lately(
    case: Source, seconds: float = 3.0, limit: int = 20, name: str = "statements lately"
) -> Piece[Statement]:
    """What statements cost between two looks: means since the counters began hide what happens now.

    :param seconds: between the looks
    :param limit: how many at most, those that took most time first
    """
    choice = Choice(0.0, 1, "total", 500)
    query = f"pg_stat_statements, the difference of two looks {seconds:g} s apart"

    def collect(connect: Connect, place: str) -> Collected[Statements]:
        looks: list[Collected[Statements]] = []

        def look() -> int:
            looks.append(collect_statements(connect, case.run, place, choice))
            return len(looks)

        case.run.poll(first_delay=seconds).until(look, lambda seen: seen >= 2, lambda seen: "")
        lately = grown(looks[0].state, looks[-1].state, limit, str(connect.options["login_user"]))
        return replace(looks[-1], state=replace(looks[-1].state, statements=lately))

    return _asked(case, Piece(name, "postgres", query, None), collect, lambda state: state.statements)


def table_statistics(
    case: Source, sections: Sequence[str] = SECTIONS, limit: int = 20, name: str = "database statistics"
) -> Piece[Statistics]:
    """Cache, tables with their dead rows, old transactions: one row; a section that could not be read is a gap."""
    wishes = Wishes(tuple(sections), limit)
    return _asked(case, Piece(name, "postgres", f"statistics: {', '.join(sections)}", None),
                  lambda connect, place: collect_statistics(connect, case.run, place, wishes), lambda state: (state,))


def instances(case: Source, name: str = "RDS instances") -> Piece[Instance]:
    """The system's RDS instances: status, storage, class."""
    names = [one.id for one in case.service_map.of_kind("rds_instance")]
    blank: Piece[Instance] = Piece(name, "rds", f"DescribeDBInstances {', '.join(names)}", None)
    if not names:
        return undeclared(blank, "RDS instances")

    def read(piece: Piece[Instance]) -> Piece[Instance]:
        collected = collect_instances(case.aws(), case.run, names)
        known = replace(piece, rows=collected.state.found.items, coverage=collected.coverage)
        return without(known, collected.state.found.absent)

    return attempt(blank, read)


def grown(first: Statements, second: Statements, limit: int, ours: str = "") -> tuple[Statement, ...]:
    """What each statement cost between two looks, those that took most time first; counters that were reset tell nothing.

    :param ours: the role that looks, whose own statements are left out
    """
    if first.since != second.since:
        return ()
    before = {(one.queryid, one.user, one.nested): one for one in first.statements}
    found = []
    for one in second.statements:
        was = before.get((one.queryid, one.user, one.nested))
        calls, took = (one.calls - was.calls, one.total_ms - was.total_ms) if was else (one.calls, one.total_ms)
        if one.queryid and one.user != ours and calls > 0 and took >= 0:
            found.append(replace(one, calls=calls, total_ms=round(took, 3), mean_ms=round(took / calls, 3), percent=None,
                                 rows=one.rows - (was.rows if was else 0)))
    return tuple(sorted(found, key=lambda one: -one.total_ms)[:limit])


def _asked(
    case: Source, blank: Piece[Row], collect: Callable[[Connect, str], Collected[State]],
    rows: Callable[[State], Sequence[Row]],
) -> Piece[Row]:
    """Ask the system's PostgreSQL."""
    declared = case.declared.get("opsbook_postgres")
    if not declared:
        return undeclared(blank, "opsbook_postgres")
    options = {**{key: spec.get("default") for key, spec in POSTGRES.items()}, **declared}

    def read(piece: Piece[Row]) -> Piece[Row]:
        collected = collect(connector(options), place_of(options))
        return replace(piece, rows=tuple(rows(collected.state)), coverage=collected.coverage)

    return attempt(blank, read)
