# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What PostgreSQL's catalog says of a table whose old rows go: its partitions, keys, rights, and who refers to it.

Dates are read and written in the ISO style whatever the session's setting, so that they come back as they went. Nothing
here waits for a table's lock: its size is read elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .connection import sql

DETACH_CONCURRENTLY_SINCE = 140000
"""The version that first detached a partition while others read and write the table, and noted one half detached."""

TYPES = {
    "timestamp with time zone": (
        "timestamptz", """to_char(date_trunc('day', (now() - make_interval(secs => {age})) AT TIME ZONE 'UTC'),
                                  'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""),
    "timestamp without time zone": (
        "timestamp", """to_char(date_trunc('day', (now() - make_interval(secs => {age}))::timestamp),
                                'YYYY-MM-DD"T"HH24:MI:SS.US')"""),
    "date": ("date", "to_char((now() - make_interval(secs => {age}))::date, 'YYYY-MM-DD')"),
}
"""Types of columns that hold a moment: the type's short name, and the moment before which a row is old."""


@dataclass(frozen=True)
class Node:
    """A table, or a partition of it at any depth, as the role sees it.

    :param kind: "r" for one with rows, "p" for a parent of partitions, "f" for a foreign table
    :param branch: the direct partition that it is or lies below
    :param level: 0 for the table, 1 for its direct partitions
    :param default: whether it is the default partition
    :param pending: whether its detaching was begun and not finished
    :param past: whether its range, where that is of the rule's column, ends before what is kept begins
    :param comment: its comment
    :param version: of its entry in the catalog: another one after whatever is altered of it
    :param hides: whether row-level security hides rows of it from the role
    :param held_by: what depends on it, so that it cannot be dropped
    """

    oid: int
    schema: str
    name: str
    quoted: str
    kind: str
    branch: int
    level: int
    default: bool
    pending: bool
    past: bool
    comment: str
    version: str
    usable: bool
    readable: bool
    lockable: bool
    deletable: bool
    owned: bool
    hides: bool
    held_by: Sequence[str]


@dataclass(frozen=True)
class Reference:
    """A foreign key of another table, or of the same, to one of the tables.

    :param columns: of the table that refers
    :param to: the columns referred to
    :param readable: whether the role may read the table that refers
    :param own: whether the table refers to itself
    """

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]
    to: tuple[str, ...]
    readable: bool
    own: bool


@dataclass(frozen=True)
class Heir:
    """A table that inherits from one of which a rule speaks.

    :param readable: whether the role sees all its rows
    """

    schema: str
    name: str
    readable: bool

    @property
    def named(self) -> str:
        """Its name with its schema."""
        return f"{self.schema}.{self.name}"


def find_tables(cursor: Any) -> list[tuple[int, str, str, str, str]]:
    """Oid, schema, name, name as SQL writes it, and kind of all tables with rows or partitions."""
    cursor.execute(_TABLES)
    return [tuple(row) for row in cursor.fetchall()]


def column_of(cursor: Any, table: int, column: str) -> tuple[int, str] | None:
    """A column's number and type; None where there is none."""
    cursor.execute(_COLUMN, {"table": table, "column": column})
    row = cursor.fetchone()
    return (row[0], row[1]) if row else None


def cutoff_of(cursor: Any, kind: str, seconds: float) -> str:
    """The moment before which a row is old: the beginning of a day, by the server's clock at the transaction's beginning.

    Whole days, so that a run which is repeated finds the same rows old, and what was approved is still the same.
    """
    cursor.execute(sql.SQL("SELECT " + TYPES[kind][1]).format(age=sql.Literal(seconds)))
    return str(cursor.fetchone()[0])


def read_nodes(cursor: Any, table: int, number: int, kind: str, cutoff: str) -> list[Node]:
    """A table and all its partitions.

    :param number: the column's, to tell whether the table is partitioned by ranges of it
    """
    pending = "inhdetachpending" if cursor.connection.server_version >= DETACH_CONCURRENTLY_SINCE else "false"
    statement = sql.SQL(_NODES).format(pending=sql.SQL(pending), type=sql.SQL(TYPES[kind][0]))
    cursor.execute(statement, {"table": table, "number": number, "cutoff": cutoff})
    return [Node(*row) for row in cursor.fetchall()]


def read_heirs(cursor: Any, table: int) -> tuple[Heir, ...]:
    """The tables that inherit from a table, at any depth."""
    cursor.execute(_HEIRS, {"table": table})
    return tuple(Heir(*row) for row in cursor.fetchall())


def read_indexes(cursor: Any, tables: Sequence[int]) -> dict[int, list[tuple[bool, bool, tuple[str, ...]]]]:
    """Of each table its B-trees over all rows: whether primary, whether they tell rows apart, their columns."""
    cursor.execute(_INDEXES, {"tables": list(tables)})
    found: dict[int, list[tuple[bool, bool, tuple[str, ...]]]] = {table: [] for table in tables}
    for table, primary, unique, columns in cursor.fetchall():
        found[table].append((primary, unique, tuple(columns)))
    return found


def read_triggers(cursor: Any, tables: Sequence[int]) -> tuple[str, ...]:
    """Names of the triggers that a deletion fires."""
    cursor.execute(_TRIGGERS, {"tables": list(tables)})
    return tuple(name for (name,) in cursor.fetchall())


def read_cascades(cursor: Any, tables: Sequence[int]) -> tuple[str, ...]:
    """Names of the tables whose rows a deletion deletes or changes, and of those that follow from these."""
    cursor.execute(_CASCADES, {"tables": list(tables)})
    return tuple(name for (name,) in cursor.fetchall())


def read_references(cursor: Any, tables: Sequence[int]) -> list[Reference]:
    """The foreign keys that forbid to delete a row that is referred to."""
    cursor.execute(_REFERENCES, {"tables": list(tables)})
    return [Reference(oid, schema, name, tuple(columns), tuple(to), readable, oid in tables)
            for oid, schema, name, columns, to, readable in cursor.fetchall()]


_TABLES = """
SELECT pg_class.oid::int8, nspname::text, relname::text, quote_ident(nspname) || '.' || quote_ident(relname), relkind::text
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND relpersistence <> 't' AND nspname NOT IN ('pg_catalog', 'information_schema')
"""
_COLUMN = """
SELECT attnum, atttypid::regtype::text FROM pg_attribute
WHERE attrelid = %(table)s AND attname = %(column)s AND attnum > 0 AND NOT attisdropped
"""
_NODES = """
WITH RECURSIVE tree AS (
    SELECT oid, relkind, oid AS branch, 0 AS level, false AS pending FROM pg_class WHERE oid = %(table)s
    UNION ALL
    SELECT child.oid, child.relkind, CASE WHEN level = 0 THEN child.oid ELSE branch END, level + 1, {pending}
    FROM tree JOIN pg_inherits ON inhparent = tree.oid AND tree.relkind = 'p' JOIN pg_class AS child ON child.oid = inhrelid
), bounds AS (
    SELECT tree.*, pg_get_expr(relpartbound, pg_class.oid) AS bound,
           level = 1 AND EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = %(table)s AND partstrat = 'r'
                                 AND partnatts = 1 AND partattrs[0] = %(number)s) AS ranged
    FROM tree JOIN pg_class ON pg_class.oid = tree.oid
), ends AS (
    SELECT *, CASE WHEN ranged THEN substring(bound FROM 'TO \\(''([^'']*)''\\)$') END AS until FROM bounds
)
SELECT pg_class.oid::int8, nspname::text, relname::text, quote_ident(nspname) || '.' || quote_ident(relname),
       pg_class.relkind::text, branch::int8, level, coalesce(bound, '') = 'DEFAULT', pending,
       coalesce(until::{type} <= %(cutoff)s, false), coalesce(obj_description(pg_class.oid, 'pg_class'), ''),
       pg_class.xmin::text,
       has_schema_privilege(relnamespace, 'USAGE'), has_table_privilege(pg_class.oid, 'SELECT'),
       has_any_column_privilege(pg_class.oid, 'UPDATE'), has_table_privilege(pg_class.oid, 'DELETE'),
       pg_has_role(relowner, 'USAGE') AND pg_has_role((SELECT relowner FROM pg_class WHERE oid = %(table)s), 'USAGE'),
       row_security_active(pg_class.oid),
       ARRAY(SELECT ev_class::regclass::text FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid
             WHERE classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = pg_class.oid
             AND ev_class <> refobjid
             UNION SELECT conrelid::regclass::text FROM pg_constraint
             WHERE contype = 'f' AND confrelid = pg_class.oid AND conparentid = 0)
FROM ends JOIN pg_class ON pg_class.oid = ends.oid JOIN pg_namespace ON pg_namespace.oid = relnamespace
ORDER BY level, until, nspname, relname
"""
_HEIRS = """
WITH RECURSIVE heirs AS (
    SELECT inhrelid FROM pg_inherits JOIN pg_class ON pg_class.oid = inhparent
    WHERE inhparent = %(table)s AND relkind <> 'p'
    UNION SELECT child.inhrelid FROM heirs JOIN pg_inherits AS child ON child.inhparent = heirs.inhrelid
)
SELECT nspname::text, relname::text, has_schema_privilege(relnamespace, 'USAGE')
       AND has_table_privilege(pg_class.oid, 'SELECT') AND NOT row_security_active(pg_class.oid)
FROM heirs JOIN pg_class ON pg_class.oid = inhrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace ORDER BY 1, 2
"""
_INDEXES = """
SELECT indrelid::int8, indisprimary, indisunique AND indimmediate AND coalesce(bool_and(attnotnull), false),
       array_agg(attname::text ORDER BY place)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
CROSS JOIN LATERAL unnest(indkey::int2[]) WITH ORDINALITY AS keys(number, place)
JOIN pg_attribute ON attrelid = indrelid AND attnum = number
WHERE indrelid = ANY(%(tables)s::oid[]) AND amname = 'btree' AND indisvalid AND indpred IS NULL AND indexprs IS NULL
AND place <= indnkeyatts
GROUP BY indexrelid, indrelid, indisprimary, indisunique, indimmediate ORDER BY indisprimary DESC, indexrelid
"""
_TRIGGERS = """
SELECT DISTINCT tgname::text FROM pg_trigger
WHERE tgrelid = ANY(%(tables)s::oid[]) AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 8 <> 0 ORDER BY 1
"""
_CASCADES = """
WITH RECURSIVE reached AS (
    SELECT unnest(%(tables)s::oid[]) AS oid
    UNION
    SELECT conrelid FROM reached JOIN pg_constraint ON confrelid = reached.oid WHERE contype = 'f' AND confdeltype = 'c'
)
SELECT DISTINCT conrelid::regclass::text FROM reached JOIN pg_constraint ON confrelid = reached.oid
JOIN pg_class ON pg_class.oid = conrelid
WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd') AND NOT (relispartition AND conparentid <> 0) ORDER BY 1
"""
_REFERENCES = """
SELECT DISTINCT conrelid::int8, nspname::text, relname::text,
       ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS keys(number, place)
             JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place),
       ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY AS keys(number, place)
             JOIN pg_attribute ON attrelid = confrelid AND attnum = number ORDER BY place),
       has_schema_privilege(relnamespace, 'USAGE') AND has_table_privilege(conrelid, 'SELECT')
FROM pg_constraint AS here JOIN pg_class ON pg_class.oid = conrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE contype = 'f' AND confdeltype IN ('a', 'r') AND confrelid = ANY(%(tables)s::oid[])
AND NOT EXISTS (SELECT FROM pg_constraint AS up WHERE up.oid = here.conparentid AND up.confrelid = ANY(%(tables)s::oid[]))
ORDER BY 2, 3
"""
