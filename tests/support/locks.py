"""The run locks of a lab's systems, wherever the inventory keeps them."""

from __future__ import annotations

from typing import Any

from psycopg2.extras import RealDictCursor

from tests.support.databases import superuser
from tests.support.labs import Lab

LOCKED_IN_POSTGRES = {"media"}
"""Systems of the lab's inventory whose run lock is a row in their own PostgreSQL."""


def lock_row(lab: Lab, system: str = "commerce") -> dict[str, str]:
    """The lock row of a system: run, holder, token digest, fence, expiry; empty where there is none."""
    row = _in_postgres(lab, system) if system in LOCKED_IN_POSTGRES else _in_dynamodb(lab, system)
    return {name: str(value) for name, value in row.items()}


def _in_dynamodb(lab: Lab, system: str) -> dict[str, Any]:
    item = lab.client("dynamodb", system).get_item(
        TableName=lab.status["lock_table"], Key={"system": {"S": system}}, ConsistentRead=True).get("Item", {})
    return {name: next(iter(value.values())) for name, value in item.items()}


def _in_postgres(lab: Lab, system: str) -> dict[str, Any]:
    with superuser(lab, system) as connection, connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute("SELECT * FROM public.opsbook_locks WHERE system = %s", (system,))
        return dict(cursor.fetchone() or {})
