# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a dump holds beside the rows of its tables: large objects, materialized views, rows of extensions.

A restore makes materialized views anew from their tables, so that their rows are those of a refresh, not those of the moment
of the dump. Only that each is there and filled is compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.run import Run
from .connection import sql
from .table_contents import Relation

NOT_COMPARED = ("contents of large objects", "rows of materialized views, which a restore makes anew",
                "where sequences stand", "roles, owners and privileges", "tablespaces, publications and subscriptions")
"""What a restore test says nothing of. Definitions are proven by being executed without an error."""
NOT_TOLD = "large objects, materialized views and tables of extensions: the manifest, an older one, does not tell of them"


@dataclass(frozen=True)
class ExtensionTable:
    """A table that belongs to an extension and holds settings of its users, which a dump has.

    :param rows: those that are dumped; those that the extension brings itself are not
    """

    extension: str
    schema: str
    name: str
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """The table as plain data."""
        return {"extension": self.extension, "schema": self.schema, "name": self.name, "rows": self.rows}


@dataclass(frozen=True)
class Extras:
    """What there is beside the rows of tables.

    :param large_objects: how many
    :param views: the materialized views that are filled, by schema and name
    :param tables: those of extensions whose rows are dumped
    """

    large_objects: int
    views: tuple[tuple[str, str], ...]
    tables: tuple[ExtensionTable, ...]

    def counts(self) -> dict[str, int]:
        """How many there are of each, for evidence."""
        return {"large_objects": self.large_objects, "materialized_views": len(self.views),
                "rows_of_extensions": sum(table.rows for table in self.tables)}

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {"large_objects": self.large_objects, "materialized_views": [list(view) for view in self.views],
                "tables_of_extensions": [table.as_dict() for table in self.tables]}


def extras_of(given: Mapping[str, Any]) -> Extras:
    """What `as_dict` gave.

    :raises KeyError, TypeError, ValueError: when it is something else
    """
    views = tuple((str(schema), str(name)) for schema, name in given["materialized_views"])
    tables = tuple(ExtensionTable(str(table["extension"]), str(table["schema"]), str(table["name"]), int(table["rows"]))
                   for table in given["tables_of_extensions"])
    return Extras(int(given["large_objects"]), views, tables)


def read_extras(cursor: Any, run: Run, relations: Sequence[Relation]) -> Extras:
    """Count what there is, in the cursor's snapshot.

    :raises Stopped: when nothing may go on
    """
    cursor.execute(_LARGE_OBJECTS)
    [large] = cursor.fetchone()
    cursor.execute(_VIEWS)
    views = tuple((schema, name) for schema, name in cursor.fetchall())
    tables = []
    for one in relations:
        if one.extension and one.rows:
            run.may_change()
            # The condition is the extension's own text, which pg_dump executes likewise; nobody but a superuser writes it.
            cursor.execute(sql.SQL(_COUNT).format(sql.Identifier(one.schema, one.name)) + sql.SQL(one.condition))
            tables.append(ExtensionTable(one.extension, one.schema, one.name, cursor.fetchone()[0]))
    return Extras(large, views, tuple(tables))


def differing_extras(expected: Extras, seen: Extras, left_out: Collection[str]) -> list[str]:
    """How what was restored differs; empty where it does not. Pure.

    :param left_out: extensions that were not restored
    """
    found = []
    if seen.large_objects != expected.large_objects:
        found.append(f"{seen.large_objects:,} large objects instead of {expected.large_objects:,}")
    found += [f"{schema}.{name}: the materialized view is missing or not filled"
              for schema, name in expected.views if (schema, name) not in seen.views]
    there = {(table.schema, table.name): table.rows for table in seen.tables}
    for table in expected.tables:
        rows = there.get((table.schema, table.name))
        if table.extension not in left_out and rows != table.rows:
            told = "it is missing" if rows is None else f"{rows:,} rows instead of {table.rows:,}"
            found.append(f"{table.schema}.{table.name} (of the extension {table.extension}): {told}")
    return found


_LARGE_OBJECTS = "SELECT count(*) FROM pg_largeobject_metadata"
_VIEWS = """
SELECT nspname::text, relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'm' AND relispopulated AND nspname !~ '^pg_' AND nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
ORDER BY nspname, relname
"""
_COUNT = "SELECT count(*) FROM ONLY {} "
