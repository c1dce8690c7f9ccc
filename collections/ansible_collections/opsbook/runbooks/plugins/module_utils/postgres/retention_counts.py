# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many rows are old, who still refers to them, and how hard the server works: what retention rests on.

Rows are counted exactly, since a limit rests on it, and only by a role that sees them all. A count that takes longer than a
statement may is an obstacle, and nothing is deleted of that table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..core.errors import OperationError, Refused
from .connection import APPLICATION, Connect, opened, sql
from .retention_catalog import Reference
from .retention_rules import ATTEMPTED, Brakes, Load, Retention
from .retention_tables import DETACHED, ROWS, Part, Target


def read_load(cursor: Any) -> tuple[Load, int, int]:
    """How hard the server works, and how many standbys and sessions there are whose state may not be seen."""
    cursor.execute(_LOAD, {"ours": APPLICATION})
    lag, standbys, active, sessions = cursor.fetchone()
    return Load(lag, active), standbys, sessions


def refuse_blind(cursor: Any, brakes: Brakes, place: str) -> None:
    """Refuse to begin where it could not be seen when to stop.

    :raises Refused: naming the brake and the right that is missing
    """
    _load, standbys, sessions = read_load(cursor)
    if brakes.lag and standbys:
        raise Refused(ATTEMPTED, f"postgres:{place}", f"how far {standbys} standbys are behind may not be seen",
                      "Grant the role pg_monitor, or set maximum_replication_lag to 0 if standbys do not matter.")
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


def count_target(connect: Connect, target: Target) -> Target:
    """The target with the rows of its parts counted."""
    return replace(target, parts=tuple(_count(connect, target, part) for part in target.parts))


def count_left(cursor: Any, target: Target, part: Part) -> int:
    """The old rows of a part; an index on the column spares reading the others."""
    cursor.execute(_counting(_LEFT, target, part))
    return int(cursor.fetchone()[0])


def size_of(cursor: Any, part: Part) -> int:
    """Bytes of a part with its indexes, and with its partitions where it has some."""
    cursor.execute(_SIZE, {"table": part.oid})
    return int(cursor.fetchone()[0])


def with_references(connect: Connect, target: Target, before: Sequence[Target]) -> Target:
    """The target, where rows that stay still refer to old ones with that as its obstacle.

    :param before: the targets of earlier rules, whose old rows are gone by then
    """
    if not any(part.concerned for part in target.parts):
        return target
    reason = "; ".join(filter(None, (_why_held(connect, target, one, before) for one in target.references)))
    return replace(target, parts=tuple(
        replace(part, obstacle=reason) if part.concerned and not part.obstacle else part for part in target.parts))


def _count(connect: Connect, target: Target, part: Part) -> Part:
    if not part.countable:
        return part
    try:
        with opened(connect, "count old rows", part.named) as cursor:
            size = size_of(cursor, part)
            if part.fate == DETACHED:
                return replace(part, size=size)
            cursor.execute(_counting(_COUNT, target, part))
            rows, old = cursor.fetchone()
    except OperationError as error:
        return replace(part, obstacle=f"its old rows could not be counted: {error.reason}. {error.advice}")
    return replace(part, size=size, rows=rows, old=old)


def _counting(text: str, target: Target, part: Part) -> Any:
    """A part's own rows are counted, not those of tables that inherit from it, or those of all its partitions."""
    table = sql.Identifier(part.schema, part.name)
    return sql.SQL(text).format(rows=sql.SQL("ONLY {}").format(table) if part.fate == ROWS else table,
                                column=sql.Identifier(target.rule.column), cutoff=sql.Literal(target.cutoff))


def _why_held(connect: Connect, target: Target, reference: Reference, before: Sequence[Target]) -> str:
    named = f"{reference.schema}.{reference.name} ({', '.join(reference.columns)})"
    if not reference.readable:
        return f"whether {named} still refers to old rows may not be seen: the role lacks SELECT on it"
    try:
        with opened(connect, "look for references to old rows", named) as cursor:
            cursor.execute(_referring(target, reference, before))
            refers = cursor.fetchone()[0]
    except OperationError as error:
        return f"whether {named} still refers to old rows could not be seen: {error.reason}. {error.advice}"
    return f"rows of {named} that stay refer to old rows: a rule for that table has to come before" if refers else ""


def _referring(target: Target, reference: Reference, before: Sequence[Target]) -> Any:
    gone = [sql.SQL("(theirs.{} < {}) IS TRUE").format(sql.Identifier(one.rule.column), sql.Literal(one.cutoff))
            for one in before if (one.schema, one.name) == (reference.schema, reference.name)]
    return sql.SQL(_REFERRING).format(
        theirs=sql.Identifier(reference.schema, reference.name), ours=sql.Identifier(target.schema, target.name),
        columns=sql.SQL(", ").join(sql.Identifier("theirs", name) for name in reference.columns),
        to=sql.SQL(", ").join(sql.Identifier("ours", name) for name in reference.to),
        column=sql.Identifier("ours", target.rule.column), cutoff=sql.Literal(target.cutoff),
        gone=gone[0] if gone else sql.SQL("false"))


_COUNT = "SELECT count(*), count(*) FILTER (WHERE {column} < {cutoff}) FROM {rows}"
_LEFT = "SELECT count(*) FROM {rows} WHERE {column} < {cutoff}"
_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size(%(table)s)) FROM pg_partition_tree(%(table)s)
"""
_REFERRING = """
SELECT EXISTS (SELECT FROM {theirs} AS theirs JOIN {ours} AS ours ON ({columns}) = ({to})
               WHERE {column} < {cutoff} AND NOT {gone})
"""
_LOAD = """
SELECT coalesce((SELECT extract(epoch FROM max(replay_lag)) FROM pg_stat_replication
                 WHERE state IN ('streaming', 'catchup')), 0)::float8,
       (SELECT count(*) FROM pg_stat_replication WHERE state IS NULL),
       count(*) FILTER (WHERE state = 'active' AND backend_type = 'client backend' AND application_name <> %(ours)s),
       count(*) FILTER (WHERE usesysid IS NOT NULL AND state IS NULL AND backend_type IS NULL)
FROM pg_stat_activity
"""
