# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many rows are old, who still refers to them, and how hard the server works: what retention rests on.

Rows are counted exactly, since a limit rests on it, and only by a role that sees them all. That takes as long as a table is
large: it has the time of the run, not of a statement. A count that is not done by then is an obstacle, and nothing is
deleted of that table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..core.errors import OperationError, Refused
from ..core.run import Run
from .connection import APPLICATION, Connect, opened, sql
from .retention_catalog import Heir, Reference
from .retention_rules import ATTEMPTED, Brakes, Load, Retention
from .retention_tables import ROWS, Left, Part, Target

LONGER = "Raise wait_timeout if it only needs longer."


def read_load(cursor: Any) -> tuple[Load, int, int]:
    """How hard the server works, and how many standbys and sessions there are whose state may not be seen."""
    cursor.execute(_LOAD, {"ours": APPLICATION})
    lag, behind, silent, slot, retained, standbys, active, sessions = cursor.fetchone()
    return Load(lag, active, behind, silent, slot, retained), standbys, sessions


def time_for(connect: Connect, run: Run) -> float:
    """Seconds for what reads a whole table: what is left of the run, at least what a statement may take."""
    return max(float(connect.options["statement_timeout"]), run.deadline - run.clock.monotonic())


def refuse_blind(cursor: Any, brakes: Brakes, place: str) -> None:
    """Refuse to begin where it could not be seen when to stop.

    :raises Refused: naming the brake and the right that is missing
    """
    _load, standbys, sessions = read_load(cursor)
    if (brakes.lag or brakes.behind) and standbys:
        raise Refused(ATTEMPTED, f"postgres:{place}", f"how far {standbys} standbys are behind may not be seen",
                      "Grant the role pg_monitor, or set maximum_replication_lag and maximum_replication_lag_bytes to 0 if "
                      "standbys do not matter.")
    if brakes.active is not None and sessions:
        raise Refused(ATTEMPTED, f"postgres:{place}", f"whether {sessions} sessions are at work may not be seen",
                      "Grant the role pg_monitor, or leave maximum_active out.")


def refuse_cascades(targets: Sequence[Target], wanted: Retention) -> None:
    """Refuse to delete or change rows of other tables by foreign keys, unless that is wanted.

    :raises Refused: naming the tables
    """
    touched = [target for target in targets if target.cascades]
    if touched and not wanted.cascade:
        said = "; ".join(f"{target.named}: {', '.join(target.cascades)}" for target in touched)
        raise Refused(ATTEMPTED, said, "foreign keys would delete or change rows of these tables too",
                      "Set cascade if that is meant; max_affected and maximum_percent do not count those rows.")


def count_target(connect: Connect, run: Run, target: Target) -> Target:
    """The target with the rows of its parts counted."""
    return replace(target, parts=tuple(_count(connect, run, target, part) for part in target.parts))


def count_left(cursor: Any, target: Target, part: Part) -> int:
    """The old rows of a part; an index on the column spares reading the others."""
    cursor.execute(_counting(_LEFT, target, part))
    return int(cursor.fetchone()[0])


def size_of(cursor: Any, part: Part) -> int:
    """Bytes of a part with its indexes, and with its partitions where it has some."""
    cursor.execute(_SIZE, {"table": part.oid})
    return int(cursor.fetchone()[0])


def with_heirs(connect: Connect, run: Run, target: Target, ruled: Sequence[Target]) -> Target:
    """The target, with the tables that inherit from it and keep old rows among what is left.

    :param ruled: all targets: what has a rule of its own is not left
    """
    heirs = [heir for heir in target.heirs if heir.named not in {one.named for one in ruled}]
    looked = [Left(heir.named, _why_left(connect, run, target, heir)) for heir in heirs]
    return replace(target, left=(*target.left, *(one for one in looked if one.reason)))


def with_references(connect: Connect, run: Run, target: Target, before: Sequence[Target]) -> Target:
    """The target, where rows that stay still refer to old ones with that as its obstacle.

    :param before: the targets of earlier rules, whose old rows are gone by then
    """
    if not any(part.concerned for part in target.parts):
        return target
    reason = "; ".join(filter(None, (_why_held(connect, run, target, one, before) for one in target.references)))
    return replace(target, parts=tuple(
        replace(part, obstacle=reason) if part.concerned and not part.obstacle else part for part in target.parts))


def _count(connect: Connect, run: Run, target: Target, part: Part) -> Part:
    if not part.countable:
        return part
    seconds = time_for(connect, run)
    run.progress(f"{part.named}: counting its old rows, for at most {seconds:.0f} s")
    try:
        with opened(connect, "count old rows", part.named, seconds) as cursor:
            size = size_of(cursor, part)
            cursor.execute(_counting(_COUNT, target, part))
            rows, old = cursor.fetchone()
    except OperationError as error:
        return replace(part, obstacle=f"its old rows could not be counted: {error.reason}. {error.advice} {LONGER}")
    return replace(part, size=size, rows=rows, old=old)


def _why_left(connect: Connect, run: Run, target: Target, heir: Heir) -> str:
    """What is to be said of a table that inherits; nothing where no row of it is old."""
    inherits = f"it inherits from {target.named}"
    if not heir.readable:
        return f"{inherits}, and whether it has old rows may not be seen: the role lacks SELECT on it"
    try:
        with opened(connect, "look for old rows", heir.named, time_for(connect, run)) as cursor:
            cursor.execute(sql.SQL(_ANY).format(
                table=sql.Identifier(heir.schema, heir.name), column=sql.Identifier(target.rule.column),
                cutoff=sql.Literal(target.cutoff)))
            old = cursor.fetchone()[0]
    except OperationError as error:
        return f"{inherits}, and whether it has old rows could not be seen: {error.reason}"
    return f"{inherits} and has rows older than {target.rule.older_than}: they need a rule of their own" if old else ""


def _counting(text: str, target: Target, part: Part) -> Any:
    """A part's own rows are counted, not those of tables that inherit from it, or those of all its partitions."""
    table = sql.Identifier(part.schema, part.name)
    return sql.SQL(text).format(rows=sql.SQL("ONLY {}").format(table) if part.fate == ROWS else table,
                                column=sql.Identifier(target.rule.column), cutoff=sql.Literal(target.cutoff))


def _why_held(connect: Connect, run: Run, target: Target, reference: Reference, before: Sequence[Target]) -> str:
    named = f"{reference.schema}.{reference.name} ({', '.join(reference.columns)})"
    if not reference.readable:
        return f"whether {named} still refers to old rows may not be seen: the role lacks SELECT on it"
    try:
        with opened(connect, "look for references to old rows", named, time_for(connect, run)) as cursor:
            cursor.execute(_referring(target, reference, before))
            refers = cursor.fetchone()[0]
    except OperationError as error:
        return f"whether {named} still refers to old rows could not be seen: {error.reason}. {error.advice} {LONGER}"
    if not refers:
        return ""
    if reference.own:
        return f"rows of {named} that are not old refer to old ones, which the foreign key keeps"
    return f"rows of {named} that stay refer to old rows: a rule for that table has to come before"


def _referring(target: Target, reference: Reference, before: Sequence[Target]) -> Any:
    """Whether rows that stay refer to old ones; neither those stay that go before, nor the table's own that are old."""
    gone = [sql.SQL("(theirs.{} < {}) IS TRUE").format(sql.Identifier(one.rule.column), sql.Literal(one.cutoff))
            for one in (*before, target) if _goes(one, reference)]
    return sql.SQL(_REFERRING).format(
        theirs=sql.Identifier(reference.schema, reference.name), ours=sql.Identifier(target.schema, target.name),
        columns=sql.SQL(", ").join(sql.Identifier("theirs", name) for name in reference.columns),
        to=sql.SQL(", ").join(sql.Identifier("ours", name) for name in reference.to),
        column=sql.Identifier("ours", target.rule.column), cutoff=sql.Literal(target.cutoff),
        gone=gone[0] if gone else sql.SQL("false"))


def _goes(one: Target, reference: Reference) -> bool:
    """Whether a target has the rule by which old rows of the table that refers go."""
    return (one.schema, one.name) == (reference.schema, reference.name) or reference.oid in {part.oid for part in one.parts}


_COUNT = "SELECT count(*), count(*) FILTER (WHERE {column} < {cutoff}) FROM {rows}"
_LEFT = "SELECT count(*) FROM {rows} WHERE {column} < {cutoff}"
_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size(%(table)s)) FROM pg_partition_tree(%(table)s)
"""
_REFERRING = """
SELECT EXISTS (SELECT FROM {theirs} AS theirs JOIN {ours} AS ours ON ({columns}) = ({to})
               WHERE {column} < {cutoff} AND NOT {gone})
"""
_ANY = "SELECT EXISTS (SELECT FROM ONLY {table} WHERE {column} < {cutoff})"
# Who receives WAL confirms it at once, and else says something from time to time only. A tool that receives applies none.
_LOAD = """
WITH here AS MATERIALIZED (
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
), standbys AS MATERIALIZED (
    SELECT state, replay_lag, pg_wal_lsn_diff(lsn, coalesce(replay_lsn, flush_lsn, sent_lsn)) AS behind,
           CASE WHEN flush_lsn < lsn THEN clock_timestamp() - reply_time END AS silent
    FROM pg_stat_replication, here WHERE state IS NULL OR state IN ('streaming', 'catchup')
), slots AS (
    SELECT slot_name, pg_wal_lsn_diff(lsn, restart_lsn) AS retained FROM pg_replication_slots, here
    WHERE NOT active AND restart_lsn IS NOT NULL ORDER BY 2 DESC LIMIT 1
)
SELECT coalesce((SELECT extract(epoch FROM max(replay_lag)) FROM standbys), 0)::float8,
       coalesce((SELECT max(behind) FROM standbys), 0)::int8,
       coalesce((SELECT extract(epoch FROM max(silent)) FROM standbys), 0)::float8,
       coalesce((SELECT slot_name FROM slots), '')::text, coalesce((SELECT retained FROM slots), 0)::int8,
       (SELECT count(*) FROM standbys WHERE state IS NULL),
       count(*) FILTER (WHERE state = 'active' AND backend_type = 'client backend' AND application_name <> %(ours)s),
       count(*) FILTER (WHERE usesysid IS NOT NULL AND state IS NULL AND backend_type IS NULL)
FROM pg_stat_activity
"""
