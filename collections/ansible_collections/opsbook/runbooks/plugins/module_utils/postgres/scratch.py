# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A database that exists for a restore test alone: its name tells when it was made, and it always goes.

A test holds an advisory lock of the server from before it makes the database until after it has dropped it, and the server
takes that back as soon as the test's connection ends. So what a killed test left behind is known at once: nobody holds its
lock and nobody is connected to it. The next test drops it then, and the server refuses where somebody has come meanwhile.
No other database is ever dropped: the name is looked at again where it is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ..core.errors import OperationError
from .connection import Connect, opened, outside_transaction, sql
from .dump_manifest import Manifest

PREFIX = "opsbook_restore_"
STAMP = "%Y%m%dt%H%M%Sz"
LOCKS = 0x6F707372
"""The first number of the advisory locks, "opsr"; the second is the token in the database's name."""
HAS_IDLE_SESSION_TIMEOUT_SINCE = 140000
DROP_SECONDS = 60.0


@dataclass(frozen=True)
class Scratch:
    """A database of a restore test that is there.

    :param at_work: whether its test holds its lock
    :param connected: whether somebody is connected to it
    """

    name: str
    at_work: bool = False
    connected: bool = False

    @property
    def why_kept(self) -> str:
        """Why it is not left behind; empty where it is."""
        return "its test is at work" if self.at_work else "somebody is connected to it" if self.connected else ""


def scratch_name(now: datetime, token: str) -> str:
    """The name of a database made now.

    :param token: hexadecimal digits that nobody else has
    """
    return f"{PREFIX}{now.astimezone(timezone.utc).strftime(STAMP)}_{token}"


def made_at(name: str) -> datetime | None:
    """When a database of ours was made; None for any other."""
    match = re.fullmatch(rf"{PREFIX}(\d{{8}}t\d{{6}}z)_[0-9a-f]{{8}}", name)
    try:
        return datetime.strptime(match.group(1), STAMP).replace(tzinfo=timezone.utc) if match else None
    except ValueError:
        return None


@contextmanager
def at_work(connect: Connect, name: str, seconds: float) -> Iterator[None]:
    """Hold the lock that says that the test of a database lives, for the length of the block."""
    with outside_transaction(connect, seconds, "announce a restore test", name) as cursor:
        if cursor.connection.server_version >= HAS_IDLE_SESSION_TIMEOUT_SINCE:
            cursor.execute("SET idle_session_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCKS, _number(name)])
        yield


def _number(name: str) -> int:
    """The token of a database's name, as PostgreSQL's integers are: with a sign."""
    token = int(name.rpartition("_")[2], 16)
    return token - (1 << 32) if token >= 1 << 31 else token


def inside(connect: Connect, name: str) -> Connect:
    """The same server and role, another database."""
    return replace(connect, options={**connect.options, "login_db": name})


def create_scratch(connect: Connect, name: str, manifest: Manifest, seconds: float) -> None:
    """Create an empty database with the encoding and the locale of the one that was dumped.

    :raises OperationError: when the server refuses, as when it lacks the locale
    """
    with outside_transaction(connect, seconds, "create a database for a restore test", name) as cursor:
        cursor.execute(sql.SQL(_CREATE).format(
            sql.Identifier(name), sql.Literal(manifest.encoding), sql.Literal(manifest.collate),
            sql.Literal(manifest.ctype)))


def drop_scratch(connect: Connect, name: str, force: bool) -> None:
    """Drop a database of ours. Gone already is fine.

    :param force: whoever is connected to it; otherwise the server refuses where anybody is
    :raises OperationError: when the server refuses, and for any other database
    """
    if made_at(name) is None:
        raise OperationError("drop a database of a restore test", name, "it is none")
    with outside_transaction(connect, DROP_SECONDS, "drop a database of a restore test", name) as cursor:
        cursor.execute(sql.SQL(_DROP_FORCED if force else _DROP).format(sql.Identifier(name)))


def scratch_databases(connect: Connect, place: str) -> tuple[Scratch, ...]:
    """The databases of restore tests that are there and that the role may drop."""
    with opened(connect, "read the databases of PostgreSQL", f"postgres:{place}") as cursor:
        cursor.execute(_FOUND, {"prefix": PREFIX, "locks": LOCKS})
        return tuple(Scratch(name, _number(name) % (1 << 32) in locked, connected)
                     for name, connected, locked in cursor.fetchall() if made_at(name))


_CREATE = "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}"
_DROP = "DROP DATABASE IF EXISTS {}"
_DROP_FORCED = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
# A database is there after its lock, and locks are read after the statement's snapshot is taken: one that is seen here
# without its lock is no test's any more. The server's own workers have no user and let go of a database that is dropped.
_FOUND = """
SELECT datname::text,
       EXISTS (SELECT FROM pg_stat_activity AS session WHERE session.datid = pg_database.oid AND usesysid IS NOT NULL),
       ARRAY(SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = %(locks)s AND objsubid = 2)
FROM pg_database
WHERE starts_with(datname::text, %(prefix)s) AND pg_has_role(datdba, 'USAGE') ORDER BY datname
"""
