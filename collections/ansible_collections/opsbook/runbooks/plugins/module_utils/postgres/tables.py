# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables of a PostgreSQL database with what the server counts of them: size, dead and changed rows, last upkeep.

The counts are the server's estimates (pg_stat_all_tables). They are gone after a crash, a failover or pg_stat_reset: a table
that was not counted since has 0, which is not known rather than nothing. A standby counts none at all. Temporary tables and
the system's own are left out.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import Refused
from ..core.run import Run
from .connection import Connect, opened, sql
from .relations import Extent, extents

KIND = "postgres-table"
ALL = "*"
MAINTAIN_SINCE = 170000
"""The version that first had the privilege MAINTAIN."""


@dataclass(frozen=True)
class Table:
    """A table, a materialized view or a partitioned table.

    :param partitioned: whether it is a parent without rows of its own
    :param logged: whether what is written of it goes into WAL too, also where it is written anew as a whole
    :param live: rows, by the server's count
    :param dead: rows that are deleted or outdated and still take space
    :param changed: rows changed since it was last analyzed
    :param vacuumed: moment of the last vacuum, by hand or automatic, ISO 8601; None for never
    :param analyzed: likewise
    :param frozen_age: transactions since the oldest row that is not frozen
    :param recorded: rows that the last vacuum, analyze or build of an index found, which outlives the counts
    :param maintainable: whether the role may vacuum and analyze it
    :param heap: bytes of its rows
    :param toast: bytes of its TOAST table with its index
    :param indexes: bytes of its indexes
    :param rest: bytes of its maps of free space and of visibility
    :param locked: whether somebody locks it against all; bytes are as many as when they were last counted then
    """

    oid: int
    schema: str
    name: str
    partitioned: bool
    logged: bool
    live: int
    dead: int
    changed: int
    vacuumed: str | None
    analyzed: str | None
    frozen_age: int
    recorded: float
    maintainable: bool
    heap: int
    toast: int
    indexes: int
    rest: int
    locked: bool

    @property
    def named(self) -> str:
        """Its name with its schema."""
        return f"{self.schema}.{self.name}"

    @property
    def size(self) -> int:
        """Bytes without indexes."""
        return self.heap + self.rest + self.toast

    @property
    def whole(self) -> int:
        """Bytes of all of it."""
        return self.size + self.indexes

    @property
    def uncounted(self) -> bool:
        """Whether the server's counts of it are lost: there are fewer rows by them than there were, and nothing was done
        since that could have cleaned up any."""
        never = self.vacuumed is None and self.analyzed is None
        return never and self.heap > 0 and self.live + self.dead < max(1.0, self.recorded)


@dataclass(frozen=True)
class Tables:
    """The tables chosen.

    :param place: host, port and database of the server
    :param role: the role that looked
    :param now: the server's clock, ISO 8601
    :param absent: names that no table has
    :param in_recovery: whether it is a standby, or recovers
    """

    place: str
    role: str
    now: str
    tables: tuple[Table, ...]
    absent: tuple[str, ...] = ()
    in_recovery: bool = False

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
        now, role, in_recovery = cursor.fetchone()
        cursor.execute(_NAMES)
        names = cursor.fetchall()
        tables = _read(cursor, [oid for oid, schema, name in names if any(fits(schema, name, one) for one in wanted)])
    # All of none is no mistake, as a name that nothing has is.
    absent = tuple(one for one in dict.fromkeys(wanted)
                   if one != ALL and not any(fits(schema, name, one) for _oid, schema, name in names))
    return Collected(Tables(place, role, now, tables, absent, in_recovery), run.now(), _coverage(place, absent))


def _read(cursor: Any, oids: Sequence[int]) -> tuple[Table, ...]:
    """Only those that are meant: of each a size is asked for, which may wait."""
    can_maintain = cursor.connection.server_version >= MAINTAIN_SINCE
    right = "has_table_privilege(pg_class.oid, 'MAINTAIN')" if can_maintain else "false"
    cursor.execute(sql.SQL(_TABLES).format(maintain=sql.SQL(right)), [list(oids)])
    rows = cursor.fetchall()
    sizes = extents(cursor, [oid for row in rows for oid in (row[0], *row[-2], *row[-1])])

    return tuple(_table(row, sizes) for row in rows)


def _table(row: Sequence[Any], sizes: Mapping[int, Extent]) -> Table:
    *told, of_toast, indexes = row
    heap = sizes.get(told[0], Extent())
    added = [sum(sizes.get(oid, Extent()).whole for oid in parts) for parts in (of_toast, indexes)]
    told += [heap.main, *added, heap.whole - heap.main, heap.locked]
    return Table(*told)


def refuse_standby(place: str, in_recovery: bool, attempted: str) -> None:
    """Refuse to change what a standby has: nobody may there, and it counts nothing that the decision could rest on.

    :raises Refused: where the server is one
    """
    if in_recovery:
        raise Refused(attempted, f"postgres:{place}", "it is a standby, or recovers, and takes no changes",
                      "Connect to the primary.")


def no_right(verb: str) -> str:
    """Why the role may not vacuum, analyze or rebuild a table that is not maintainable."""
    return (f"the role may not {verb} it: it needs USAGE of the schema, and to own the table or the database, or MAINTAIN "
            "on the table (PostgreSQL 17)")


def fits(schema: str, name: str, wanted: str) -> bool:
    """Whether a name or pattern means a table. Names may contain dots and brackets, so the plain name is tried first."""
    return any(one == wanted or fnmatch.fnmatchcase(one, wanted) for one in (name, f"{schema}.{name}"))


def _coverage(place: str, absent: Sequence[str]) -> Coverage:
    return Coverage((f"postgres:{place} tables",),
                    tuple(Gap(f"{KIND}:{place}:{name}", "there is no such table") for name in absent))


_NOW = """
SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), current_user::text,
       pg_is_in_recovery()
"""

_NAMES = """
SELECT pg_class.oid, nspname::text, relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'm', 'p') AND relpersistence <> 't' AND nspname NOT IN ('pg_catalog', 'information_schema')
"""

_TABLES = """
SELECT pg_class.oid, nspname::text, pg_class.relname::text, relkind = 'p',
       relpersistence = 'p' AND current_setting('wal_level') <> 'minimal', coalesce(n_live_tup, 0),
       coalesce(n_dead_tup, 0), coalesce(n_mod_since_analyze, 0),
       to_char(greatest(last_vacuum, last_autovacuum) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
       to_char(greatest(last_analyze, last_autoanalyze) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
       CASE WHEN relkind = 'p' THEN 0 ELSE age(relfrozenxid) END, greatest(reltuples, 0)::float8,
       has_schema_privilege(pg_namespace.oid, 'USAGE') AND (
           pg_has_role(relowner, 'USAGE') OR {maintain}
           OR pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')),
       ARRAY(SELECT reltoastrelid::bigint WHERE reltoastrelid <> 0
             UNION ALL SELECT indexrelid::bigint FROM pg_index WHERE indrelid = nullif(reltoastrelid, 0)),
       ARRAY(SELECT indexrelid::bigint FROM pg_index WHERE indrelid = pg_class.oid)
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_stat_all_tables ON relid = pg_class.oid
WHERE pg_class.oid = ANY (%s::oid[])
ORDER BY nspname, pg_class.relname
"""
