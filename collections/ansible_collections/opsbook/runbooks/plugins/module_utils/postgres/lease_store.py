# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run lock in a PostgreSQL table with the primary key `system`.

As with DynamoDB, times are the callers': a row keeps the moment its holder wrote, and whoever reads it compares that with
a clock of their own. Clocks that differ by seconds shift a lease's end by as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from ..core.errors import Denied
from ..incident.lease import Lease
from .connection import Connect, opened, sql
from .errors import MissingTable

SCHEMA = "public"
COLUMNS = ("system", "run", "holder", "procedure", "token_digest", "fence", "expires")

CREATION = """
CREATE TABLE IF NOT EXISTS {table} (
    system text PRIMARY KEY, run text NOT NULL, holder text NOT NULL, procedure text NOT NULL,
    token_digest text NOT NULL, fence bigint NOT NULL, expires double precision NOT NULL
)"""
"""The table, as docs/inventory.md shows it for those who make it themselves."""

# Two that create the table at once would collide in the catalogue, also with IF NOT EXISTS. The number is arbitrary.
CREATION_LOCK = 7_236_540_091


class PostgresLeaseStore:
    """Leases as rows of one table, every write conditional. Implements incident.lease.LeaseStore.

    Each call has a connection of its own: the store may be shared by threads and survives a fork, and it never meets a
    connection that died meanwhile.
    """

    def __init__(self, connect: Connect, table: str = "opsbook_locks") -> None:
        """:param table: the table's name, with its schema where that is not `public`"""
        # Never left to search_path: roles that have different ones would each have a lock of their own.
        schema, dot, name = table.rpartition(".")
        self._connect = connect
        self._name = name
        self._table = sql.Identifier(schema if dot else SCHEMA, name)

    def read(self, system: str) -> Lease | None:
        """The system's row; None where there is none, or no table yet."""
        query = sql.SQL("SELECT {} FROM {} WHERE system = {}").format(_columns(), self._table, sql.Literal(system))
        try:
            with opened(self._connect, "read the run lock", self._resource(system)) as cursor:
                cursor.execute(query)
                row = cursor.fetchone()
        except MissingTable:
            return None
        return Lease(*row) if row else None

    def take(self, wanted: Lease, seen: Lease | None) -> bool:
        """Write the row if its fence still is the one seen. Who takes the first lease of all creates the table."""
        # Values are composed in as literals: beside parameters, a percent sign in the table's name would stand for one more.
        values = sql.SQL(", ").join(sql.Literal(value) for value in astuple(wanted))
        if seen is not None:
            statement = sql.SQL(
                "UPDATE {} SET ({}) = ROW ({}) WHERE system = {} AND fence = {} AND expires = {}").format(
                    self._table, _columns(), values, *map(sql.Literal, (wanted.system, seen.fence, seen.expires)))
        else:
            statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (system) DO NOTHING").format(
                self._table, _columns(), values)
        try:
            return self._write(wanted.system, statement)
        except MissingTable:
            self._create(wanted.system)
            return self._write(wanted.system, statement)

    def renew(self, system: str, token_digest: str, expires: float) -> bool:
        """Prolong the lease while its token is ours."""
        return self._update(system, token_digest, {"expires": expires})

    def release(self, system: str, token_digest: str) -> bool:
        """End the lease while it is ours; the row stays, for its fence."""
        return self._update(system, token_digest, {"expires": 0, "run": "", "token_digest": ""})

    def _update(self, system: str, token_digest: str, changes: Mapping[str, Any]) -> bool:
        assigned = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in changes.items()]
        statement = sql.SQL("UPDATE {} SET {} WHERE system = {} AND token_digest = {}").format(
            self._table, sql.SQL(", ").join(assigned), sql.Literal(system), sql.Literal(token_digest))
        try:
            return self._write(system, statement)
        except MissingTable:
            return False  # where there is no table, nothing is ours

    def _write(self, system: str, statement: Any) -> bool:
        with opened(self._connect, "write the run lock", self._resource(system)) as cursor:
            cursor.execute(statement)
            return bool(cursor.rowcount == 1)

    def _create(self, system: str) -> None:
        # The advisory lock is given back with the transaction, however that ends.
        statement = sql.SQL("SELECT pg_advisory_xact_lock({number}); " + CREATION).format(
            number=sql.Literal(CREATION_LOCK), table=self._table)
        attempted, resource = "create the table of run locks", self._resource(system)
        try:
            with opened(self._connect, attempted, resource) as cursor:
                cursor.execute(statement)
        except Denied as error:
            raise Denied(attempted, resource, error.reason, "Let somebody make it who may, and grant this login SELECT, "
                         "INSERT and UPDATE on it: docs/inventory.md has the statements.") from error

    def _resource(self, system: str) -> str:
        return f"{self._name}/{system}"


def _columns() -> Any:
    return sql.SQL(", ").join(sql.Identifier(name) for name in COLUMNS)
