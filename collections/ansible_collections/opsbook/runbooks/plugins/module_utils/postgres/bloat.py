# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much of a table or a B-tree index a rebuild would give back: measured where the server can, estimated otherwise.

Measured by the extension pgstattuple, where it is installed and the role may run it (pg_stat_scan_tables, which is part of
pg_monitor, since version 1.5 of it). `pgstatindex` reads the whole index, `pgstattuple_approx` the pages of a table that
are not all visible; statement_timeout bounds each, and what takes longer is estimated.

Estimated from the number of rows and the width of columns that the last ANALYZE found (page_layout.py): what such rows need,
against the pages that there were then. Equal keys share an entry since PostgreSQL 13, so an index may need fewer pages than
the estimate says: it claims too little then. It claims too much where values are wider in the index than in the table, as
those that the table keeps in its TOAST table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import OperationError
from .connection import Connect, opened, sql
from .indexes import Index
from .page_layout import BLOCK, Column, heap_pages, leaf_room, tree_pages
from .relations import WHY_LOCKED
from .tables import Table

Key = tuple[str, str]
"""Schema and name."""

MEASURED, ESTIMATED = "pgstattuple", "estimate"
NO_STATISTICS = ("nothing is known of its columns: it was never analyzed, or the role lacks SELECT on the table, or does "
                 "not own it, which it has to for what an index computes")
NO_PAGES = "it has no pages of its own"
NEVER_COUNTED = "it was never vacuumed or analyzed"


@dataclass(frozen=True)
class Bloat:
    """What a rebuild would give back, at the least.

    :param method: "pgstattuple" or "estimate"; None where it could not be told
    :param wasted: bytes; None where it could not be told
    :param percent: these as a part of all bytes
    :param reason: why it could not be told, or not be measured
    """

    method: str | None
    wasted: int | None
    percent: float | None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The bloat as plain data."""
        return {"method": self.method, "wasted_bytes": self.wasted, "wasted_percent": self.percent, "reason": self.reason}


def index_bloat(connect: Connect, place: str, indexes: Sequence[Index]) -> dict[Key, Bloat]:
    """The bloat of indexes, one read after another: each is read whole where it can be measured.

    :raises OperationError: when the server gives no connection or no answer
    """
    trees = [index for index in indexes if index.method == "btree" and index.valid and not index.partitioned]
    with opened(connect, "read how bloated indexes are", f"postgres:{place}") as cursor:
        extension = _Extension.find(cursor, "pgstatindex")
        columns = _columns(cursor, _INDEX_COLUMNS, [index.oid for index in trees])
    found = {index.key: Bloat(None, None, None, _why_unknown(index)) for index in indexes}
    for index in trees:
        needed = tree_pages(index.rows or 0.0, columns.get(index.oid, ()), index.fill)
        found[index.key] = extension.measured(connect, index, estimated(index.pages, index.rows, needed), index.fill)
    return found


def table_bloat(connect: Connect, place: str, tables: Sequence[Table]) -> dict[Key, Bloat]:
    """The bloat of tables without their indexes and TOAST tables.

    :raises OperationError: when the server gives no connection or no answer
    """
    chosen = {table.oid: table for table in tables if not table.partitioned}
    with opened(connect, "read how bloated tables are", f"postgres:{place}") as cursor:
        extension = _Extension.find(cursor, "pgstattuple_approx")
        cursor.execute(_HEAPS, [list(chosen)])
        heaps = cursor.fetchall()
        columns = _columns(cursor, _TABLE_COLUMNS, list(chosen))
    found = {(table.schema, table.name): Bloat(None, None, None, NO_PAGES) for table in tables}
    for oid, pages, rows, fill in heaps:
        table, needed = chosen[oid], heap_pages(rows or 0.0, columns.get(oid, ()), fill)
        estimate = estimated(pages, rows, needed) if table.heap or table.locked else Bloat(ESTIMATED, 0, 0.0)
        found[table.schema, table.name] = extension.measured(connect, table, estimate, fill)
    return found


def estimated(pages: int, rows: float | None, needed: int | None) -> Bloat:
    """The bloat of what has so many pages and needs so many, by its statistics.

    :param rows: how many were counted; None where they never were
    :param needed: None where its columns are not known
    """
    if rows is None or needed is None:
        return Bloat(None, None, None, NEVER_COUNTED if rows is None else NO_STATISTICS)
    return _wasted(ESTIMATED, pages, needed)


def tree_measured(row: Sequence[Any], fill: int) -> Bloat:
    """What `pgstatindex` says: bytes of the index, pages of leaves, empty and deleted, and how full the leaves are."""
    size, leaves, useless, density = row
    # Of an index without leaves the density is not a number.
    used = leaves * (density or 0.0) / 100 * leaf_room(100) if leaves else 0.0
    return _wasted(MEASURED, size // BLOCK, size // BLOCK - useless - leaves + math.ceil(used / leaf_room(fill)))


def heap_measured(row: Sequence[Any], fill: int) -> Bloat:
    """What `pgstattuple_approx` says: bytes of the table, of dead rows and free ones, less what is to stay free."""
    size, dead, free = row
    return _wasted(MEASURED, size // BLOCK, (size - max(0.0, dead + free - size * (100 - fill) / 100)) / BLOCK)


def _wasted(method: str, pages: int, needed: float) -> Bloat:
    wasted = max(0.0, pages - needed)
    return Bloat(method, int(wasted * BLOCK), round(100 * wasted / pages, 1) if pages else 0.0)


def _why_unknown(index: Index) -> str:
    if index.partitioned:
        return NO_PAGES
    return "it is not valid" if not index.valid else f"that is not told of the method {index.method}"


@dataclass(frozen=True)
class _Extension:
    """A function of pgstattuple.

    :param name: of the function
    :param schema: where it is
    :param reason: why it cannot be called; empty when it can
    """

    name: str
    schema: str
    reason: str

    @classmethod
    def find(cls, cursor: Any, name: str) -> _Extension:
        """Look for it."""
        cursor.execute(_FUNCTION, [name])
        schema, allowed = cursor.fetchone() or ("", None)
        reasons = {None: "the extension pgstattuple is not installed", True: "",
                   False: f"the role may not run {name}: it lacks pg_stat_scan_tables, which is part of pg_monitor"}
        return cls(name, schema, reasons[allowed])

    def measured(self, connect: Connect, relation: Table | Index, estimate: Bloat, fill: int) -> Bloat:
        """The bloat as it is measured; the estimate, with the reason, where that does not succeed."""
        statement, read = _FUNCTIONS[self.name]
        reason = self.reason or (WHY_LOCKED if relation.locked else "")
        if not reason:
            try:
                with opened(connect, "measure bloat", relation.named) as cursor:
                    cursor.execute(sql.SQL(statement).format(
                        function=sql.Identifier(self.schema, self.name), oid=sql.Literal(relation.oid)))
                    return read(cursor.fetchone(), fill)
            except OperationError as error:
                reason = f"{self.name}: {error.reason}"
        because = "; ".join(part for part in (estimate.reason, reason) if part)
        return Bloat(estimate.method, estimate.wasted, estimate.percent, because)


def _columns(cursor: Any, statement: str, oids: Sequence[int]) -> Mapping[int, Sequence[Column]]:
    cursor.execute(statement, [list(oids)])
    found: dict[int, list[Column]] = {}
    for oid, *rest in cursor.fetchall():
        found.setdefault(oid, []).append(Column(*rest))
    return found


_FUNCTION = """
SELECT nspname::text, has_schema_privilege(pg_namespace.oid, 'USAGE') AND has_function_privilege(pg_proc.oid, 'EXECUTE')
FROM pg_extension
JOIN pg_depend ON refclassid = 'pg_extension'::regclass AND refobjid = pg_extension.oid AND classid = 'pg_proc'::regclass
JOIN pg_proc ON pg_proc.oid = objid
JOIN pg_namespace ON pg_namespace.oid = pronamespace
WHERE extname = 'pgstattuple' AND proname = %s AND proargtypes = ARRAY['regclass'::regtype::oid]::oidvector
"""
_FUNCTIONS: Mapping[str, tuple[str, Callable[[Sequence[Any], int], Bloat]]] = {
    "pgstatindex": (
        "SELECT index_size, leaf_pages, empty_pages + deleted_pages, avg_leaf_density FROM {function}({oid}::oid::regclass)",
        tree_measured),
    "pgstattuple_approx": (
        "SELECT table_len, dead_tuple_len, approx_free_space FROM {function}({oid}::oid::regclass)", heap_measured),
}

_HEAPS = """
SELECT oid, relpages, CASE WHEN reltuples < 0 OR relpages = 0 THEN NULL ELSE reltuples::float8 END,
       coalesce((SELECT option_value::int FROM pg_options_to_table(reloptions) WHERE option_name = 'fillfactor'), 100)
FROM pg_class WHERE oid = ANY (%s::oid[])
"""

_TABLE_COLUMNS = """
SELECT attrelid, attlen, CASE attalign WHEN 'd' THEN 8 WHEN 'i' THEN 4 WHEN 's' THEN 2 ELSE 1 END, attnotnull, avg_width,
       null_frac
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_stats ON schemaname = nspname AND tablename = relname AND pg_stats.attname = pg_attribute.attname
    AND NOT inherited
WHERE attrelid = ANY (%s::oid[]) AND attnum > 0 AND NOT attisdropped
ORDER BY attrelid, attnum
"""

# A column of an index is stored as the index says, and is as wide and as often null as the table's statistics say. What an
# index computes has statistics under the name of the index. The columns of a TOAST table have none, and are never null.
_INDEX_COLUMNS = """
SELECT stored.attrelid, stored.attlen,
       CASE stored.attalign WHEN 'd' THEN 8 WHEN 'i' THEN 4 WHEN 's' THEN 2 ELSE 1 END,
       coalesce(source.attnotnull, false) OR heap.relkind = 't', avg_width, null_frac
FROM pg_index
JOIN pg_class AS index ON index.oid = indexrelid
JOIN pg_class AS heap ON heap.oid = indrelid
JOIN pg_namespace ON pg_namespace.oid = heap.relnamespace
JOIN pg_attribute AS stored ON stored.attrelid = indexrelid
LEFT JOIN pg_attribute AS source ON source.attrelid = indrelid AND source.attnum = indkey[stored.attnum - 1]
    AND source.attnum > 0
LEFT JOIN pg_stats ON schemaname = nspname AND NOT inherited
    AND tablename = CASE WHEN source.attnum IS NULL THEN index.relname ELSE heap.relname END
    AND pg_stats.attname = coalesce(source.attname, stored.attname)
WHERE indexrelid = ANY (%s::oid[])
ORDER BY stored.attrelid, stored.attnum
"""
