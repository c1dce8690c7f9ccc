# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What PostgreSQL counts of the statements of a database (003-05, 001-02): the extension pg_stat_statements.

It is asked in the schema it was put into. Where it is absent, not loaded, or hides others' statements, that is a gap.
The extension puts parameters in the place of constants, but not in all statements (`CREATE ROLE ... PASSWORD` keeps its
own), and now and then in none: so string literals are masked here in every text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import Refused
from ..core.run import Run
from .connection import Connect, opened, sql
from .errors import state_of
from .sql_text import masked

KIND = "postgres-query"
NOT_LOADED = "55000"
EXEC_TIMES_SINCE = (1, 8)
"""The version of the extension, delivered with PostgreSQL 13, that first told the times of execution apart."""
RESETS_SINCE = (1, 9)
"""The version (PostgreSQL 14) that first told since when it counts, and which statements are inside of others."""

TEXT_LENGTH = 500
"""As much of a statement's text is told."""
READ_LENGTH = 4000
"""As much of it is read. A literal that is cut is masked to the end."""

ORDERS = {"total": "total_exec_time", "mean": "mean_exec_time", "calls": "calls"}


@dataclass(frozen=True)
class Choice:
    """Which statements are told.

    :param mean_ms: the least mean time
    :param calls: the least number of calls
    :param order_by: one of ORDERS, the largest first
    :param limit: how many at most
    """

    mean_ms: float = 100.0
    calls: int = 1
    order_by: str = "total"
    limit: int = 20


@dataclass(frozen=True)
class Statement:
    """A statement, by its shape: calls that differ in their constants only are one.

    :param queryid: the server's number for it; None where the role may not see it
    :param text: masked, its white space folded, its end cut off; None where the role may not see it
    :param user: the role that called it
    :param nested: whether it was called inside of another one, as by a function
    :param mean_ms: milliseconds of execution, without planning
    :param total_ms: likewise, of all calls
    :param percent: of the time of all statements of the database
    :param hit_percent: of its blocks, found in shared buffers; None where it read none
    :param temp_blocks: blocks of temporary files read and written, as sorts and hashes beyond work_mem use
    """

    queryid: str | None
    text: str | None
    user: str
    nested: bool
    calls: int
    mean_ms: float
    max_ms: float
    total_ms: float
    percent: float | None
    rows: int
    hit_percent: float | None
    temp_blocks: int


@dataclass(frozen=True)
class Statements:
    """The statements of a database.

    :param place: host, port and database
    :param counted: how many different ones there are
    :param matching: how many of these are chosen, before the limit
    :param total_ms: time of all, without what is inside of others
    :param since: when the counting began, ISO 8601; None where the server does not tell
    :param dropped: how often the least used were dropped for want of room, in all databases; None likewise
    """

    place: str
    statements: tuple[Statement, ...] = ()
    counted: int = 0
    matching: int = 0
    total_ms: float = 0.0
    since: str | None = None
    dropped: int | None = None

    def resource(self, statement: Statement) -> str:
        """A statement's name in evidence."""
        return f"{KIND}:{self.place}:{statement.queryid or f'hidden, of {statement.user}'}"


def choice_of(options: Mapping[str, Any]) -> Choice:
    """Check and read a module's options.

    :raises Refused: for a number that is none
    """
    choice = Choice(options["minimum_mean_ms"], options["minimum_calls"], options["order_by"], options["limit"])
    if choice.mean_ms < 0 or choice.calls < 1 or choice.limit < 1:
        raise Refused("read statements", "minimum_mean_ms, minimum_calls, limit",
                      f"{choice.mean_ms:g} ms, {choice.calls} calls, {choice.limit} statements",
                      "Give no negative time, and at least one call and one statement.")
    return choice


def collect_statements(connect: Connect, run: Run, place: str, choice: Choice) -> Collected[Statements]:
    """Read the statements of the database that are chosen.

    :raises OperationError: when the server gives no connection or no answer
    """
    with opened(connect, "read the statements of PostgreSQL", f"postgres:{place}") as cursor:
        cursor.execute(_EXTENSION)
        found = cursor.fetchone()
        reason = _why_unreadable(found)
        if not reason:
            try:
                return _collected(_read(cursor, place, found[0], _version(found[1]), choice), run)
            except Exception as error:
                if state_of(error) != NOT_LOADED:
                    raise
                reason = ("pg_stat_statements is not loaded: put it into shared_preload_libraries (on RDS in the parameter "
                          "group) and restart the server")
    return Collected(Statements(place), run.now(), Coverage((), (Gap(f"postgres:{place} statements", reason),)))


def _why_unreadable(found: tuple[str, str, bool] | None) -> str:
    if found is None:
        return "the extension pg_stat_statements is not in this database: CREATE EXTENSION pg_stat_statements"
    schema, version, usable = found
    if _version(version) < EXEC_TIMES_SINCE:
        return f"pg_stat_statements is of version {version}: ALTER EXTENSION pg_stat_statements UPDATE"
    return "" if usable else f"the role may not use the schema of pg_stat_statements: GRANT USAGE ON SCHEMA {schema}"


def _read(
    cursor: Any, place: str, schema: str, version: tuple[int, ...], choice: Choice
) -> tuple[Statements, int]:
    """The statements, and how many of all are hidden from the role."""
    since, dropped = None, None
    if version >= RESETS_SINCE:
        cursor.execute(sql.SQL(_INFO).format(info=sql.Identifier(schema, "pg_stat_statements_info")))
        since, dropped = cursor.fetchone()
    # Values as literals: beside parameters, a percent sign in the name of the schema would stand for one more.
    parts = {"statements": sql.Identifier(schema, "pg_stat_statements"), "order": sql.Identifier(ORDERS[choice.order_by]),
             "nested": sql.SQL("NOT toplevel" if version >= RESETS_SINCE else "false"),
             "mean_ms": sql.Literal(choice.mean_ms), "calls": sql.Literal(choice.calls), "limit": sql.Literal(choice.limit),
             "length": sql.Literal(READ_LENGTH)}
    cursor.execute(sql.SQL(_TOTALS).format(**parts))
    counted, matching, hidden, total = cursor.fetchone()
    cursor.execute(sql.SQL(_STATEMENTS).format(**parts))
    statements = tuple(_statement(row, total) for row in cursor.fetchall())
    return Statements(place, statements, counted, matching, round(total, 3), since, dropped), hidden


def _statement(row: tuple[Any, ...], all_ms: float) -> Statement:
    queryid, text, user, nested, calls, mean, most, total, rows, hit, read, temporary = row
    blocks = hit + read
    return Statement(
        queryid, None if queryid is None else told_text(text), user, nested, calls, round(mean, 3), round(most, 3),
        round(total, 3), round(100 * total / all_ms, 1) if all_ms else None, rows,
        round(100 * hit / blocks, 1) if blocks else None, temporary)


def told_text(text: str) -> str:
    """A statement's text as results tell it: without literals, its white space folded, its end cut off."""
    folded = " ".join(masked(text).split())
    return folded if len(folded) <= TEXT_LENGTH else f"{folded[:TEXT_LENGTH - 3]}..."


def _collected(read: tuple[Statements, int], run: Run) -> Collected[Statements]:
    state, hidden = read
    name = f"postgres:{state.place} statements"
    gaps = []
    if hidden:
        gaps.append(Gap(f"{name} of other roles", f"the role may not see the text of {hidden} of {state.counted}: it lacks "
                        "pg_read_all_stats, which is part of pg_monitor"))
    if not state.counted:
        gaps.append(Gap(name, "none was counted in this database: see compute_query_id and pg_stat_statements.track"))
    return Collected(state, run.now(), Coverage((name,) if state.counted else (), tuple(gaps)))


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


_EXTENSION = """
SELECT nspname::text, extversion, has_schema_privilege(pg_namespace.oid, 'USAGE')
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_stat_statements'
"""

_INFO = """
SELECT to_char(stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'), dealloc FROM {info}
"""

# Others' statements have no queryid where the role may not see them; their numbers it may.
_TOTALS = """
SELECT count(*), count(*) FILTER (WHERE mean_exec_time >= {mean_ms} AND calls >= {calls}),
       count(*) FILTER (WHERE queryid IS NULL), coalesce(sum(total_exec_time) FILTER (WHERE NOT ({nested})), 0)::float8
FROM {statements} WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

_STATEMENTS = """
SELECT queryid::text, left(query, {length}), coalesce(rolname, userid::text)::text, {nested}, calls, mean_exec_time,
       max_exec_time, total_exec_time, rows, shared_blks_hit, shared_blks_read, temp_blks_read + temp_blks_written
FROM {statements} LEFT JOIN pg_roles ON pg_roles.oid = userid
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND mean_exec_time >= {mean_ms} AND calls >= {calls}
ORDER BY {order} DESC, queryid, userid LIMIT {limit}
"""
