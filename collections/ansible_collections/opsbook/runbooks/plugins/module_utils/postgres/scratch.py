# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A database that exists for a restore test alone: its name tells when it was made, and it always goes.

One that a killed run left behind goes a day later, with a later test. No other database is ever dropped: the name is looked
at again where it is dropped.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from ..core.errors import OperationError
from .connection import Connect, opened, outside_transaction, sql
from .dump_manifest import Manifest

PREFIX = "opsbook_restore_"
STAMP = "%Y%m%dt%H%M%Sz"
ABANDONED_AFTER = timedelta(days=1)
"""No restore test takes so long: what is older was left behind by a killed run."""
DROP_SECONDS = 60.0


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


def abandoned(name: str, now: datetime) -> bool:
    """Whether a database was left behind by a test that was killed."""
    made = made_at(name)
    return made is not None and now - made > ABANDONED_AFTER


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


def drop_scratch(connect: Connect, name: str) -> None:
    """Drop a database of ours, whoever is connected to it. Gone already is fine.

    :raises OperationError: when the server refuses, and for any other database
    """
    if made_at(name) is None:
        raise OperationError("drop a database of a restore test", name, "it is none")
    with outside_transaction(connect, DROP_SECONDS, "drop a database of a restore test", name) as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def scratch_databases(connect: Connect, place: str) -> tuple[str, ...]:
    """The databases of restore tests that are there and that the role may drop."""
    with opened(connect, "read the databases of PostgreSQL", f"postgres:{place}") as cursor:
        cursor.execute(_NAMES, {"prefix": PREFIX})
        return tuple(name for (name,) in cursor.fetchall() if made_at(name))


_CREATE = "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}"
_NAMES = """
SELECT datname::text FROM pg_database
WHERE starts_with(datname::text, %(prefix)s) AND pg_has_role(datdba, 'USAGE') ORDER BY datname
"""
