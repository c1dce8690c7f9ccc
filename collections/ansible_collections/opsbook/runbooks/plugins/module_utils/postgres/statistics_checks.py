# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the statistics of a PostgreSQL server mean: pure functions, a limit each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ..core.coverage import Collected
from ..core.durations import parse_duration, say_duration
from ..core.evidence import Evidence
from . import session_health
from .indexes import Index, Indexes, duplicates, invalid
from .replication import Following, Slot, Standby
from .statistics_state import Age, Cache, Statistics
from .table_upkeep import UNCOUNTED, Need, why_needed

FEW_BLOCKS = 10_000
"""Fewer blocks asked for tell nothing of a cache: it has to fill first."""
ALL_TRANSACTIONS = 2**31
"""Transaction ids that there are before the oldest has to be frozen; the server stops some millions before."""
OF_TRANSACTIONS = ("idle in transaction", "oldest transaction")
LOST = ("unreserved", "lost")


@dataclass(frozen=True)
class Limits:
    """What a server must keep to.

    :param cache_hit_percent: at least, of the blocks asked for
    :param dead: how many dead rows a table may have: more than both numbers are too many
    :param bloat_percent: at most, of a table or an index
    :param wraparound_percent: at most, of all transaction ids
    :param statistics_age: how long uses are counted before an index without any is called unused
    :param sessions: how long transactions may last
    :param slot_transactions: for how many transactions a slot may keep dead rows
    :param lag: how far a standby may be behind
    :param lag_bytes: likewise
    :param retained_bytes: how much WAL a slot may keep
    """

    cache_hit_percent: float = 90.0
    dead: Need = field(default_factory=lambda: Need("vacuum", 1001, 10.0, 0))
    bloat_percent: float = 30.0
    wraparound_percent: float = 50.0
    statistics_age: timedelta = timedelta(days=7)
    sessions: session_health.Limits = field(default_factory=session_health.Limits)
    slot_transactions: int = 10_000_000
    lag: timedelta = timedelta(seconds=30)
    lag_bytes: int = 134_217_728
    retained_bytes: int = 1_073_741_824


def limits_of(given: Mapping[str, Any]) -> Limits:
    """Limits as a module gives them.

    :raises Refused: for a length of time that is none
    """
    return Limits(
        given["minimum_cache_hit_percent"],
        Need("vacuum", given["maximum_dead_rows"] + 1, given["maximum_dead_percent"], 0),
        given["maximum_bloat_percent"], given["maximum_wraparound_percent"],
        parse_duration(given["minimum_statistics_age"]),
        session_health.Limits(idle_in_transaction=parse_duration(given["idle_in_transaction"]),
                              oldest_transaction=parse_duration(given["oldest_transaction"])),
        given["maximum_slot_transactions"], parse_duration(given["maximum_replication_lag"]),
        given["maximum_replication_lag_bytes"], given["maximum_retained_bytes"])


def evaluate_statistics(collected: Collected[Statistics], limits: Limits) -> list[Evidence]:
    """What was read of each section, held against its limit."""
    seen = collected.state
    return [
        *([_cache(seen, seen.cache, limits)] if seen.cache else []),
        *([Evidence("size", seen.resource, "any", {"bytes": seen.sizes.database}, True)] if seen.sizes else []),
        *_dead_rows(seen, limits),
        *_bloat(seen, limits),
        *([_wraparound(seen, seen.wraparound, limits)] if seen.wraparound else []),
        *(_indexes(seen, seen.indexes, limits) if seen.indexes else []),
        *_foreign_keys(seen),
        *_transactions(collected, limits),
        *_replication(seen, limits),
    ]


def hit_percent(cache: Cache) -> float | None:
    """The part of blocks that was found; None where none was asked for."""
    asked = cache.hits + cache.reads
    return round(100 * cache.hits / asked, 1) if asked else None


def used_percent(age: Age) -> float:
    """The part of all transaction ids that the oldest row, or the oldest shared row lock, keeps in use."""
    return round(100 * max(age.transactions, age.multixacts) / ALL_TRANSACTIONS, 1)


def unused(indexes: Sequence[Index]) -> list[Index]:
    """Indexes that no query has used and that serve nothing but queries, the largest first."""
    found = [index for index in indexes if not index.scans and index.valid and not index.unique and not index.constraint
             and not index.partitioned and not index.attached]
    return sorted(found, key=lambda index: (-index.size, index.named))


def _cache(seen: Statistics, cache: Cache, limits: Limits) -> Evidence:
    percent, asked = hit_percent(cache), cache.hits + cache.reads
    ok = None if percent is None or asked < FEW_BLOCKS else percent >= limits.cache_hit_percent
    expected = f"at least {limits.cache_hit_percent:g} % of {FEW_BLOCKS:,} blocks or more"
    return Evidence("cache hits", seen.resource, expected, {"percent": percent, "blocks": asked}, ok)


def _dead_rows(seen: Statistics, limits: Limits) -> list[Evidence]:
    if seen.tables is None:
        return []
    expected = f"at most {limits.dead.rows - 1:,} rows, or less than {limits.dead.percent:g} %"
    lost = [table for table in seen.tables.tables if table.uncounted]
    counted = [table for table in seen.tables.tables if not table.uncounted]
    worn = {seen.tables.resource(table): why_needed(table, limits.dead) for table in counted}
    found = {resource: why for resource, why in worn.items() if why}
    return [*(_each("dead rows", seen.resource, expected, found, f"{len(worn)} tables") if counted or not lost else []),
            *(Evidence("dead rows", seen.tables.resource(table), expected, UNCOUNTED, None) for table in lost)]


def _bloat(seen: Statistics, limits: Limits) -> list[Evidence]:
    if seen.bloat is None:
        return []
    known = [one for one in seen.bloat.relations if one[3].method is not None]
    found = {f"postgres-{kind}:{seen.place}:{name}": bloat.as_dict() for kind, name, _size, bloat in known
             if (bloat.percent or 0.0) > limits.bloat_percent}
    return _each("bloat", seen.resource, f"at most {limits.bloat_percent:g} %", found, f"{len(known)} tables and indexes")


def _wraparound(seen: Statistics, ages: Sequence[Age], limits: Limits) -> Evidence:
    worst = max(ages, key=used_percent)
    return Evidence("transaction ids", seen.resource, f"at most {limits.wraparound_percent:g} % in use",
                    {"database": worst.database, "percent": used_percent(worst)},
                    used_percent(worst) <= limits.wraparound_percent)


def _indexes(seen: Statistics, indexes: Indexes, limits: Limits) -> list[Evidence]:
    idle = [index.named for index in unused(indexes.indexes)]
    long_enough = seen.counter.seconds >= limits.statistics_age.total_seconds() and not seen.counter.in_recovery
    twice = [" = ".join(index.named for index in group) for group in duplicates(indexes.indexes)]
    broken = [index.named for index in invalid(indexes.indexes) if not index.being_built]
    return [
        Evidence("unused indexes", seen.resource, f"none, in {say_duration(limits.statistics_age)} on a primary",
                 idle, (False if long_enough else None) if idle else True),
        Evidence("duplicate indexes", seen.resource, "none", twice, not twice),
        Evidence("invalid indexes", seen.resource, "none", broken, not broken),
    ]


def _foreign_keys(seen: Statistics) -> list[Evidence]:
    if seen.foreign_keys is None:
        return []
    found = [f"{key.name} of {key.table} ({', '.join(key.columns)})" for key in seen.foreign_keys]
    return [Evidence("foreign keys without an index", seen.resource, "none", found, not found)]


def _transactions(collected: Collected[Statistics], limits: Limits) -> list[Evidence]:
    seen = collected.state
    if seen.transactions is None:
        return []
    of_sessions = session_health.evaluate_sessions(
        Collected(seen.transactions.activity, collected.now, collected.coverage), limits.sessions)
    holding = [f"{slot.name} for {slot.held_transactions:,} transactions" for slot in seen.transactions.slots
               if (slot.held_transactions or 0) > limits.slot_transactions]
    return [*(item for item in of_sessions if item.check in OF_TRANSACTIONS),
            Evidence("dead rows kept by slots", seen.resource, f"for at most {limits.slot_transactions:,} transactions",
                     holding, not holding)]


def _replication(seen: Statistics, limits: Limits) -> list[Evidence]:
    replication = seen.replication
    if replication is None:
        return []
    if not replication.standbys and not replication.slots and replication.following is None:
        return [Evidence("replication", seen.resource, "any", "no standby and no slot: there is none", True)]
    return [
        *([_following(seen, replication.following, limits)] if replication.following else []),
        *(_standby(seen, standby, limits) for standby in replication.standbys),
        *(_slot(seen, slot, limits) for slot in replication.slots),
    ]


def _following(seen: Statistics, following: Following, limits: Limits) -> Evidence:
    behind = following.delay_seconds
    late = behind is not None and behind > limits.lag.total_seconds()
    ok = False if following.paused or late else None if behind is None else True
    return Evidence("replay", seen.resource, f"at most {say_duration(limits.lag)} behind, not paused",
                    {"behind_seconds": behind, "receiving": following.receiving, "paused": following.paused}, ok)


def _standby(seen: Statistics, standby: Standby, limits: Limits) -> Evidence:
    name = standby.application or standby.client or standby.pid
    late = (standby.lag_seconds or 0.0) > limits.lag.total_seconds() or (standby.lag_bytes or 0) > limits.lag_bytes
    return Evidence("replication lag", f"postgres-standby:{seen.place}:{name}",
                    f"at most {say_duration(limits.lag)} and {limits.lag_bytes:,} bytes",
                    {"state": standby.state, "behind_seconds": standby.lag_seconds, "behind_bytes": standby.lag_bytes},
                    None if standby.state is None else not late)


def _slot(seen: Statistics, slot: Slot, limits: Limits) -> Evidence:
    fine = slot.active and (slot.retained_bytes or 0) <= limits.retained_bytes and slot.wal_status not in LOST
    return Evidence("replication slot", f"postgres-slot:{seen.place}:{slot.name}",
                    f"active, keeps at most {limits.retained_bytes:,} bytes",
                    {"active": slot.active, "retained_bytes": slot.retained_bytes, "wal_status": slot.wal_status}, fine)


def _each(check: str, server: str, expected: str, found: Mapping[str, Any], read: str) -> list[Evidence]:
    """A finding for each resource that is not right; one for all where none is."""
    if not found:
        return [Evidence(check, server, expected, f"all of {read}", True)]
    return [Evidence(check, resource, expected, actual, False) for resource, actual in found.items()]
