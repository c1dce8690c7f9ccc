"""The run lock in DynamoDB: every write conditional, every race with one winner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lease_table import LOST, DynamoLeaseStore
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied, Missing, OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.lease import Lease, digest_token

LEASE = Lease("commerce", "r1", "ada", "Weekly maintenance", digest_token("t"), 3, 1_700_000_060.5)
ITEM = {
    "system": {"S": "commerce"}, "run": {"S": "r1"}, "holder": {"S": "ada"}, "procedure": {"S": "Weekly maintenance"},
    "token_digest": {"S": digest_token("t")}, "fence": {"N": "3"}, "expires": {"N": "1700000060.500"}}
KEY = {"system": {"S": "commerce"}}


@pytest.fixture
def stubber() -> Iterator[Stubber]:
    client = boto3.client("dynamodb", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def store(stubber: Stubber) -> DynamoLeaseStore:
    return DynamoLeaseStore(lambda service: stubber.client, "locks")


def test_reads_the_row_consistently(stubber: Stubber, store: DynamoLeaseStore) -> None:
    stubber.add_response("get_item", {"Item": ITEM}, {"TableName": "locks", "Key": KEY, "ConsistentRead": True})

    assert store.read("commerce") == LEASE


def test_there_may_be_no_row(stubber: Stubber, store: DynamoLeaseStore) -> None:
    stubber.add_response("get_item", {})

    assert store.read("commerce") is None


def test_a_row_that_somebody_else_wrote_is_nobodys(stubber: Stubber, store: DynamoLeaseStore) -> None:
    stubber.add_response("get_item", {"Item": KEY})

    assert store.read("commerce") == Lease("commerce", "", "", "", "", 0, 0.0)


@pytest.mark.parametrize(("code", "kind"), [
    ("AccessDeniedException", Denied), ("ResourceNotFoundException", Missing), ("ThrottlingException", OperationError),
])
def test_a_table_that_cannot_be_used_is_no_free_lock(
    stubber: Stubber, store: DynamoLeaseStore, code: str, kind: type[OperationError]
) -> None:
    stubber.add_client_error("get_item", code)
    stubber.add_client_error("put_item", code)
    stubber.add_client_error("update_item", code)
    stubber.add_client_error("update_item", code)

    for use in (lambda: store.read("commerce"), lambda: store.take(LEASE, None),
                lambda: store.renew("commerce", "d", 1.0), lambda: store.release("commerce", "d")):
        with pytest.raises(kind, match="locks/commerce") as raised:
            use()
        assert type(raised.value) is kind


def test_a_first_lease_is_taken_where_there_is_no_row(stubber: Stubber, store: DynamoLeaseStore) -> None:
    stubber.add_response("put_item", {}, {
        "TableName": "locks", "Item": ITEM, "ConditionExpression": "attribute_not_exists(#s)",
        "ExpressionAttributeNames": {"#s": "system"}})

    assert store.take(LEASE, None)


def test_a_lease_is_taken_from_the_row_as_it_was_read(stubber: Stubber, store: DynamoLeaseStore) -> None:
    stubber.add_response("put_item", {}, {
        "TableName": "locks", "Item": ANY, "ConditionExpression": "fence = :fence AND expires = :expires",
        "ExpressionAttributeValues": {":fence": {"N": "3"}, ":expires": {"N": "1700000060.500"}}})

    assert store.take(replace(LEASE, run="r2", fence=4), LEASE)


@pytest.mark.parametrize("seen", [None, LEASE])
def test_the_slower_of_two_does_not_get_it(stubber: Stubber, store: DynamoLeaseStore, seen: Lease | None) -> None:
    stubber.add_client_error("put_item", LOST)

    assert store.take(LEASE, seen) is False


@pytest.mark.parametrize("method", ["renew", "release"])
def test_what_is_not_ours_is_left_alone(stubber: Stubber, store: DynamoLeaseStore, method: str) -> None:
    stubber.add_client_error("update_item", LOST, expected_params={
        "TableName": "locks", "Key": KEY, "UpdateExpression": ANY, "ConditionExpression": "token_digest = :ours",
        "ExpressionAttributeValues": ANY})

    arguments = ("commerce", "forged", 1.0) if method == "renew" else ("commerce", "forged")
    assert getattr(store, method)(*arguments) is False


class Rows:
    """A DynamoDB table of locks, just enough to carry out the store's own conditions and expressions."""

    class exceptions:
        class ClientError(Exception):
            response = {"Error": {"Code": LOST}}

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def get_item(self, Key: dict[str, Any], **request: Any) -> dict[str, Any]:
        row = self.rows.get(Key["system"]["S"])
        return {"Item": dict(row)} if row else {}

    def put_item(self, Item: dict[str, Any], **request: Any) -> None:
        self._check(Item["system"]["S"], request)
        self.rows[Item["system"]["S"]] = dict(Item)

    def update_item(self, Key: dict[str, Any], UpdateExpression: str, **request: Any) -> None:
        row = self._check(Key["system"]["S"], request)
        for part in UpdateExpression.removeprefix("SET ").split(", "):
            name, value = part.split(" = ")
            row[name] = request["ExpressionAttributeValues"][value]

    def _check(self, system: str, request: dict[str, Any]) -> dict[str, Any]:
        row, condition = self.rows.get(system), request["ConditionExpression"]
        values = request.get("ExpressionAttributeValues", {})
        if condition == "attribute_not_exists(#s)":
            holds = row is None
        else:
            names = [part.split(" = ") for part in condition.split(" AND ")]
            holds = row is not None and all(row[name] == values[value] for name, value in names)
        if not holds:
            raise self.exceptions.ClientError
        return row or {}


@pytest.fixture
def table() -> DynamoLeaseStore:
    rows = Rows()
    return DynamoLeaseStore(lambda service: rows, "locks")


A = Lease("commerce", "a", "ada", "p", digest_token("a"), 1, 100.0)
B = Lease("commerce", "b", "bob", "p", digest_token("b"), 1, 100.0)


def test_of_two_who_saw_no_row_one_gets_it(table: DynamoLeaseStore) -> None:
    assert [table.take(A, None), table.take(B, None)] == [True, False]
    assert table.read("commerce") == A


def test_of_two_who_saw_it_expire_one_gets_it(table: DynamoLeaseStore) -> None:
    expired = replace(A, run="old", token_digest="old")
    table.take(expired, None)
    first, second = replace(A, fence=2, expires=200.0), replace(B, fence=2, expires=200.0)

    assert [table.take(first, expired), table.take(second, expired)] == [True, False]


def test_a_renewal_wins_over_somebody_who_saw_it_expired(table: DynamoLeaseStore) -> None:
    table.take(A, None)
    seen = table.read("commerce")
    assert table.renew("commerce", A.token_digest, 200.0)

    assert table.take(replace(B, fence=2, expires=300.0), seen) is False
    assert table.read("commerce") == replace(A, expires=200.0)


def test_who_was_taken_over_can_neither_renew_nor_release(table: DynamoLeaseStore) -> None:
    table.take(A, None)
    table.take(replace(B, fence=2), A)

    assert table.renew("commerce", A.token_digest, 900.0) is False
    assert table.release("commerce", A.token_digest) is False
    assert table.read("commerce") == replace(B, fence=2)


def test_a_released_lock_is_free_and_keeps_its_fence(table: DynamoLeaseStore) -> None:
    table.take(A, None)
    assert table.release("commerce", A.token_digest)
    released = table.read("commerce")

    assert released is not None
    assert (released.held_at(0.0), released.fence) == (False, 1)
    assert table.renew("commerce", A.token_digest, 900.0) is False
    assert table.release("commerce", A.token_digest) is False
    assert table.take(replace(B, fence=2), released)


def test_an_empty_token_owns_nothing(table: DynamoLeaseStore) -> None:
    table.take(A, None)
    table.release("commerce", A.token_digest)

    assert table.renew("commerce", digest_token(""), 900.0) is False


def test_systems_do_not_share_a_lock(table: DynamoLeaseStore) -> None:
    assert table.take(A, None)
    assert table.take(replace(B, system="media"), None)
