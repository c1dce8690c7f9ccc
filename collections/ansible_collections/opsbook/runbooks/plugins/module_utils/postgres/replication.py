# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Replication of a PostgreSQL server: who follows it and how far behind, which slots keep what, and how far it is behind.

A lag in seconds is what the server measured when its standby last got further. It does not grow while a standby stands
still (measured: replay paused for 4 s, the lag stayed at 0.4 s), so the lag in bytes is told beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.coverage import Coverage, Gap
from .connection import Connect, opened


@dataclass(frozen=True)
class Standby:
    """Who follows the server: a standby, a logical subscriber, or a tool that receives WAL.

    :param client: its address; None for a Unix socket or where it may not be seen
    :param state: as "streaming"; None where it may not be seen
    :param sync: as "async" or "sync", likewise
    :param lag_bytes: WAL that it has not applied yet, or where it applies none not written to disk, likewise
    :param lag_seconds: the same as time, when it last got further; None where there was nothing to measure
    """

    pid: int
    user: str
    application: str
    client: str | None
    state: str | None
    sync: str | None
    lag_bytes: int | None
    lag_seconds: float | None


@dataclass(frozen=True)
class Slot:
    """A replication slot.

    :param kind: "physical" or "logical"
    :param database: of a logical one
    :param active: whether somebody is connected to it
    :param wal_status: "reserved", "extended", "unreserved" or "lost"
    :param retained_bytes: WAL that is kept for it
    :param held_transactions: age of the oldest transaction whose dead rows are kept for it; None where it keeps none
    """

    name: str
    kind: str
    database: str | None
    active: bool
    wal_status: str | None
    retained_bytes: int | None
    held_transactions: int | None


@dataclass(frozen=True)
class Following:
    """How a standby follows.

    :param receiving: whether it is connected to who sends WAL
    :param paused: whether applying is paused
    :param delay_seconds: age of the newest transaction that is applied; 0 where all that came is; None before the first
    """

    receiving: bool
    paused: bool
    delay_seconds: float | None


@dataclass(frozen=True)
class Replication:
    """The replication of a server.

    :param following: None on a server that is no standby
    """

    standbys: tuple[Standby, ...]
    slots: tuple[Slot, ...]
    following: Following | None


def collect_replication(connect: Connect, resource: str) -> tuple[Replication, Coverage]:
    """Read who follows, the slots, and on a standby how it follows itself.

    :raises OperationError: when the server gives no connection or no answer
    """
    with opened(connect, "read the replication of PostgreSQL", resource) as cursor:
        cursor.execute(_STANDBYS)
        standbys = tuple(Standby(*row) for row in cursor.fetchall())
        slots = _slots(cursor)
        cursor.execute(_FOLLOWING)
        row = cursor.fetchone()
    hidden = sum(standby.state is None for standby in standbys)
    gap = Gap(f"{resource} standbys", f"the state of {hidden} may not be seen: the role lacks pg_read_all_stats, which is "
              "part of pg_monitor")
    following = None if row is None else Following(*row)
    return Replication(standbys, slots, following), Coverage((f"{resource} replication",), (gap,) if hidden else ())


def collect_slots(connect: Connect, resource: str) -> tuple[Slot, ...]:
    """Read the slots.

    :raises OperationError: when the server gives no connection or no answer
    """
    with opened(connect, "read the replication slots of PostgreSQL", resource) as cursor:
        return _slots(cursor)


def _slots(cursor: Any) -> tuple[Slot, ...]:
    cursor.execute(_SLOTS)
    return tuple(Slot(*row) for row in cursor.fetchall())


# A tool that receives WAL applies none; a base backup that is under way follows nothing.
_STANDBYS = """
SELECT pid, usename::text, application_name, host(client_addr), state, sync_state,
       greatest(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                                coalesce(replay_lsn, flush_lsn, sent_lsn)), 0)::bigint,
       round(extract(epoch FROM coalesce(replay_lag, flush_lag))::numeric, 3)::float8
FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup' ORDER BY application_name, pid
"""

_SLOTS = """
SELECT slot_name::text, slot_type, database::text, active, wal_status,
       greatest(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                                restart_lsn), 0)::bigint,
       greatest(age(xmin), age(catalog_xmin))
FROM pg_replication_slots ORDER BY slot_name
"""

_FOLLOWING = """
SELECT receiving, pg_is_wal_replay_paused(),
       CASE WHEN receiving AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0.0 ELSE greatest(
           round(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::numeric, 3)::float8, 0.0) END
FROM (SELECT EXISTS (SELECT FROM pg_stat_wal_receiver) AS receiving) AS receiver WHERE pg_is_in_recovery()
"""
