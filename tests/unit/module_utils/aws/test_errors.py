"""AWS errors told apart: denied, missing, throttled, lost on the way, never sent."""

from __future__ import annotations

from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.exceptions import ClientError
from botocore.retries.standard import ThrottledRetryableChecker

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws import errors
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.errors import (
    code_of,
    explain,
    explaining,
    is_aws,
    is_throttled,
    was_answered,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import (
    Denied,
    Missing,
    OperationError,
    OutcomeUnknown,
)


def answer(code: str, message: Any = "because") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DoSomething")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", Denied), ("AccessDenied", Denied), ("UnauthorizedOperation", Denied),
        ("ExpiredTokenException", Denied), ("InvalidClientTokenId", Denied),
        pytest.param("403", Denied, id="HeadObject_has_no_better_code"),
        pytest.param("InvalidAccessKeyId", Denied, id="what_S3_calls_it"),
        ("ResourceNotFoundException", Missing), ("ClusterNotFoundException", Missing), ("NoSuchBucket", Missing),
        ("404", Missing),
        ("DBInstanceNotFound", Missing), ("ReplicationGroupNotFoundFault", Missing), ("InvalidInstanceID.NotFound", Missing),
        ("QueueDoesNotExist", Missing), ("NoSuchHostedZone", Missing),
        ("ThrottlingException", OperationError), ("ValidationException", OperationError),
        ("InternalServerError", OperationError),
    ],
)
def test_gives_each_answer_its_kind(code: str, kind: type[OperationError]) -> None:
    error = explain(answer(code), "read a table", "orders")

    assert type(error) is kind
    assert error.message().startswith("Could not read a table (orders): ")
    assert f"{code}: because" in error.message()


@pytest.mark.parametrize("code", ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
def test_whatever_botocore_retries_as_throttled_is_throttled(code: str) -> None:
    assert is_throttled(answer(code))
    assert "throttled to the end of all retries" in explain(answer(code), "read", "x").reason


@pytest.mark.parametrize("code", ["AccessDenied", "ValidationException", "NotFound", "ServiceUnavailable"])
def test_nothing_else_is_throttled(code: str) -> None:
    assert not is_throttled(answer(code))


@pytest.mark.parametrize("error", [
    botocore.exceptions.ReadTimeoutError(endpoint_url="https://x"),
    botocore.exceptions.ConnectionClosedError(endpoint_url="https://x"),
    botocore.exceptions.HTTPClientError(error="broken"),
    botocore.exceptions.ResponseStreamingError(error="broken"),
], ids=lambda error: type(error).__name__)
def test_a_lost_answer_is_an_unknown_outcome(error: Exception) -> None:
    assert not was_answered(error)
    explained = explain(error, "delete a version", "f:3")

    assert isinstance(explained, OutcomeUnknown)
    assert "read the resource before trying again" in explained.advice


@pytest.mark.parametrize("error", [
    botocore.exceptions.NoCredentialsError(),
    botocore.exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
    botocore.exceptions.NoRegionError(),
    botocore.exceptions.ProfileNotFound(profile="gone"),
    botocore.exceptions.ParamValidationError(report="Missing required parameter"),
    botocore.exceptions.UnknownServiceError(service_name="x", known_service_names="y"),
    botocore.exceptions.TokenRetrievalError(provider="sso", error_msg="expired"),
], ids=lambda error: type(error).__name__)
def test_what_was_never_sent_has_no_unknown_outcome(error: Exception) -> None:
    explained = explain(error, "delete a version", "f:3")

    assert not isinstance(explained, OutcomeUnknown)
    assert "AWS did not answer" not in explained.message()
    assert str(error).rstrip(".") in explained.message()


@pytest.mark.parametrize("response", [
    {"Error": {"Code": "AccessDenied", "Message": None}}, {"Error": {"Code": "AccessDenied"}},
    {"Error": {"Code": "AccessDenied", "Message": "  "}},
])
def test_an_answer_without_words_is_explained_too(response: dict[str, Any]) -> None:
    assert explain(ClientError(response, "X"), "read", "x").reason == "AccessDenied: no message"


def test_an_answer_without_a_code_has_the_exceptions_name() -> None:
    assert code_of(ClientError({"Error": {}}, "X")) == "ClientError"
    assert code_of(ValueError("x")) == "ValueError"


def test_modelled_exceptions_are_of_aws() -> None:
    client = boto3.client("dynamodb", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    error = client.exceptions.ResourceNotFoundException({"Error": {"Code": "ResourceNotFoundException"}}, "X")

    assert is_aws(error)
    assert isinstance(explain(error, "read", "x"), Missing)


@pytest.mark.parametrize("error", [ValueError("x"), OSError("x"), OperationError("a", "b", "c"), KeyboardInterrupt()])
def test_other_exceptions_are_not_of_aws(error: BaseException) -> None:
    assert not is_aws(error)


def test_explaining_turns_an_answer_into_an_operation_error() -> None:
    with pytest.raises(Denied, match=r"Could not read a table \(orders\): AccessDenied: because") as raised, \
            explaining("read a table", "orders"):
        raise answer("AccessDenied")

    assert isinstance(raised.value.__cause__, ClientError)


@pytest.mark.parametrize("error", [ZeroDivisionError(), Missing("read", "x", "gone"), KeyboardInterrupt()])
def test_explaining_leaves_everything_else_alone(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, explaining("read", "x"):
        raise error

    assert raised.value is error


def test_no_code_is_of_two_kinds() -> None:
    assert not errors.DENIED & errors.THROTTLED
    assert not [code for code in errors.DENIED | errors.THROTTLED if errors.is_missing(answer(code))]
