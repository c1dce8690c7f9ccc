# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The statements that delete a batch of old rows: nobody holds them, no row outside of the batch refers to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .connection import sql
from .retention_tables import Part, Target

Place = tuple[str, ...]
"""Where a walk by the key has come to: its values, as PostgreSQL writes them. Before the first row it is empty."""


def next_place(cursor: Any, part: Part, after: Place, size: int) -> Place:
    """The last row of the next stretch; nothing for one that goes to the end."""
    columns = [sql.Identifier("here", name) for name in part.key]
    cursor.execute(sql.SQL(_UNTIL).format(
        values=sql.SQL(", ").join(sql.SQL("{}::text").format(column) for column in columns), table=_table(part),
        stretch=_stretch(part, after, ()), order=sql.SQL(", ").join(columns), skipped=sql.Literal(size - 1)))
    return tuple(cursor.fetchone() or ())


def delete_stretch(cursor: Any, target: Target, part: Part, after: Place, until: Place) -> tuple[int, int]:
    """Delete the old rows of a stretch that can go; how many it had, and how many of them are gone."""
    cursor.execute(sql.SQL(_DELETE_STRETCH).format(
        table=_table(part), stretch=_stretch(part, after, until), old=_old(target), **_own(target, part)))
    met, deleted = cursor.fetchone()
    return met, deleted


def delete_next(cursor: Any, target: Target, part: Part, after: str, size: int) -> tuple[int, int, str]:
    """Delete the next old rows that can go; how many were met, how many of them are gone, the last one's moment.

    From the oldest on, and where rows of the table refer to others from the youngest on: rows refer to earlier ones mostly.
    """
    column = sql.Identifier("here", target.rule.column)
    backwards = bool(target.own_references)
    sign, order, last = ("<=", "DESC", "min") if backwards else (">=", "ASC", "max")
    beyond = sql.SQL("{} {} {}").format(column, sql.SQL(sign), sql.Literal(after)) if after else sql.SQL("true")
    cursor.execute(sql.SQL(_DELETE_NEXT).format(
        table=_table(part), column=column, beyond=beyond, old=_old(target), size=sql.Literal(size), order=sql.SQL(order),
        last=sql.SQL(last), **_own(target, part)))
    met, deleted, reached = cursor.fetchone()
    return met, deleted, reached or ""


def _own(target: Target, part: Part) -> dict[str, Any]:
    """The pieces by which a batch leaves out rows that others of the same table refer to; empty where none do."""
    references = target.own_references
    if not references:
        return {"columns": sql.SQL(""), "blocked": sql.SQL(""), "but": sql.SQL("")}
    names = sorted({name for one in references for name in (*one.columns, *one.to)})
    aliases = {name: "column_" + str(number) for number, name in enumerate(names)}
    columns = sql.SQL("").join(
        sql.SQL(", {} AS {}").format(sql.Identifier("here", name), sql.Identifier(alias)) for name, alias in aliases.items())

    def of(table: str, chosen: Sequence[str], named: bool) -> Any:
        return sql.SQL(", ").join(sql.Identifier(table, aliases[name] if named else name) for name in chosen)

    def each(text: str) -> Any:
        return sql.SQL(" UNION ALL ").join(sql.SQL(text).format(
            theirs=sql.Identifier(one.schema, one.name), oid=sql.Literal(part.oid),
            refers=of("theirs", one.columns, named=False), to=of("free", one.to, named=True),
            child=of("child", one.columns, named=True), parent=of("parent", one.to, named=True)) for one in references)

    return {"columns": columns, "blocked": sql.SQL(_BLOCKED).format(outside=each(_OUTSIDE), inside=each(_INSIDE)),
            "but": sql.SQL(" EXCEPT SELECT place FROM blocked")}


def _table(part: Part) -> Any:
    return sql.Identifier(part.schema, part.name)


def _old(target: Target) -> Any:
    return sql.SQL("{} < {}").format(sql.Identifier("here", target.rule.column), sql.Literal(target.cutoff))


def _stretch(part: Part, after: Place, until: Place) -> Any:
    """The condition of a stretch. A literal takes the type of the column that it is compared with."""
    key = sql.SQL(", ").join(sql.Identifier("here", name) for name in part.key)
    bounds = [sql.SQL("({}) {} ({})").format(key, sql.SQL(sign), sql.SQL(", ").join(map(sql.Literal, place)))
              for sign, place in ((">", after), ("<=", until)) if place]
    return sql.SQL(" AND ").join(bounds) if bounds else sql.SQL("true")


# In the ISO style dates come back as they went. A table that was never analyzed would be sorted, again and again, rather
# than read in the order of an index.
_SETTINGS = "SET LOCAL datestyle = 'ISO'; SET LOCAL enable_sort = off;"
_UNTIL = _SETTINGS + """
SELECT {values} FROM ONLY {table} AS here WHERE {stretch} ORDER BY {order} OFFSET {skipped} LIMIT 1
"""
# What rows outside of the batch refer to stays, and what rows that stay refer to.
_BLOCKED = """, inside AS MATERIALIZED ({inside}), blocked (place) AS (
    SELECT place FROM ({outside}) AS outside UNION SELECT parent FROM blocked JOIN inside ON child = place
)"""
_INSIDE = """
    SELECT child.place AS child, parent.place AS parent FROM free AS child JOIN free AS parent ON ({child}) = ({parent})
"""
# Row by row, as the foreign key itself is checked: else the whole table may be read for every batch.
_OUTSIDE = """
    SELECT free.place FROM free CROSS JOIN LATERAL (
        SELECT theirs.ctid AS place, theirs.tableoid AS oid FROM {theirs} AS theirs WHERE ({refers}) = ({to}) OFFSET 0
    ) AS referring
    WHERE NOT EXISTS (SELECT FROM free AS own WHERE own.place = referring.place AND referring.oid = {oid})
"""
# The place of a row that is locked does not change. One that somebody moved between the look and the lock is not deleted
# there: it is met again, and stays if it is old no more.
_DELETE_STRETCH = _SETTINGS + """
WITH RECURSIVE free AS MATERIALIZED (
    SELECT here.ctid AS place{columns} FROM ONLY {table} AS here WHERE {stretch} AND {old} FOR UPDATE SKIP LOCKED
){blocked}, gone AS (
    DELETE FROM ONLY {table} AS here WHERE ctid = ANY (ARRAY(SELECT place FROM free{but})) AND {old} RETURNING 1
)
SELECT (SELECT count(*) FROM ONLY {table} AS here WHERE {stretch} AND {old}), (SELECT count(*) FROM gone)
"""
_DELETE_NEXT = _SETTINGS + """
WITH RECURSIVE free AS MATERIALIZED (
    SELECT here.ctid AS place, {column} AS moment{columns} FROM ONLY {table} AS here WHERE {beyond} AND {old}
    ORDER BY {column} {order} LIMIT {size} FOR UPDATE SKIP LOCKED
){blocked}, gone AS (
    DELETE FROM ONLY {table} AS here WHERE ctid = ANY (ARRAY(SELECT place FROM free{but})) AND {old} RETURNING 1
)
SELECT (SELECT count(*) FROM free), (SELECT count(*) FROM gone), (SELECT {last}(moment)::text FROM free)
"""
