# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a PostgreSQL server counts and keeps, section by section (001-02, 001-13, 003-05, 003-07).

Each section is read by itself: one that cannot be read is a gap, and the others still come. Counts go back to the last
reset of the database's statistics, or to the last crash of the server, which empties all of them: that leaves no trace in
pg_stat_database, but in the background writer's statistics (measured).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.coverage import Collected, Coverage, Gap, merge_coverage
from ..core.errors import OperationError, Refused
from ..core.run import Run
from .bloat import index_bloat, table_bloat
from .connection import Connect, opened
from .foreign_keys import collect_foreign_keys
from .indexes import Index, collect_indexes, unreadable
from .relations import WHY_LOCKED
from .replication import collect_replication, collect_slots
from .sessions import collect_sessions
from .statistics_state import KIND, Age, Bloats, Cache, Counter, Size, Sizes, Statistics, Transactions
from .tables import Table, collect_tables


@dataclass(frozen=True)
class Wishes:
    """What is read.

    :param sections: names of SECTIONS
    :param limit: how many tables, indexes, transactions or keys a section tells at most
    :param bloat_size: bytes from which on a table or an index is looked at for bloat
    """

    sections: tuple[str, ...]
    limit: int = 20
    bloat_size: int = 10_485_760


@dataclass(frozen=True)
class _Look:
    """What a section needs to be read."""

    connect: Connect = field(repr=False)
    run: Run
    place: str
    wishes: Wishes
    counter: Counter

    @property
    def resource(self) -> str:
        return f"{KIND}:{self.place}"

    def rows(self, statement: str) -> Sequence[Any]:
        with opened(self.connect, "read the statistics of PostgreSQL", self.resource) as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def covered(self, section: str) -> Coverage:
        return Coverage((f"{self.resource} {section}",))


Answer = tuple[Any, Coverage]


def wishes_of(options: Mapping[str, Any]) -> Wishes:
    """Check and read a module's options.

    :raises Refused: for a number that is none
    """
    wishes = Wishes(tuple(dict.fromkeys(options["gather"])), options["limit"], options["limits"]["minimum_bloat_size"])
    if wishes.limit < 1 or wishes.bloat_size < 0:
        raise Refused("read the statistics of PostgreSQL", "limit, minimum_bloat_size",
                      f"{wishes.limit} entries, {wishes.bloat_size} bytes", "Give at least one entry, and no negative size.")
    return wishes


def collect_statistics(connect: Connect, run: Run, place: str, wishes: Wishes) -> Collected[Statistics]:
    """Read the sections that are asked for, one after another.

    :raises OperationError: when the server gives no connection or no answer at all
    """
    with opened(connect, "read the statistics of PostgreSQL", f"{KIND}:{place}") as cursor:
        cursor.execute(_COUNTER)
        look = _Look(connect, run, place, wishes, Counter(*cursor.fetchone()))
    state, coverage = Statistics(place, look.counter, wishes.limit), []
    for section in wishes.sections:
        try:
            answer, covered = SECTIONS[section](look)
            state = replace(state, **{section: answer})
        except OperationError as error:
            covered = Coverage((), (Gap(f"{state.resource} {section}", error.reason),))
        coverage.append(covered)
    return Collected(state, run.now(), merge_coverage(coverage))


def _cache(look: _Look) -> Answer:
    return Cache(*look.rows(_CACHE)[0]), look.covered("cache")


def _sizes(look: _Look) -> Answer:
    (total,) = look.rows("SELECT pg_database_size(current_database())")[0]
    seen = collect_tables(look.connect, look.run, look.place, ["*"]).state.tables
    tables = [table for table in sorted(seen, key=lambda table: (-table.whole, table.schema, table.name))
              if not table.partitioned][:look.wishes.limit]
    sizes = tuple(Size(table.schema, table.name, table.whole, table.size - table.toast, table.indexes, table.toast)
                  for table in tables)
    old = tuple(Gap(f"{look.resource} size of {table.named}", f"as it was last counted: {WHY_LOCKED}")
                for table in tables if table.locked)
    return Sizes(total, sizes), Coverage((f"{look.resource} sizes",), (), old)


def _tables(look: _Look) -> Answer:
    if look.counter.in_recovery:
        raise OperationError("count dead rows", look.resource, "a standby counts none: ask the primary")
    seen = collect_tables(look.connect, look.run, look.place, ["*"])
    return seen.state, look.covered("tables")


def _wraparound(look: _Look) -> Answer:
    return tuple(Age(*row) for row in look.rows(_AGES)), look.covered("wraparound")


def _indexes(look: _Look) -> Answer:
    seen = collect_indexes(look.connect, look.run, look.place, ["*"]).state
    return seen, Coverage((f"{look.resource} indexes",), unreadable(seen, seen.indexes))


def _foreign_keys(look: _Look) -> Answer:
    return collect_foreign_keys(look.connect, look.resource)


def _transactions(look: _Look) -> Answer:
    seen = collect_sessions(look.connect, look.run, look.place)
    if seen.state.server is None:
        raise OperationError("read the sessions", look.resource, seen.state.trouble)
    return Transactions(seen.state, collect_slots(look.connect, look.resource)), seen.coverage


def _replication(look: _Look) -> Answer:
    return collect_replication(look.connect, look.resource)


def _bloat(look: _Look) -> Answer:
    """The largest first, as each may be read whole. What no method tells of is left out, which leaves nothing open."""
    seen = collect_indexes(look.connect, look.run, look.place, ["*"]).state
    tables = _largest([table for table in seen.tables if not table.partitioned], look.wishes)
    trees = [index for index in seen.indexes if index.valid and not index.partitioned]
    indexes = _largest([index for index in trees if index.method == "btree"], look.wishes)
    by_table, by_index = table_bloat(look.connect, look.place, tables), index_bloat(look.connect, look.place, indexes)
    found = (*(("table", table.named, table.size, by_table[table.schema, table.name]) for table in tables),
             *(("index", index.named, index.size, by_index[index.key]) for index in indexes))
    unknown = tuple(Gap(f"{look.resource} bloat of {name}", bloat.reason) for _kind, name, _size, bloat in found
                    if bloat.method is None)
    others = tuple(Gap(f"{look.resource} bloat of {index.named}", f"that is not told of the method {index.method}")
                   for index in _largest([index for index in trees if index.method != "btree"], look.wishes))
    return Bloats(found), Coverage((f"{look.resource} bloat",), unknown, others)


def _largest(relations: Sequence[Any], wishes: Wishes) -> list[Any]:
    chosen: list[Table | Index] = [relation for relation in relations if relation.size >= wishes.bloat_size]
    return sorted(chosen, key=lambda relation: (-relation.size, relation.named))[:wishes.limit]


SECTIONS: Mapping[str, Callable[[_Look], Answer]] = {
    "cache": _cache, "sizes": _sizes, "tables": _tables, "bloat": _bloat, "wraparound": _wraparound, "indexes": _indexes,
    "foreign_keys": _foreign_keys, "transactions": _transactions, "replication": _replication,
}

_COUNTER = """
SELECT current_setting('server_version'), pg_is_in_recovery(), current_user::text,
       to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'),
       to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'),
       round(extract(epoch FROM clock_timestamp() - since)::numeric, 3)::float8
FROM (SELECT greatest(pg_stat_database.stats_reset, pg_stat_bgwriter.stats_reset) AS since
      FROM pg_stat_database, pg_stat_bgwriter WHERE datname = current_database()) AS counted
"""

_CACHE = "SELECT blks_hit, blks_read FROM pg_stat_database WHERE datname = current_database()"

_AGES = """
SELECT datname::text, age(datfrozenxid), current_setting('autovacuum_freeze_max_age')::bigint, mxid_age(datminmxid),
       current_setting('autovacuum_multixact_freeze_max_age')::bigint
FROM pg_database ORDER BY age(datfrozenxid) DESC, datname
"""
