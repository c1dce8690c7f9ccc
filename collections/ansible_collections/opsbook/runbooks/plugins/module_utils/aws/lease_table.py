# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run lock in a DynamoDB table with the hash key `system` (a string)."""

from __future__ import annotations

from typing import Any

from ..incident.lease import Lease
from .client import Connect
from .errors import code_of, explaining

LOST = "ConditionalCheckFailedException"


class DynamoLeaseStore:
    """Leases as rows of one table, every write conditional. Implements incident.lease.LeaseStore."""

    def __init__(self, connect: Connect, table: str) -> None:
        self._client = connect("dynamodb")
        self._table = table

    def read(self, system: str) -> Lease | None:
        """The system's row, read consistently; None where there is none."""
        with explaining("read the run lock", f"{self._table}/{system}"):
            answer = self._client.get_item(TableName=self._table, Key={"system": {"S": system}}, ConsistentRead=True)
        return _lease(answer["Item"]) if "Item" in answer else None

    def take(self, wanted: Lease, seen: Lease | None) -> bool:
        """Write the row if its fence still is the one seen."""
        if seen is None:
            condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(#s)",
                                         "ExpressionAttributeNames": {"#s": "system"}}
        else:
            condition = {"ConditionExpression": "fence = :fence AND expires = :expires",
                         "ExpressionAttributeValues": {":fence": {"N": str(seen.fence)}, ":expires": _number(seen.expires)}}
        return self._write("put_item", wanted.system, Item=_item(wanted), **condition)

    def renew(self, system: str, token_digest: str, expires: float) -> bool:
        """Prolong the lease while its token is ours."""
        return self._update(system, token_digest, "SET expires = :new", {":new": _number(expires)})

    def release(self, system: str, token_digest: str) -> bool:
        """End the lease while it is ours; the row stays, for its fence."""
        return self._update(system, token_digest, "SET expires = :new, run = :none, token_digest = :none",
                            {":new": _number(0.0), ":none": {"S": ""}})

    def _update(self, system: str, token_digest: str, expression: str, values: dict[str, Any]) -> bool:
        return self._write(
            "update_item", system, Key={"system": {"S": system}}, UpdateExpression=expression,
            ConditionExpression="token_digest = :ours",
            ExpressionAttributeValues={":ours": {"S": token_digest}, **values})

    def _write(self, call: str, system: str, **request: Any) -> bool:
        with explaining("write the run lock", f"{self._table}/{system}"):
            try:
                getattr(self._client, call)(TableName=self._table, **request)
            except self._client.exceptions.ClientError as error:
                if code_of(error) != LOST:
                    raise
                return False
        return True


def _number(value: float) -> dict[str, str]:
    return {"N": f"{value:.3f}"}


def _item(lease: Lease) -> dict[str, Any]:
    texts = {"system": lease.system, "run": lease.run, "holder": lease.holder, "procedure": lease.procedure,
             "token_digest": lease.token_digest}
    return {**{name: {"S": value} for name, value in texts.items()},
            "fence": {"N": str(lease.fence)}, "expires": _number(lease.expires)}


def _lease(item: dict[str, Any]) -> Lease:
    def text(name: str) -> str:
        return str(item.get(name, {}).get("S", ""))

    return Lease(text("system"), text("run"), text("holder"), text("procedure"), text("token_digest"),
                 int(item.get("fence", {}).get("N", 0)), float(item.get("expires", {}).get("N", 0)))
