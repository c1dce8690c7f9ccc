# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the statistics of a PostgreSQL server are told: plain data, sizes in bytes, what matters most first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..core.coverage import Collected
from .indexes import Index, Indexes, duplicates, invalid
from .replication import Replication
from .statistics_checks import ALL_TRANSACTIONS, hit_percent, unused
from .statistics_state import Age, Bloats, Cache, Counter, Sizes, Statistics, Transactions
from .tables import Table, Tables


def describe_statistics(collected: Collected[Statistics]) -> Mapping[str, Any]:
    """Each section as plain data, null where it was not read, lists cut to the limit."""
    seen, most = collected.state, collected.state.limit
    return {
        "server": _server(seen.counter),
        "cache": seen.cache and _cache(seen.cache),
        "sizes": seen.sizes and _sizes(seen.sizes),
        "tables": None if seen.tables is None else _tables(seen.tables)[:most],
        "bloat": None if seen.bloat is None else _bloat(seen.bloat)[:most],
        "wraparound": None if seen.wraparound is None else [_age(age) for age in seen.wraparound],
        "indexes": seen.indexes and _indexes(seen.indexes, most),
        "foreign_keys": None if seen.foreign_keys is None else [
            {**asdict(key), "columns": list(key.columns)} for key in seen.foreign_keys[:most]],
        "transactions": seen.transactions and _transactions(seen.transactions, most),
        "replication": seen.replication and _replication(seen.replication),
    }


def _server(counter: Counter) -> dict[str, Any]:
    return {"version": counter.version, "in_recovery": counter.in_recovery, "role": counter.role,
            "counted_since": counter.since}


def _cache(cache: Cache) -> dict[str, Any]:
    return {"hits": cache.hits, "reads": cache.reads, "percent": hit_percent(cache)}


def _sizes(sizes: Sizes) -> dict[str, Any]:
    return {"database_bytes": sizes.database, "tables": [
        {"schema": one.schema, "table": one.table, "total_bytes": one.total, "table_bytes": one.rows,
         "index_bytes": one.indexes, "toast_bytes": one.toast} for one in sizes.tables]}


def _tables(tables: Tables) -> list[dict[str, Any]]:
    return [_table(table) for table in sorted(tables.tables, key=lambda table: (-table.dead, table.named))
            if not table.partitioned]


def _table(table: Table) -> dict[str, Any]:
    rows = table.live + table.dead
    return {"schema": table.schema, "table": table.name, "bytes": table.size, "live_rows": table.live,
            "dead_rows": table.dead, "dead_percent": round(100 * table.dead / rows, 1) if rows else 0.0,
            "last_vacuum": table.vacuumed, "last_analyze": table.analyzed, "frozen_age": table.frozen_age}


def _bloat(bloats: Bloats) -> list[dict[str, Any]]:
    told = [{"kind": kind, "name": name, "bytes": size, **bloat.as_dict()} for kind, name, size, bloat in bloats.relations]
    return sorted(told, key=lambda one: (-(one["wasted_bytes"] or 0), one["name"]))


def _age(age: Age) -> dict[str, Any]:
    return {
        "database": age.database, "transactions": age.transactions, "percent": _percent(age.transactions, ALL_TRANSACTIONS),
        "forced_percent": _percent(age.transactions, age.forced), "multixacts": age.multixacts,
        "multixact_percent": _percent(age.multixacts, ALL_TRANSACTIONS),
        "multixact_forced_percent": _percent(age.multixacts, age.multixacts_forced),
    }


def _indexes(indexes: Indexes, most: int) -> dict[str, Any]:
    twice = sorted(duplicates(indexes.indexes), key=lambda group: (-_wasted(group), group[0].named))
    return {
        "unused": _named(unused(indexes.indexes))[:most],
        "duplicates": [{"keep": group[0].named, "others": [index.named for index in group[1:]], "table": _of(group[0]),
                        "wasted_bytes": _wasted(group)} for group in twice[:most]],
        "invalid": [{**told, "being_built": index.being_built} for told, index in
                    zip(_named(invalid(indexes.indexes)), invalid(indexes.indexes))][:most],
    }


def _wasted(group: Sequence[Index]) -> int:
    return sum(index.size for index in group[1:])


def _named(indexes: Sequence[Index]) -> list[dict[str, Any]]:
    return [{"name": index.named, "table": _of(index), "bytes": index.size, "definition": index.definition}
            for index in indexes]


def _of(index: Index) -> str:
    return f"{index.schema}.{index.table}"


def _transactions(transactions: Transactions, most: int) -> dict[str, Any]:
    open_ = [session for session in transactions.activity.sessions if session.transaction_seconds is not None]
    oldest = sorted(open_, key=lambda session: -(session.transaction_seconds or 0.0))
    return {
        "sessions": [{name: getattr(session, name) for name in
                      ("pid", "database", "user", "application", "client", "state", "state_seconds", "transaction_seconds")}
                     for session in oldest[:most]],
        "prepared": [asdict(prepared) for prepared in transactions.activity.prepared[:most]],
        "slots": [{"name": slot.name, "active": slot.active, "held_transactions": slot.held_transactions}
                  for slot in transactions.slots if slot.held_transactions is not None],
    }


def _replication(replication: Replication) -> dict[str, Any]:
    return {
        "standbys": [asdict(standby) for standby in replication.standbys],
        "slots": [asdict(slot) for slot in replication.slots],
        "following": replication.following and asdict(replication.following),
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1)
