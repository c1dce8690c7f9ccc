"""lambda_function_info against the lab's AWS."""

from __future__ import annotations

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing


@pytest.fixture
def functions(aws: Aws, unique: str) -> list[str]:
    """Two functions of one name but for its end."""
    role = aws.client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    names = [f"{unique}-a", f"{unique}-b"]
    for name in names:
        aws.client("lambda").create_function(
            FunctionName=name, Runtime="python3.12", Role=role, Handler="a.b", Code={"ZipFile": b"0"},
            Environment={"Variables": {"TOKEN": "canary-in-the-environment"}})
    return names


def test_reads_each_function_by_pattern_and_changes_nothing(
    aws: Aws, operate: Operate, functions: list[str], unique: str
) -> None:
    with aws.calls() as calls:
        result = operate("lambda_function_info", check_mode=True, function_names=[f"{unique}-*"])
    assert [function["name"] for function in result["functions"]] == functions
    assert result["verdict"] == "healthy"
    assert result["changed"] is False
    assert changing(calls) == []
    assert "canary" not in str(result)


def test_a_missing_function_is_not_healthy(operate: Operate, functions: list[str]) -> None:
    result = operate("lambda_function_info", function_names=[functions[0], "no-such-function"])
    assert result["verdict"] == "unknown"
    assert result["coverage"]["missing"] == [{"resource": "lambda-function:no-such-function", "reason": "does not exist"}]


def test_a_denied_function_is_not_healthy(aws: Aws, operate: Operate, functions: list[str]) -> None:
    aws.control("faults", {"faults": [{"service": "lambda", "action": "GetFunctionConfiguration", "kind": "deny"}]})
    result = operate("lambda_function_info", function_names=functions)
    assert result["verdict"] == "unknown"
    assert all("AccessDenied" in gap["reason"] for gap in result["coverage"]["missing"])


def test_reads_everything_under_throttling(aws: Aws, operate: Operate, functions: list[str]) -> None:
    aws.control("faults", {"seed": 3, "faults": [
        {"service": "lambda", "action": "*", "kind": "throttle", "probability": 0.3}]})
    assert operate("lambda_function_info", function_names=functions)["verdict"] == "healthy"
