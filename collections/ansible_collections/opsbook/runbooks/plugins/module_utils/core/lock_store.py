# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a system's run lock is kept, as inventory declares it: a DynamoDB table, or a row in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..incident.lease import LeaseStore

LEASE_SECONDS = 60.0
"""Length of a lease where inventory says none."""

QUICK_ATTEMPTS = 2
"""Attempts of somebody who goes on without an answer (an emergency): a store that is down must not cost minutes."""

QUICK_SECONDS = {"connect_timeout": 2, "statement_timeout": 2, "lock_timeout": 1}
"""The most that the same somebody waits for PostgreSQL."""


def open_store(stored: Mapping[str, Any], quick: bool = False) -> LeaseStore:
    """The store of a system's lock. Imports only the library that it needs.

    :param stored: `lease_seconds`, and either `table` with the options of the AWS connection, or `postgres` with those of
        the PostgreSQL connection
    :param quick: give up soon
    :raises MissingLibrary: when boto3 or psycopg2 is not installed
    """
    return _postgres(stored["postgres"], quick) if stored.get("postgres") else _dynamodb(stored, quick)


def _postgres(connection: Mapping[str, Any], quick: bool) -> LeaseStore:
    from ..postgres.connection import connector
    from ..postgres.lease_store import PostgresLeaseStore

    hurried = {name: min(int(connection.get(name) or most), most) for name, most in QUICK_SECONDS.items()} if quick else {}
    return PostgresLeaseStore(connector({**connection, **hurried}))


def _dynamodb(stored: Mapping[str, Any], quick: bool) -> LeaseStore:
    from ..aws.client import MAX_ATTEMPTS, connector
    from ..aws.lease_table import DynamoLeaseStore

    return DynamoLeaseStore(connector(stored, QUICK_ATTEMPTS if quick else MAX_ATTEMPTS), str(stored["table"]))


def lease_length(stored: Mapping[str, Any]) -> float:
    """Seconds that a lease of this store lasts."""
    return float(stored.get("lease_seconds") or LEASE_SECONDS)


def ask_interval(lease_seconds: float) -> float:
    """Seconds after which a run asks again whether the lease is still its own; until then it goes on changing."""
    return lease_seconds / 3
