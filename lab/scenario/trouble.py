"""What goes wrong in PostgreSQL in an incident: real sessions that hold connections and locks, and statements that are slow.

It lives in the process that keeps the applications' sessions open, so that what an incident holds ends with the lab.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import sql

from lab.databases.contents import connected

_SETTLE_SECONDS = 20.0
_LOOK_SECONDS = 0.02
_SUPERUSER = "postgres"


class TroubleError(Exception):
    """An incident that cannot be made so; the message says why."""


@dataclass(frozen=True)
class Wanted:
    """Sessions of one kind.

    :param application: their application_name
    :param count: how many; None as many as the server lets in
    :param spare: of so many that the server let in, this many are given back
    :param begin: they are in a transaction
    :param statements: what each asks, in order
    :param then: idle (they ask nothing more), waits (the last statement is expected to wait for a lock), runs (it is
        expected to go on for long), or repeats (all statements again and again)
    """

    application: str
    count: int | None = 1
    spare: int = 0
    begin: bool = False
    statements: tuple[str, ...] = ()
    then: str = "idle"


@dataclass
class _Session:
    connection: Any
    wanted: Wanted
    settled: threading.Event = field(default_factory=threading.Event)
    error: str = ""


class Trouble:
    """The incident that PostgreSQL is in, if any."""

    def __init__(self, port: int, passwords: Mapping[str, str]) -> None:
        self._port = port
        self._passwords = passwords
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._sessions: list[_Session] = []
        self._undo: list[Callable[[], None]] = []

    def begin(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`{"system", "before"?, "undo"?, "sessions"?, "closed"?}`; raises TroubleError, and then nothing is held.

        `before` and `undo` are statements of the superuser, at the beginning and at the end. `closed`: the database lets
        nobody in any more.
        """
        with self._lock:
            self.clear({})
            try:
                return self._begin(body)
            except (psycopg2.Error, TypeError, KeyError) as error:
                self.clear({})
                raise TroubleError(f"PostgreSQL: {type(error).__name__}: {error}") from error

    def clear(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """End what is held, and take back what was changed."""
        with self._lock:
            self._stop.set()
            ended = len(self._sessions)
            for session in self._sessions:
                with suppress(psycopg2.Error):
                    session.connection.cancel()
            for session in self._sessions:
                session.settled.wait(_SETTLE_SECONDS)
                with suppress(psycopg2.Error):
                    session.connection.close()
            self._sessions = []
            while self._undo:
                self._undo.pop()()
            return {"ended": ended}

    def _begin(self, body: Mapping[str, Any]) -> dict[str, Any]:
        system, self._stop = str(body["system"]), threading.Event()
        self._forget_statements_later(system)
        if body.get("undo"):
            self._undo.append(lambda: self._ask(system, *body["undo"]))
        self._ask(system, *body.get("before", ()))
        for described in body.get("sessions", ()):
            statements = tuple(described.get("statements", ()))
            self._open(system, Wanted(**{**described, "statements": statements}))
        if body.get("closed"):
            self._close_database(system)
        return {"sessions": len(self._sessions)}

    def _open(self, system: str, wanted: Wanted) -> None:
        """Open the sessions of one kind, and wait until each is where it should be."""
        opened: list[_Session] = []
        while wanted.count is None or len(opened) < wanted.count:
            try:
                opened.append(_Session(self._connect(system, wanted.application), wanted))
            except psycopg2.OperationalError:
                if wanted.count is not None:
                    raise
                break
        for _ in range(wanted.spare):
            opened.pop().connection.close()
        self._sessions += opened
        for session in opened:
            threading.Thread(target=self._use, args=(session, self._stop), daemon=True).start()
        self._wait(opened)

    def _connect(self, system: str, application: str) -> Any:
        connection = psycopg2.connect(
            host="127.0.0.1", port=self._port, dbname=system, user=system, password=self._passwords[system],
            application_name=application, connect_timeout=5,
        )  # fmt: skip
        connection.autocommit = True
        return connection

    def _use(self, session: _Session, stop: threading.Event) -> None:
        """Ask what the session is to ask; its thread ends with the incident, or when somebody ends the session."""
        wanted = session.wanted
        statements = (*(("BEGIN",) if wanted.begin else ()), *wanted.statements)
        try:
            with session.connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                while wanted.then == "repeats" and not stop.is_set():
                    session.settled.set()
                    for statement in wanted.statements:
                        cursor.execute(statement)
        except psycopg2.Error as error:
            session.error = str(error).strip()
        finally:
            session.settled.set()

    def _wait(self, opened: list[_Session]) -> None:
        """Until each has settled: answered, or shown by the server to wait or to run."""
        until, lasting = time.monotonic() + _SETTLE_SECONDS, ("waits", "runs")
        for session in opened:
            if session.wanted.then not in lasting and not session.settled.wait(until - time.monotonic()):
                raise TroubleError(f"a session of {session.wanted.application} did not settle")
        held = [session for session in opened if session.wanted.then in lasting]
        while held and self._active({session.connection.get_backend_pid() for session in held}) < len(held):
            if time.monotonic() > until or any(session.settled.is_set() for session in held):
                raise TroubleError("a session that should wait does not: " + "; ".join(each.error for each in held))
            time.sleep(_LOOK_SECONDS)
        failed = [session.error for session in opened if session.error]
        if failed:
            raise TroubleError(f"a session failed: {failed[0]}")

    def _active(self, pids: set[int]) -> int:
        with connected(self._port, _SUPERUSER) as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s) AND state = 'active' "
                           "AND wait_event_type IS NOT NULL", [list(pids)])  # fmt: skip
            return int(cursor.fetchone()[0])

    def _ask(self, system: str, *statements: str) -> None:
        if statements:
            with connected(self._port, system) as cursor:
                for statement in statements:
                    cursor.execute(statement)

    def _forget_statements_later(self, system: str) -> None:
        """What an incident asked for the first time leaves the server's statistics with it."""
        known = "SELECT coalesce(array_agg(queryid), '{}') FROM pg_stat_statements"
        with connected(self._port, system) as cursor:
            cursor.execute(known)
            before = cursor.fetchone()[0]

        def forget() -> None:
            with connected(self._port, system) as cursor:
                cursor.execute("SELECT pg_stat_statements_reset(0, 0, queryid) FROM pg_stat_statements "
                               "WHERE queryid <> ALL (%s)", [before])  # fmt: skip

        self._undo.append(forget)

    def _close_database(self, system: str) -> None:
        name = sql.Identifier(system)

        def let_in(allowed: bool) -> None:
            with connected(self._port, _SUPERUSER) as cursor:
                cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(name, sql.SQL(str(allowed))))
                if not allowed:
                    cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [system])

        self._undo.append(lambda: let_in(True))
        let_in(False)
