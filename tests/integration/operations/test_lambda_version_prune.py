"""lambda_version_prune against the lab's AWS: check, run, run again, and what may go wrong."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing


@pytest.fixture
def function(aws: Aws, unique: str) -> str:
    """A function with versions 1 to 8; alias live serves 2 and, by weight, 1."""
    role = aws.client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client = aws.client("lambda")
    client.create_function(FunctionName=unique, Runtime="python3.12", Role=role, Handler="a.b", Code={"ZipFile": b"0"})
    for number in range(1, 9):
        client.update_function_code(FunctionName=unique, ZipFile=str(number).encode())
        client.publish_version(FunctionName=unique)
    client.create_alias(FunctionName=unique, Name="live", FunctionVersion="2",
                        RoutingConfig={"AdditionalVersionWeights": {"1": 0.1}})
    return unique


def published(aws: Aws, function: str) -> list[str]:
    pages = aws.client("lambda").get_paginator("list_versions_by_function").paginate(FunctionName=function)
    return [version["Version"] for page in pages for version in page["Versions"]]


def names(result: dict[str, Any]) -> list[str]:
    return [change["resource"].rpartition(":")[2] for change in result["changes"]]


def test_check_then_run_then_run_again(aws: Aws, operate: Operate, function: str) -> None:
    with aws.calls() as calls:
        checked = operate("lambda_version_prune", check_mode=True, diff=True, function_names=[function])
    assert changing(calls) == []
    assert checked["changed"] is True
    assert names(checked) == ["3", "4", "5"]
    assert [entry["before_header"] for entry in checked["diff"]] == [
        f"lambda-version:{function}:{number} (delete)" for number in (3, 4, 5)]
    assert published(aws, function) == ["$LATEST", "1", "2", "3", "4", "5", "6", "7", "8"]

    done = operate("lambda_version_prune", function_names=[function])
    assert done["changed"] is True
    assert done["plan_digest"] == checked["plan_digest"]
    assert all(change["applied"] for change in done["changes"])
    assert all(item["ok"] for item in done["evidence"])
    assert published(aws, function) == ["$LATEST", "1", "2", "6", "7", "8"]

    with aws.calls() as calls:
        again = operate("lambda_version_prune", function_names=[function])
    assert again["changed"] is False
    assert again["changes"] == []
    assert changing(calls) == []


def test_refuses_more_than_max_affected_before_anything_changes(aws: Aws, operate: Operate, function: str) -> None:
    with aws.calls() as calls:
        result = operate("lambda_version_prune", function_names=[function], max_affected="2")
    assert result["failed"] is True
    assert "max_affected (2) allows 2 of 8 published versions" in result["msg"]
    assert changing(calls) == []


def test_a_denied_read_deletes_nothing_and_is_named(aws: Aws, operate: Operate, function: str) -> None:
    aws.control("faults", {"faults": [{"service": "lambda", "action": "ListAliases", "kind": "deny"}]})
    result = operate("lambda_version_prune", function_names=[function])
    assert result["failed"] is True
    assert f"lambda-function:{function}" in result["msg"]
    assert "AccessDenied" in result["msg"]
    assert len(published(aws, function)) == 9


def test_a_denied_deletion_names_each_version_and_fails(aws: Aws, operate: Operate, function: str) -> None:
    aws.control("faults", {"faults": [{"service": "lambda", "action": "DeleteFunction", "kind": "deny"}]})
    result = operate("lambda_version_prune", function_names=[function])
    assert result["failed"] is True
    assert result["changed"] is False
    assert [entry["resource"].rpartition(":")[2] for entry in result["failed_resources"]] == ["3", "4", "5"]


def test_reaches_the_same_end_under_throttling(aws: Aws, operate: Operate, function: str) -> None:
    aws.control("faults", {"seed": 7, "faults": [
        {"service": "lambda", "action": "*", "kind": "throttle", "probability": 0.3}]})
    result = operate("lambda_version_prune", function_names=[function])
    assert result.get("failed", False) is False
    assert published(aws, function) == ["$LATEST", "1", "2", "6", "7", "8"]


def test_a_missing_function_is_named_not_read_as_empty(operate: Operate) -> None:
    result = operate("lambda_version_prune", function_names=["no-such-function"])
    assert result["failed"] is True
    assert "lambda-function:no-such-function: does not exist" in result["msg"]


def test_secrets_stay_out_of_results(aws: Aws, operate: Operate) -> None:
    aws.control("faults", {"faults": [{"service": "lambda", "action": "*", "kind": "deny"}]})
    result = operate("lambda_version_prune", function_names=["*"])
    assert result["failed"] is True
    assert aws.connection["secret_key"] not in str(result)


def test_a_function_named_by_arn_is_refused(operate: Operate) -> None:
    """By ARN nothing would be found that uses a version, and nothing be protected."""
    result = operate("lambda_version_prune", function_names=["arn:aws:lambda:us-east-1:123456789012:function:f"])
    assert result["failed"] is True
    assert "not named by their own name" in result["msg"]


def test_a_version_published_meanwhile_is_no_failure(aws: Aws, operate: Operate, function: str) -> None:
    aws.control("faults", {"faults": [{"service": "lambda", "action": "DeleteFunction", "kind": "latency", "seconds": 0.5}]})
    publisher = threading.Timer(0.3, lambda: _publish(aws, function))
    publisher.start()
    result = operate("lambda_version_prune", function_names=[function])
    publisher.join()
    assert result.get("failed", False) is False
    assert "9" in published(aws, function)


def _publish(aws: Aws, function: str) -> None:
    aws.client("lambda").update_function_code(FunctionName=function, ZipFile=b"9")
    aws.client("lambda").publish_version(FunctionName=function)
