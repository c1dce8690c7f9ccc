"""A PostgreSQL and a Valkey of their own for tests, real servers without a lab around them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import redis

from lab import folders
from lab.databases import wiring
from lab.folders import load_settings, read_json, write_json
from lab.identity import choose_identity
from lab.postgres import start_postgres
from lab.processes import Child, Launch, python_command, start_child, stop_children, wait_until
from lab.valkey import start_valkey
from tests.support.labs import Lab
from tests.support.waiting import eventually

START_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A running server."""

    child: Child
    port: int

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The server exists and answers nothing for the length of the block."""
        os.kill(self.child.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.child.process.pid, signal.SIGCONT)


@dataclass(frozen=True)
class Postgres(Server):
    """A running PostgreSQL; the superuser `postgres` needs no password.

    :param lifeline: the descriptor that its processes inherit
    """

    lifeline: int

    def options(self, **other: Any) -> dict[str, Any]:
        """The connection options of a module, as the superuser unless said otherwise."""
        return {"login_host": "127.0.0.1", "login_port": self.port, **other}

    def connect(self, user: str = "postgres", **other: Any) -> Any:
        """A connection that commits each statement."""
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user=user, **{"dbname": "postgres", **other})
        connection.autocommit = True
        return connection

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Carry out statements as the superuser; the rows of the last one."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def restart(self) -> None:
        """Stop the server as its service would (every session ends at once), and start it again with the same data."""
        folder = self.child.log.parent
        self.child.process.send_signal(signal.SIGINT)
        self.child.process.wait(START_SECONDS)
        command = list(self.child.process.args)  # type: ignore[call-overload]  # start_child gives a list
        identity = choose_identity(folder, Path(command[0]))
        launch = Launch(signal.SIGQUIT, signal.SIGQUIT, identity.before_exec, identity.popen)
        again = start_child("postgres", command, folder, self.lifeline, launch)
        self.child.process = again.process
        eventually(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        try:
            return bool(self.execute("SELECT 1"))
        except psycopg2.OperationalError:
            return False

    @property
    def log(self) -> str:
        """What the server itself wrote down."""
        return self.child.log.read_text(encoding="utf-8", errors="replace")

    @contextmanager
    def sessions(self, *users: str) -> Iterator[Callable[..., Any]]:
        """Opens sessions of these roles, the first of them unless said otherwise; all are gone at the end of the block."""
        opened: list[Any] = []

        def open_one(application: str, *statements: str, user: str = users[0]) -> Any:
            connection = self.connect(user, application_name=application)
            opened.append(connection)
            for statement in statements:
                connection.cursor().execute(statement)
            return connection

        theirs = f"FROM pg_stat_activity WHERE usename IN ({', '.join(repr(user) for user in users)})"
        try:
            yield open_one
        finally:
            self.execute(f"SELECT pg_terminate_backend(pid) {theirs}")
            for connection in opened:
                connection.close()
            eventually(lambda: not self.execute(f"SELECT 1 {theirs}"), 15)


@dataclass(frozen=True)
class Valkey(Server):
    """A running Valkey with one user, `default`."""

    password: str

    def options(self, **other: Any) -> dict[str, Any]:
        """The connection options of a module, unencrypted, as the only user unless said otherwise."""
        return {"login_host": "127.0.0.1", "login_port": self.port, "login_password": self.password, "tls": False, **other}

    def client(self, **other: Any) -> redis.Redis:
        """A client that prepares the ground."""
        return redis.Redis(port=self.port, password=self.password, decode_responses=True, **other)


@contextmanager
def running_valkey(folder: Path, password: str) -> Iterator[Valkey]:
    """Start a Valkey with nothing in it; stop it at the end."""
    lifeline = folders.take_lock(folder / folders.CHILDREN_LOCK)
    child, port = start_valkey(folder, lifeline, password)
    try:
        yield Valkey(child, port, password)
    finally:
        stop_children([child])
        os.close(lifeline)


@contextmanager
def running_databases(folder: Path, **settings: Any) -> Iterator[dict[str, Any]]:
    """What a lab with these settings has of databases, without the rest of it; their entries in the lab's status."""
    write_json(folder / folders.SETTINGS, settings)
    complete = load_settings(folder)
    passwords = wiring.new_passwords(complete)
    write_json(folder / folders.SECRETS, {"databases": passwords})
    lifeline = folders.take_lock(folder / folders.CHILDREN_LOCK)
    children: list[Child] = []
    try:
        valkey, redis_port = start_valkey(folder, lifeline, passwords.get(wiring.REDIS, ""))
        children.append(valkey)
        postgres, port = start_postgres(folder, lifeline, contents=wiring.contents(complete))
        children.append(postgres)
        wiring.note_servers(folder, port, redis_port)
        children.append(start_child("databases", python_command("lab.databases", "--folder", str(folder)), folder, lifeline))
        wait_until((folder / "databases.json").exists, children[-1], START_SECONDS)
        yield wiring.status(complete, read_json(folder / folders.SECRETS)["databases"], port, redis_port)
    finally:
        stop_children(children)
        os.close(lifeline)


@contextmanager
def running_postgres(folder: Path, **settings: str) -> Iterator[Postgres]:
    """Start a PostgreSQL with an empty database `postgres`; stop it at the end.

    :param settings: of the server, beside those of every lab
    """
    lifeline = folders.take_lock(folder / folders.CHILDREN_LOCK)
    child, port = start_postgres(folder, lifeline, settings=settings)
    try:
        yield Postgres(child, port, lifeline)
    finally:
        stop_children([child])
        os.close(lifeline)


@contextmanager
def superuser(lab: Lab, system: str) -> Iterator[Any]:
    """A connection to a system's database that may do everything, and commits each statement."""
    server = urlsplit(lab.status["endpoints"]["postgres"])
    connection = psycopg2.connect(host=server.hostname, port=server.port, user=server.username,
                                  dbname=lab.status["postgres"][system]["database"])
    with closing(connection):
        connection.autocommit = True
        yield connection
