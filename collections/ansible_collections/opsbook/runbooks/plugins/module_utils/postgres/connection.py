# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections to PostgreSQL. The only file that imports psycopg2.

`connector(options)` gives a factory; each call of it gives a new connection. Forks and threads share none, so none is
ever used by two. Nothing waits without end: in `opened` a statement and a lock have their time-outs on the server,
connecting and a dead network have theirs here, and a server that has stopped answering altogether is hung up on.

Between us and the server may be a pooler (RDS Proxy, PgBouncer). It takes no command-line options while connecting, and a
setting of the session may outlive us in somebody else's: so time-outs are set for one transaction.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Callable

from ..core.errors import MissingLibrary, Refused
from .errors import explain_connecting, explaining

try:
    import psycopg2
    import psycopg2.sql

    sql: Any = psycopg2.sql
    HAS_PSYCOPG2 = True
except ImportError:
    sql = None
    HAS_PSYCOPG2 = False

POSTGRES: dict[str, Any] = {
    "login_host": {"type": "str", "default": "localhost"},
    "login_port": {"type": "int", "default": 5432},
    "login_user": {"type": "str", "default": "postgres"},
    "login_password": {"type": "str", "no_log": True},
    "login_db": {"type": "str", "default": "postgres"},
    "ssl_mode": {"type": "str", "default": "prefer",
                 "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"]},
    "ca_cert": {"type": "path"},
    "connect_timeout": {"type": "int", "default": 5},
    "statement_timeout": {"type": "int", "default": 30},
    "lock_timeout": {"type": "int", "default": 5},
}
"""Option specification of every PostgreSQL module: community.postgresql's names, so that habits carry over."""

APPLICATION = "opsbook"
LOOKS_AFTER_CLIENTS_SINCE = 140000
"""The version that first looked, while at a statement, whether its client still lives."""
TIMEOUTS = ("connect_timeout", "statement_timeout", "lock_timeout")

# At most, beyond the server's own time-out: a server that still answers has said by then that it gave up.
PATIENCE_MARGIN = 5.0


def connector(options: Mapping[str, Any]) -> Connect:
    """A factory of connections for the given options.

    :param options: the options of the postgres doc fragment; what is missing or None has its default
    :returns: `connect()`, usable from any thread and after a fork; a new connection each time, autocommit on. It raises
        OperationError: Denied, Missing, ConnectionsExhausted, Unreachable, or none of these where the server answers
        something else
    :raises MissingLibrary: when psycopg2 is not installed
    :raises Refused: for a time-out that is none
    """
    if not HAS_PSYCOPG2:
        raise MissingLibrary("psycopg2", "https://pypi.org/project/psycopg2-binary/")
    chosen = {name: options[name] if options.get(name) is not None else spec.get("default")
              for name, spec in POSTGRES.items()}
    for name in TIMEOUTS:
        if int(chosen[name]) < 1:
            raise Refused("connect to PostgreSQL", name, f"{chosen[name]} would wait without end", "Give whole seconds.")
    return Connect(chosen)


@dataclass(frozen=True)
class Connect:
    """Where to connect and as whom.

    :param options: every option of POSTGRES, with its value
    """

    options: Mapping[str, Any] = field(repr=False)

    @property
    def patience(self) -> float:
        """Seconds after which a server that has not answered at all is hung up on."""
        patience = float(self.options["statement_timeout"])
        return patience + min(patience, PATIENCE_MARGIN)

    def beginning(self, seconds: float | None = None) -> Any:
        """The statement that begins a transaction with its time-outs.

        A role may have another isolation by default: who counts on being alone would be refused under load. One that is
        read-only by default stays so, since that is meant.

        :param seconds: the most that a statement may take; None for what the options say
        """
        longest = int(self.options["statement_timeout"]) if seconds is None else seconds
        return sql.SQL(_BEGIN).format(sql.Literal(max(1, int(longest * 1000))),
                                      sql.Literal(int(self.options["lock_timeout"]) * 1000))

    def __call__(self) -> Any:
        chosen = self.options
        try:
            connection = psycopg2.connect(**self._arguments())
        except psycopg2.Error as error:
            where = f"{place_of(chosen)} as {chosen['login_user']}"
            raise explain_connecting(error, "connect to PostgreSQL", where) from error
        connection.autocommit = True
        return connection

    def _arguments(self) -> dict[str, Any]:
        chosen = self.options
        given = {"password": chosen["login_password"], "sslrootcert": chosen["ca_cert"]}
        return {
            "host": chosen["login_host"], "port": int(chosen["login_port"]), "user": chosen["login_user"],
            "dbname": chosen["login_db"], "sslmode": chosen["ssl_mode"], "application_name": APPLICATION,
            "connect_timeout": int(chosen["connect_timeout"]), "client_encoding": "UTF8",
            "tcp_user_timeout": int(self.patience * 1000), "keepalives_idle": 10, "keepalives_interval": 5,
            "keepalives_count": 3, **{name: value for name, value in given.items() if value is not None},
        }


def place_of(options: Mapping[str, Any]) -> str:
    """Host, port and database, as evidence and messages name a server."""
    return f"{options['login_host']}:{options['login_port']}/{options['login_db']}"


@contextmanager
def opened(connect: Connect, attempted: str, resource: str, seconds: float | None = None) -> Iterator[Any]:
    """A cursor on a connection of its own for the length of the block, which is one transaction; then it is closed.

    :param attempted: what the statements inside do, for the message when one fails
    :param resource: on what
    :param seconds: the most that the block may take, for what takes long; None for what the options say
    :raises OperationError: for what the server refuses, and when it does not answer
    """
    with transactions(connect, attempted, resource, seconds) as begin, begin() as cursor:
        yield cursor


@contextmanager
def transactions(
    connect: Connect, attempted: str, resource: str, seconds: float | None = None
) -> Iterator[Callable[[], AbstractContextManager[Any]]]:
    """Transactions one after another on one connection, each as in `opened`. One that fails is the last.

    :param attempted: what the statements inside do, for the message when one fails
    :param resource: on what
    :param seconds: the most that each may take; None for what the options say
    :returns: `begin()`, a cursor for the length of a block, which is one transaction
    :raises OperationError: for what the server refuses, and when it does not answer
    """
    connection = connect()
    patience = connect.patience if seconds is None else seconds + PATIENCE_MARGIN
    # A statement that may take long must not outlive us.
    looks = seconds is not None and connection.server_version >= LOOKS_AFTER_CLIENTS_SINCE

    @contextmanager
    def begin() -> Iterator[Any]:
        with _watched(connection, patience, attempted, resource) as cursor:
            cursor.execute(connect.beginning(seconds))
            if looks:
                cursor.execute(_LOOK_AFTER_CLIENT)
            yield cursor
            cursor.execute("COMMIT")

    try:
        yield begin
    finally:
        connection.close()


@contextmanager
def outside_transaction(connect: Connect, seconds: float, attempted: str, resource: str) -> Iterator[Any]:
    """Like `opened` for what PostgreSQL does in no transaction, and what takes long: VACUUM, REINDEX CONCURRENTLY.

    Time-outs are the session's then, and given back: not for a pooler in transaction mode. Where the server can look
    whether its client still lives (PostgreSQL 14 and later), a statement does not outlive us.

    :param seconds: the most that a statement may take; locks are waited for as the connection's options say
    """
    with _conversation(connect, seconds + PATIENCE_MARGIN, attempted, resource) as cursor:
        settings = {"statement_timeout": max(1, int(seconds * 1000)),
                    "lock_timeout": int(connect.options["lock_timeout"]) * 1000}
        if cursor.connection.server_version >= LOOKS_AFTER_CLIENTS_SINCE:
            settings["client_connection_check_interval"] = 2000
        for name, value in settings.items():
            cursor.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        try:
            yield cursor
        finally:
            _give_back(cursor, settings)


def _give_back(cursor: Any, settings: Iterable[str]) -> None:
    """Reset what was set for the session; a connection that is lost has nothing to give back."""
    with suppress(psycopg2.Error):
        for name in settings:
            cursor.execute(sql.SQL("RESET {}").format(sql.Identifier(name)))


@contextmanager
def _conversation(connect: Connect, patience: float, attempted: str, resource: str) -> Iterator[Any]:
    """A cursor on a connection of its own."""
    connection = connect()
    try:
        with _watched(connection, patience, attempted, resource) as cursor:
            yield cursor
    finally:
        connection.close()


@contextmanager
def _watched(connection: Any, patience: float, attempted: str, resource: str) -> Iterator[Any]:
    """A cursor whose errors are explained; a server that says nothing for that long is hung up on."""
    line = socket.socket(fileno=os.dup(connection.fileno()))
    clock = threading.Timer(patience, _hang_up, [line])
    clock.daemon = True
    clock.start()
    try:
        with explaining(attempted, resource):
            yield connection.cursor()
    finally:
        clock.cancel()
        clock.join()  # before the descriptor is given back: another connection may get its number
        line.close()


def _hang_up(line: socket.socket) -> None:
    """End the conversation from this side: a server that is frozen answers no cancel request either."""
    with suppress(OSError):  # the other side was faster
        line.shutdown(socket.SHUT_RDWR)


_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}
"""
_LOOK_AFTER_CLIENT = "SET LOCAL client_connection_check_interval = 2000"
