# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables of a PostgreSQL database with what the server counts of them: size, dead and changed rows, last upkeep.

The counts are the server's estimates (pg_stat_all_tables); they are gone after a crash or pg_stat_reset, and a table never
counted since has 0. Temporary tables and the system's own are left out.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.run import Run
from .connection import Connect, opened, sql

KIND = "postgres-table"
ALL = "*"
MAINTAIN_SINCE = 170000
"""The version that first had the privilege MAINTAIN."""


@dataclass(frozen=True)
class Table:
    """A table, a materialized view or a partitioned table.

    :param partitioned: whether it is a parent without rows of its own
    :param size: bytes without indexes; of a table that somebody locks against all, of its rows when they were last counted
    :param live: rows, by the server's count
    :param dead: rows that are deleted or outdated and still take space
    :param changed: rows changed since it was last analyzed
    :param vacuumed: moment of the last vacuum, by hand or automatic, ISO 8601; None for never
    :param analyzed: likewise
    :param frozen_age: transactions since the oldest row that is not frozen
    :param maintainable: whether the role may vacuum and analyze it
    """

    schema: str
    name: str
    partitioned: bool
    size: int
    live: int
    dead: int
    changed: int
    vacuumed: str | None
    analyzed: str | None
    frozen_age: int
    maintainable: bool

    @property
    def named(self) -> str:
        """Its name with its schema."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Tables:
    """The tables chosen.

    :param place: host, port and database of the server
    :param role: the role that looked
    :param now: the server's clock, ISO 8601
    :param absent: names that no table has
    """

    place: str
    role: str
    now: str
    tables: tuple[Table, ...]
    absent: tuple[str, ...] = ()

    def resource(self, table: Table) -> str:
        """A table's name in changes and evidence."""
        return f"{KIND}:{self.place}:{table.named}"


def collect_tables(connect: Connect, run: Run, place: str, wanted: Sequence[str]) -> Collected[Tables]:
    """Read the tables meant.

    :param wanted: names or shell-style patterns, with the schema or without: `media_items`, `sales.*`; none means none
    :raises OperationError: when the server gives no connection or no answer
    """
    with opened(connect, "read the tables of PostgreSQL", f"postgres:{place}") as cursor:
        cursor.execute(_NOW)
        now, role = cursor.fetchone()
        cursor.execute(_statement(cursor.connection.server_version))
        tables = tuple(Table(*row) for row in cursor.fetchall())
    chosen = tuple(table for table in tables if any(fits(table, name) for name in wanted))
    # All of none is no mistake, as a name that nothing has is.
    absent = tuple(name for name in dict.fromkeys(wanted)
                   if name != ALL and not any(fits(table, name) for table in tables))
    return Collected(Tables(place, role, now, chosen, absent), run.now(), _coverage(place, absent))


def no_right(verb: str) -> str:
    """Why the role may not vacuum, analyze or rebuild a table that is not maintainable."""
    return (f"the role may not {verb} it: it needs USAGE of the schema, and to own the table or the database, or MAINTAIN "
            "on the table (PostgreSQL 17)")


def fits(table: Table, wanted: str) -> bool:
    """Whether a name or pattern means a table. Names may contain dots and brackets, so the plain name is tried first."""
    return any(name == wanted or fnmatch.fnmatchcase(name, wanted) for name in (table.name, table.named))


def _coverage(place: str, absent: Sequence[str]) -> Coverage:
    return Coverage((f"postgres:{place} tables",),
                    tuple(Gap(f"{KIND}:{place}:{name}", "there is no such table") for name in absent))


_NOW = """SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), current_user::text"""

# Asking for a size waits for who locks a table against all; one such table must not stand before all others.
_TABLES = """
WITH locked AS MATERIALIZED (
    SELECT relation AS oid FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
SELECT nspname::text, pg_class.relname::text, relkind = 'p',
       CASE WHEN pg_class.oid IN (SELECT oid FROM locked) THEN relpages::bigint * current_setting('block_size')::int
            ELSE coalesce(pg_table_size(pg_class.oid), 0) END, coalesce(n_live_tup, 0),
       coalesce(n_dead_tup, 0), coalesce(n_mod_since_analyze, 0),
       to_char(greatest(last_vacuum, last_autovacuum) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
       to_char(greatest(last_analyze, last_autoanalyze) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
       CASE WHEN relkind = 'p' THEN 0 ELSE age(relfrozenxid) END,
       has_schema_privilege(pg_namespace.oid, 'USAGE') AND (
           pg_has_role(relowner, 'USAGE') OR {maintain}
           OR pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE'))
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_stat_all_tables ON relid = pg_class.oid
WHERE relkind IN ('r', 'm', 'p') AND relpersistence <> 't' AND nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY nspname, pg_class.relname
"""


def _statement(version: int) -> Any:
    right = "has_table_privilege(pg_class.oid, 'MAINTAIN')" if version >= MAINTAIN_SINCE else "false"
    return sql.SQL(_TABLES).format(maintain=sql.SQL(right))
