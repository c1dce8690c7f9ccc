"""Make the databases once, restore them often.

A template cluster, cached by `lab.postgres`, holds each database as a pristine one that nobody can connect to: filled up
to a midnight, indexed, analyzed. A lab's own database is a copy of that (a tenth of a second for a million rows), continued
to this very minute and worn a little. So it is fresh at every start, and `reset` is the same again. The template is made
anew each week, lest the continuation grow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from lab.databases.analytics import ANALYTICS
from lab.databases.media import MEDIA
from lab.databases.model import KEEPER, MONITOR, OPERATOR, Database

DATABASES: Mapping[str, Database] = {database.name: database for database in (ANALYTICS, MEDIA)}

_WEEK = timedelta(days=7)
_LARGEST = 4
_ATTRIBUTES = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION INHERIT CONNECTION LIMIT -1 VALID UNTIL 'infinity'"
# The superuser is the lab's own; everybody else needs a password.
_ACCESS = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class Contents:
    """What a lab's databases hold.

    :param systems: whose databases there are
    :param seed: of everything by chance
    :param scale: how many times the usual number of rows
    """

    systems: tuple[str, ...]
    seed: int
    scale: int
    access: str = _ACCESS

    def fingerprint(self) -> str:
        """Tells template clusters apart that must not be taken for each other: code, seed, scale, week."""
        code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
        week = _midnight(datetime.now(UTC)).isoformat()
        return hashlib.sha256(code + f"{self.systems} {self.seed} {self.scale} {week}".encode()).hexdigest()[:16]

    def fill(self, port: int) -> list[str]:
        """Make the pristine databases in an empty server; returns their folders."""
        until = _midnight(datetime.now(UTC))
        with connected(port, "postgres") as cursor:
            cursor.execute(f"CREATE ROLE {MONITOR} IN ROLE pg_monitor; CREATE ROLE {KEEPER}; CREATE ROLE {OPERATOR} "
                           "IN ROLE pg_monitor, pg_signal_backend")
            if cursor.connection.server_version >= _READS_ALL_SINCE:
                cursor.execute(f"GRANT pg_read_all_data TO {OPERATOR}")
            if cursor.connection.server_version >= _RESERVES_SINCE:
                # Who ends sessions gets in when applications have taken all connections.
                cursor.execute(f"GRANT pg_use_reserved_connections TO {OPERATOR}")
                cursor.execute("ALTER SYSTEM SET reserved_connections = 3")
            for system in self.systems:
                cursor.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(system)))
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_pristine(system))))
        for system in self.systems:
            with connected(port, _pristine(system)) as cursor:
                self._fill_one(cursor, DATABASES[system], until)
        with connected(port, "postgres") as cursor:
            for system in self.systems:
                for statement in _SEAL:
                    cursor.execute(statement.format(
                        name=sql.Identifier(_pristine(system)), until=sql.Literal(until.isoformat())))
            for text in _SHED_LOG:
                cursor.execute(text)
            cursor.execute("SELECT 'base/' || oid FROM pg_database WHERE datname LIKE 'pristine_%'")
            return [folder for (folder,) in cursor.fetchall()]

    def restore(self, port: int, passwords: Mapping[str, str]) -> None:
        """Make the databases anew from the pristine ones, as of this minute; the roles with them."""
        now = datetime.now(UTC)
        with connected(port, "postgres") as cursor:
            for role in (MONITOR, OPERATOR, KEEPER, *self.systems):
                cursor.execute(_ROLE.format(role=sql.Identifier(role), password=sql.Literal(passwords[role])))
                _leave_other_roles(cursor, role)
            cursor.execute(sql.SQL("GRANT {} TO {operator}; ALTER ROLE {operator} CREATEDB").format(
                sql.SQL(", ").join(sql.Identifier(system) for system in self.systems), operator=sql.Identifier(OPERATOR)))
            for system in self.systems:
                names = {"name": sql.Identifier(system), "pristine": sql.Identifier(_pristine(system))}
                cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {name} WITH (FORCE)").format(**names))
                cursor.execute(sql.SQL(
                    "CREATE DATABASE {name} OWNER {name} TEMPLATE {pristine} STRATEGY FILE_COPY").format(**names))
            filled = {system: _filled_until(cursor, system) for system in self.systems}

        def bring_up_to_date(system: str) -> None:
            with connected(port, system) as cursor:
                self._continue_one(cursor, DATABASES[system], filled[system], now)

        with ThreadPoolExecutor() as pool:
            list(pool.map(bring_up_to_date, self.systems))

    def _fill_one(self, cursor: Any, database: Database, until: datetime) -> None:
        cursor.execute("CREATE EXTENSION pg_stat_statements")
        # What everybody may do anyway. A role that something was granted to stays when the server is emptied.
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {MONITOR}, {OPERATOR}")
        _run(cursor, RUN_LOCK, until, until)
        cursor.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {0}; SET ROLE {0}").format(sql.Identifier(database.name)))
        _run(cursor, [*database.tables, *database.standing], until, until)
        for stream in database.streams:
            since = until - timedelta(days=stream.days)
            cursor.execute(stream.insertion(since, until, self.seed, self.scale))
        oldest = until - timedelta(days=max(stream.days for stream in database.streams))
        _run(cursor, [*database.derived, *database.indexes], oldest, until)
        cursor.execute("VACUUM (ANALYZE)")

    def _continue_one(self, cursor: Any, database: Database, since: datetime, now: datetime) -> None:
        cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(database.name)))
        for stream in database.streams:
            cursor.execute(stream.insertion(since, now, self.seed, self.scale))
        _run(cursor, [*database.derived, *database.wear], since, now)
        # A copied database has no counts of its rows yet. They need a small sample only.
        cursor.execute("SET default_statistics_target = 20")
        cursor.execute("ANALYZE")


def contents_of(settings: Mapping[str, Any]) -> Contents:
    """The contents that a lab's settings ask for."""
    systems = tuple(system for system in DATABASES if system in settings["systems"])
    # The estate in AWS grows with the size without bound; rows stop at a few millions, which are as good as many more.
    return Contents(systems, int(settings["seed"]), min(int(settings["size"]), _LARGEST))


@contextmanager
def connected(port: int, database: str) -> Iterator[Any]:
    """A superuser's cursor that commits each statement."""
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname=database,
                                  application_name="opsbook-lab")  # fmt: skip
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


# As docs/inventory.md tells those who make it themselves.
RUN_LOCK = (
    "CREATE TABLE IF NOT EXISTS public.opsbook_locks (system text PRIMARY KEY, run text NOT NULL, holder text NOT NULL, "
    "procedure text NOT NULL, token_digest text NOT NULL, fence bigint NOT NULL, expires double precision NOT NULL)",
    f"GRANT SELECT, INSERT, UPDATE ON public.opsbook_locks TO {KEEPER}",
)
_SEAL = (sql.SQL("COMMENT ON DATABASE {name} IS {until}"),
         sql.SQL("ALTER DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false"))  # fmt: skip
# What filling has written to the log is as large as the databases, and every lab would copy it.
_SHED_LOG = (
    "ALTER SYSTEM SET max_wal_size = '32MB'", "SELECT pg_reload_conf()", "SELECT pg_switch_wal()", "CHECKPOINT",
    "ALTER SYSTEM RESET max_wal_size",
)  # fmt: skip
_READS_ALL_SINCE = 140000
_RESERVES_SINCE = 160000
_STANDING = {
    MONITOR: ("pg_monitor",),
    OPERATOR: ("pg_monitor", "pg_signal_backend", "pg_read_all_data", "pg_use_reserved_connections"),
}
_ROLE = sql.SQL(f"ALTER ROLE {{role}} {_ATTRIBUTES} PASSWORD {{password}}; ALTER ROLE {{role}} RESET ALL")


def _run(cursor: Any, statements: Sequence[str], since: datetime, until: datetime) -> None:
    for statement in statements:
        cursor.execute(statement.format(since=f"'{since.isoformat()}'", until=f"'{until.isoformat()}'"))


def _leave_other_roles(cursor: Any, role: str) -> None:
    """Take back what somebody granted it; memberships that it was made with stay."""
    cursor.execute("SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole "
                   "AND roleid::regrole::text <> ALL (%s)", [role, list(_STANDING.get(role, ()))])  # fmt: skip
    for (granted,) in cursor.fetchall():
        cursor.execute(sql.SQL("REVOKE {} FROM {} CASCADE").format(sql.SQL(granted), sql.Identifier(role)))


def _filled_until(cursor: Any, system: str) -> datetime:
    cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [_pristine(system)])
    return datetime.fromisoformat(cursor.fetchone()[0])


def _pristine(system: str) -> str:
    return f"pristine_{system}"


def _midnight(now: datetime) -> datetime:
    """The midnight (UTC) up to which a template made now is filled: the beginning of the week, Thursdays."""
    return datetime.fromtimestamp(now.timestamp() // _WEEK.total_seconds() * _WEEK.total_seconds(), UTC)
