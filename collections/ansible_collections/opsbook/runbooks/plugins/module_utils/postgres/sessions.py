# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sessions of a PostgreSQL server: who holds connections, what they do, who waits for whom (003-01, 003-10, 001-03, 001-14).

What a role may not see of others' sessions is null and a gap, never idle: without pg_read_all_stats (part of pg_monitor)
the server hides state, times and addresses. Statements are not read: they may hold secrets.

A prepared transaction (two-phase commit) has no session and no process: it holds its locks and keeps old rows from being
cleaned up until somebody ends it, over restarts too. Every role may see those of all databases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.run import Run
from .connection import Connect, opened, sql
from .errors import ConnectionsExhausted, Unreachable

KIND = "postgres"
WAIT_TIMES_SINCE = 140000
"""The version that first told since when a lock is waited for."""

IDLE_IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")


@dataclass(frozen=True)
class Session:
    """A client's session; what the role may not see is None.

    :param client: the client's address; None for a Unix socket
    :param connected_seconds: age of the session
    :param state_seconds: how long it has been in its state
    :param transaction_seconds: age of its transaction; None outside of one
    :param blocked_by: process ids of those whose locks it waits for; 0 is a prepared transaction
    :param waiting_seconds: how long it has waited for a lock
    :param visible: whether the role may see its state
    """

    pid: int
    database: str | None
    user: str
    application: str
    client: str | None
    state: str | None
    wait: str | None
    connected_seconds: float | None
    state_seconds: float | None
    transaction_seconds: float | None
    blocked_by: tuple[int, ...]
    waiting_seconds: float | None
    visible: bool

    @property
    def named(self) -> str:
        """The session as evidence names it."""
        return name_session(self.pid, self.user, self.database, self.application, self.client)


def name_session(pid: int, user: str, database: str | None, application: str, client: str | None) -> str:
    """A session as evidence, messages and plans name it."""
    origin = ", ".join(part for part in (application, client) if part)
    return f"pid {pid} of {user}@{database}" + (f" ({origin})" if origin else "")


@dataclass(frozen=True)
class Prepared:
    """A prepared transaction.

    :param gid: the name that it can be ended by
    :param prepared_seconds: how long it has waited for its end
    """

    gid: str
    database: str
    user: str
    prepared_seconds: float

    @property
    def named(self) -> str:
        """The transaction as evidence names it."""
        return f"{self.gid} of {self.user}@{self.database}"


@dataclass(frozen=True)
class Server:
    """The server itself.

    :param role: the role that looks
    :param sees_all: whether that role may see all of others' sessions
    :param maximum: max_connections
    :param superuser_reserved: of these, kept for superusers
    :param reserved: of these, kept for pg_use_reserved_connections; 0 before version 16
    """

    version: str
    in_recovery: bool
    started_at: str
    role: str
    sees_all: bool
    maximum: int
    superuser_reserved: int
    reserved: int

    @property
    def usable(self) -> int:
        """Connections that any role may take."""
        return self.maximum - self.superuser_reserved - self.reserved


@dataclass(frozen=True)
class Activity:
    """What was seen of a server.

    :param place: its host, port and database
    :param trouble: why it gave no connection; empty where it did
    :param exhausted: whether it gave none because all are taken
    :param server: None where it gave no connection
    :param sessions: those of clients, our own excepted, the oldest first
    :param prepared: prepared transactions, the oldest first
    """

    place: str
    trouble: str = ""
    exhausted: bool = False
    server: Server | None = None
    sessions: tuple[Session, ...] = ()
    prepared: tuple[Prepared, ...] = ()

    @property
    def resource(self) -> str:
        """The server's name in evidence and coverage."""
        return f"{KIND}:{self.place}"

    @property
    def used(self) -> int:
        """Connections taken, our own included."""
        return len(self.sessions) + 1


def collect_sessions(connect: Connect, run: Run, place: str) -> Collected[Activity]:
    """Look at the sessions of a server. One that gives no connection is a finding, not a gap.

    :param place: its host, port and database
    :raises OperationError: when the login is refused or the look fails
    """
    resource = f"{KIND}:{place}"
    try:
        with opened(connect, "read the sessions of PostgreSQL", resource) as cursor:
            cursor.execute(_SERVER)
            server = Server(*cursor.fetchone())
            cursor.execute(_sessions_query(cursor.connection.server_version))
            sessions = tuple(_session(row) for row in cursor.fetchall())
            cursor.execute(_PREPARED)
            prepared = tuple(Prepared(row[0], row[1], row[2], max(row[3], 0.0)) for row in cursor.fetchall())
    except (ConnectionsExhausted, Unreachable) as error:
        trouble = Activity(place, error.reason, isinstance(error, ConnectionsExhausted))
        return Collected(trouble, run.now(), Coverage((f"{resource} connection",)))
    seen = Activity(place, server=server, sessions=sessions, prepared=prepared)
    return Collected(seen, run.now(), _coverage(resource, server, sessions))


_SERVER = """
SELECT current_setting('server_version'), pg_is_in_recovery(),
       to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'), current_user::text,
       pg_has_role('pg_read_all_stats', 'USAGE'), current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int,
       coalesce(current_setting('reserved_connections', true), '0')::int
"""

CLIENTS = """
pid <> pg_backend_pid() AND usename IS NOT NULL
    AND (backend_type = 'client backend' OR (backend_type IS NULL AND datname IS NOT NULL))
"""
"""Clients' sessions, our own left out. Of processes whose type is hidden those with a user and a database are such (or their
parallel workers)."""

_SESSIONS = """
SELECT pid, datname::text, usename::text, application_name, host(client_addr), state,
       wait_event_type || ': ' || wait_event,
       extract(epoch FROM clock_timestamp() - backend_start)::float8,
       extract(epoch FROM clock_timestamp() - state_change)::float8,
       extract(epoch FROM clock_timestamp() - xact_start)::float8,
       coalesce(blockers, ARRAY[]::int[]), waiting, backend_start IS NOT NULL
FROM pg_stat_activity LEFT JOIN (
    SELECT pid, pg_blocking_pids(pid) AS blockers, extract(epoch FROM clock_timestamp() - min({since}))::float8 AS waiting
    FROM pg_locks WHERE NOT granted GROUP BY pid
) AS blocked USING (pid)
WHERE {clients}
ORDER BY backend_start NULLS LAST, pid
"""

_PREPARED = """
SELECT gid, database::text, owner::text, round(extract(epoch FROM clock_timestamp() - prepared)::numeric, 3)::float8
FROM pg_prepared_xacts ORDER BY prepared, gid
"""


def _sessions_query(version: int) -> Any:
    since = sql.Identifier("waitstart") if version >= WAIT_TIMES_SINCE else sql.SQL("NULL::timestamptz")
    return sql.SQL(_SESSIONS).format(since=since, clients=sql.SQL(CLIENTS))


def _session(row: Sequence[Any]) -> Session:
    told = [*row[:7], *(_seconds(value) for value in row[7:10]), tuple(row[10]), _seconds(row[11]), bool(row[12])]
    return Session(*told)


def _seconds(value: float | None) -> float | None:
    # A moment before zero is the clock's doing: the session changed while it was read.
    return None if value is None else round(max(value, 0.0), 3)


def _coverage(resource: str, server: Server, sessions: Sequence[Session]) -> Coverage:
    hidden = [session for session in sessions if not session.visible]
    if not hidden:
        return Coverage((f"{resource} sessions",))
    users: Mapping[str, None] = dict.fromkeys(sorted(session.user for session in hidden))
    reason = (f"{server.role} may not see the state of {len(hidden)} of {len(sessions)} sessions "
              f"({', '.join(users)}): it lacks pg_read_all_stats, which is part of pg_monitor")
    return Coverage((f"{resource} connections",), (Gap(f"{resource} sessions of other roles", reason),))
