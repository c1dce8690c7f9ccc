# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Indexes of PostgreSQL tables: their state, size and use, which are duplicates, and which a failed build has left behind.

CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY leave an invalid index when they fail: writers maintain it, no query uses
it. It looks the same while it is being built, so each index says whether somebody is at it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.coverage import Collected, Coverage, Gap, merge_coverage
from ..core.run import Run
from .connection import Connect, opened, sql
from .relations import LOCKED, TABLE_LOCKED, Extent, extents
from .tables import MAINTAIN_SINCE, Table, Tables, collect_tables

KIND = "postgres-index"
NULLS_NOT_DISTINCT_SINCE = 150000
"""The version that first had unique indexes in which two nulls are the same."""

LEFTOVER = re.compile(r"(.*)_cc(?:new|old)\d*", re.DOTALL)
"""Names that REINDEX CONCURRENTLY gives: the new index while it is built, the old one while it goes."""


@dataclass(frozen=True)
class Index:
    """An index.

    :param oid: what tells it from another that has its name later; a rebuild gives a new one
    :param schema: of its table
    :param toast: whether it is that of the table's TOAST table, which is in the schema pg_toast
    :param method: as "btree"
    :param partitioned: whether it is a parent without pages of its own
    :param attached: whether it belongs to such a parent
    :param logged: whether a rebuild goes into WAL too
    :param rows: entries, by the last vacuum, analyze or build; None where there was none
    :param pages: its pages at that moment
    :param fill: the percentage of a page that a build fills
    :param constraint: the name of the constraint that it backs; empty without one
    :param exclusion: whether that excludes rows that overlap
    :param valid: whether queries use it
    :param scans: how often it was used since `Indexes.since`
    :param definition: the statement that would make it; empty where that cannot be read, since somebody locks its table
    :param identity: the same for indexes of a table that differ in nothing but name, uniqueness and storage
    :param being_built: whether a session holds it, or for an invalid one its table, as a build does
    :param maintainable: whether the role may rebuild it
    :param droppable: whether the role may drop it
    :param size: bytes; of one that is locked, as many as when they were last counted
    :param locked: whether somebody locks it against all
    """

    oid: int
    table_oid: int
    schema: str
    table: str
    name: str
    toast: bool
    method: str
    partitioned: bool
    attached: bool
    logged: bool
    rows: float | None
    pages: int
    fill: int
    unique: bool
    primary: bool
    constraint: str
    exclusion: bool
    valid: bool
    scans: int
    definition: str
    identity: str
    being_built: bool
    maintainable: bool
    droppable: bool
    size: int
    locked: bool

    @property
    def own_schema(self) -> str:
        """The schema that statements find it in."""
        return "pg_toast" if self.toast else self.schema

    @property
    def named(self) -> str:
        """Its name with its schema."""
        return f"{self.own_schema}.{self.name}"

    @property
    def key(self) -> tuple[str, str]:
        """Its schema and name, by which it is found again after a rebuild."""
        return self.own_schema, self.name


@dataclass(frozen=True)
class Indexes:
    """The indexes of the tables chosen.

    :param place: host, port and database of the server
    :param role: the role that looked
    :param now: the server's clock, ISO 8601
    :param since: since when the server counts uses, ISO 8601; None for since the database or the last crash
    :param tables: the tables chosen
    :param in_recovery: whether the server is a standby, or recovers
    """

    place: str
    role: str
    now: str
    since: str | None
    tables: tuple[Table, ...]
    indexes: tuple[Index, ...]
    in_recovery: bool = False

    def resource(self, index: Index) -> str:
        """An index's name in changes and evidence."""
        return f"{KIND}:{self.place}:{index.named}"


def collect_indexes(connect: Connect, run: Run, place: str, wanted_tables: Sequence[str]) -> Collected[Indexes]:
    """Read the indexes of the tables meant, and of their TOAST tables.

    Where somebody locks one of the tables against all, that is waited for once, as long as for a lock; then the definitions
    of its indexes are empty.

    :param wanted_tables: names or shell-style patterns, with the schema or without; none means none
    :raises OperationError: when the server gives no connection or no answer
    """
    seen = collect_tables(connect, run, place, wanted_tables)
    state = _look(connect, seen.state)
    if unreadable(state, state.indexes):
        patience = run.poll(first_delay=0.05, longest_delay=0.5)
        patience.deadline = min(patience.deadline, run.clock.monotonic() + int(connect.options["lock_timeout"]))
        state = patience.until(lambda: _look(connect, seen.state), lambda now: not unreadable(now, now.indexes),
                               lambda now: TABLE_LOCKED).seen
    return Collected(state, seen.now, merge_coverage([seen.coverage, Coverage((f"postgres:{place} indexes",))]))


def _look(connect: Connect, seen: Tables) -> Indexes:
    with opened(connect, "read the indexes of PostgreSQL", f"postgres:{seen.place}") as cursor:
        cursor.execute(_SINCE)
        (since,) = cursor.fetchone()
        version = cursor.connection.server_version
        cursor.execute(sql.SQL(_INDEXES).format(
            locked=sql.SQL(LOCKED),
            maintain=sql.SQL("has_table_privilege(owner.oid, 'MAINTAIN')" if version >= MAINTAIN_SINCE else "false"),
            distinct=sql.SQL("indnullsnotdistinct" if version >= NULLS_NOT_DISTINCT_SINCE else "false")),
            [[table.oid for table in seen.tables]])
        rows = cursor.fetchall()
        sizes = extents(cursor, [row[0] for row in rows])
    indexes = tuple(_index(row, sizes.get(row[0], Extent())) for row in rows)
    return Indexes(seen.place, seen.role, seen.now, since, seen.tables, indexes, seen.in_recovery)


def _index(row: Sequence[Any], extent: Extent) -> Index:
    told = [*row, extent.main, extent.locked]
    return Index(*told)


def unreadable(state: Indexes, indexes: Sequence[Index]) -> tuple[Gap, ...]:
    """Those of which it cannot be read now what they are."""
    return tuple(Gap(state.resource(index), f"its definition cannot be read: {TABLE_LOCKED}")
                 for index in indexes if not index.definition)


def invalid(indexes: Sequence[Index]) -> tuple[Index, ...]:
    """Indexes that no query uses, since their build failed or lasts. A parent is invalid while a partition lacks it."""
    return tuple(index for index in indexes if not index.valid and not index.partitioned)


def leftovers(indexes: Sequence[Index]) -> tuple[Index, ...]:
    """The invalid ones that bear the name which REINDEX CONCURRENTLY gives to its own."""
    return tuple(index for index in invalid(indexes) if LEFTOVER.fullmatch(index.name))


def original_of(leftover: Index, indexes: Sequence[Index]) -> Index | None:
    """The valid index that a leftover was to replace, or that replaced it."""
    return next((index for index in indexes if index.valid and is_of(leftover, index)), None)


def is_of(leftover: Index, index: Index) -> bool:
    """Whether a rebuild of an index has left this: the same but for the name, which begins alike.

    A long name is cut so that the ending fits into the 63 bytes of a name.
    """
    match = LEFTOVER.fullmatch(leftover.name)
    return (match is not None and index.name.startswith(match.group(1)) and index.unique == leftover.unique
            and index.identity == leftover.identity)


def duplicates(indexes: Sequence[Index]) -> tuple[tuple[Index, ...], ...]:
    """Groups of valid indexes that do the same; the first of a group is the one to keep.

    One that is unique serves all that a plain one does. What belongs to the index of a partitioned parent is told with
    that parent, since it cannot go alone.
    """
    groups: dict[str, list[Index]] = {}
    for index in indexes:
        if index.valid and not index.exclusion:
            groups.setdefault(index.identity, []).append(index)
    return tuple(tuple(sorted(group, key=_first_to_keep)) for group in groups.values()
                 if len(group) > 1 and not all(index.attached for index in group))


def _first_to_keep(index: Index) -> tuple[bool, bool, bool, bool, int, str]:
    return not index.primary, not index.constraint, not index.attached, not index.unique, -index.scans, index.name


_SINCE = """
SELECT to_char(stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
FROM pg_stat_database WHERE datname = current_database()
"""

# Who builds an index concurrently holds its table against other builds until the end, and while rebuilding the index too.
# So does who vacuums or analyzes the table; whose process ids the server shows to every role. A prepared transaction has
# none. `owner` is the table that the user knows, also of a TOAST table's index.
_INDEXES = """
WITH {locked}, held AS MATERIALIZED (
    SELECT DISTINCT relation FROM pg_locks
    WHERE locktype = 'relation' AND granted AND pid IS DISTINCT FROM pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum AS working WHERE working.pid = pg_locks.pid)
      AND NOT EXISTS (SELECT FROM pg_stat_progress_analyze AS working WHERE working.pid = pg_locks.pid))
SELECT index.oid, owner.oid, owner_space.nspname::text, owner.relname::text, index.relname::text, owner.oid <> indrelid,
       amname::text, index.relkind = 'I', index.relispartition,
       index.relpersistence = 'p' AND current_setting('wal_level') <> 'minimal',
       CASE WHEN index.reltuples < 0 OR index.relpages = 0 THEN NULL ELSE index.reltuples::float8 END, index.relpages,
       coalesce((SELECT option_value::int FROM pg_options_to_table(index.reloptions) WHERE option_name = 'fillfactor'), 90),
       indisunique, indisprimary, coalesce(conname, '')::text, indisexclusion, indisvalid, coalesce(idx_scan, 0),
       CASE WHEN waits THEN '' ELSE pg_get_indexdef(index.oid) END,
       ROW(indrelid, index.relam, indkey, indnkeyatts, indclass, indcollation, indoption, {distinct},
           CASE WHEN waits THEN index.oid::text ELSE pg_get_expr(indexprs, indrelid) END,
           CASE WHEN waits THEN '' ELSE pg_get_expr(indpred, indrelid) END)::text,
       EXISTS (SELECT FROM held WHERE relation = index.oid OR (NOT indisvalid AND relation = indrelid)),
       has_schema_privilege(space.oid, 'USAGE') AND (pg_has_role(index.relowner, 'USAGE') OR {maintain}),
       has_schema_privilege(space.oid, 'USAGE') AND (
           pg_has_role(index.relowner, 'USAGE') OR pg_has_role(space.nspowner, 'USAGE'))
FROM pg_index
JOIN pg_class AS index ON index.oid = indexrelid
JOIN pg_namespace AS space ON space.oid = index.relnamespace
JOIN pg_am ON pg_am.oid = index.relam
JOIN pg_class AS owner ON indrelid IN (owner.oid, owner.reltoastrelid)
JOIN pg_namespace AS owner_space ON owner_space.oid = owner.relnamespace
CROSS JOIN LATERAL (SELECT indrelid IN (SELECT oid FROM locked) AS waits) AS asked
LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u', 'x')
LEFT JOIN pg_stat_all_indexes ON pg_stat_all_indexes.indexrelid = pg_index.indexrelid
WHERE owner.oid = ANY (%s::oid[]) AND (waits OR pg_get_indexdef(index.oid) IS NOT NULL)
ORDER BY owner_space.nspname, owner.relname, space.nspname, index.relname
"""
