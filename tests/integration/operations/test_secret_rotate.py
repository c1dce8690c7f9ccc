"""secret_rotate against the lab's AWS: check, run, run again, and what may go wrong."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import carried_out, changing

CANARY = "canary-value-of-the-secret"


@pytest.fixture
def function(aws: Aws, unique: str) -> str:
    """The ARN of a rotation function."""
    role = aws.client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    return str(aws.client("lambda").create_function(
        FunctionName=unique, Runtime="python3.12", Role=role, Handler="a.b", Code={"ZipFile": b"0"})["FunctionArn"])


@pytest.fixture
def secret(aws: Aws, unique: str, function: str) -> str:
    """A secret with rotation on, rotated 8 days ago."""
    name = f"{unique}/api-keys"
    client = aws.client("secretsmanager")
    client.create_secret(Name=name, SecretString=CANARY)
    client.rotate_secret(SecretId=name, RotationLambdaARN=function, RotationRules={"AutomaticallyAfterDays": 30})
    settle(aws, name)
    aws.control("backdate", {"kind": "secret", "name": name, "days": 8})
    return name


def stages(aws: Aws, name: str) -> dict[str, str]:
    """Stage to version."""
    versions = aws.client("secretsmanager").describe_secret(SecretId=name)["VersionIdsToStages"]
    return {stage: version for version, labels in versions.items() for stage in labels}


def versions(aws: Aws, name: str) -> int:
    """How many versions there ever were."""
    return len(aws.client("secretsmanager").list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"])


def settle(aws: Aws, name: str) -> dict[str, str]:
    """Wait for the rotation function."""
    deadline = time.monotonic() + 10
    while "AWSPENDING" in stages(aws, name):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return stages(aws, name)


def rotations(calls: Any) -> list[dict[str, Any]]:
    return [call for call in carried_out(calls) if call["action"] == "RotateSecret"]


def test_check_then_run_then_run_again(aws: Aws, operate: Operate, secret: str) -> None:
    before = stages(aws, secret)
    with aws.calls() as calls:
        checked = operate("secret_rotate", check_mode=True, diff=True, secrets=[secret], not_within="20h")
    assert changing(calls) == []
    assert checked["changed"] is True
    assert checked["changes"][0]["before"] == {"current": before["AWSCURRENT"]}
    assert [entry["before_header"] for entry in checked["diff"]] == [f"secret:{secret} (rotate)"]
    assert stages(aws, secret) == before

    with aws.calls() as calls:
        done = operate("secret_rotate", secrets=[secret], not_within="20h")
    assert "msg" not in done
    assert done["changed"] is True
    assert done["plan_digest"] == checked["plan_digest"]
    assert all(item["ok"] for item in done["evidence"])
    after = stages(aws, secret)
    assert after == {"AWSCURRENT": done["evidence"][0]["expected"]["current"], "AWSPREVIOUS": before["AWSCURRENT"]}
    assert len(changing(calls)) == 1
    assert "secretsmanager:GetSecretValue" not in calls.names()

    with aws.calls() as calls:
        again = operate("secret_rotate", secrets=[secret], not_within="20h")
    assert again["changed"] is False
    assert again["kept"] == [{"resource": f"secret:{secret}", "reason": "rotated within the last 20 h"}]
    assert again["evidence"][0]["actual"]["current"] == after["AWSCURRENT"]
    assert changing(calls) == []


def test_leaves_the_rotation_rules_and_function_alone(aws: Aws, operate: Operate, secret: str) -> None:
    client = aws.client("secretsmanager")
    before = client.describe_secret(SecretId=secret)
    operate("secret_rotate", secrets=[before["ARN"]])
    after = client.describe_secret(SecretId=secret)
    assert after["LastRotatedDate"] > before["LastRotatedDate"]
    assert [after[name] for name in ("RotationRules", "RotationLambdaARN", "RotationEnabled")] == [
        before[name] for name in ("RotationRules", "RotationLambdaARN", "RotationEnabled")]


def test_without_not_within_each_run_rotates(aws: Aws, operate: Operate, secret: str) -> None:
    count = versions(aws, secret)
    assert operate("secret_rotate", secrets=[secret])["changed"] is True
    aws.control("backdate", {"kind": "secret", "name": secret, "days": 1})
    assert operate("secret_rotate", secrets=[secret])["changed"] is True
    assert versions(aws, secret) == count + 2


@pytest.mark.parametrize("outcome", ["fail-create", "fail-test"])
def test_a_failed_rotation_is_named_and_attempted_again_by_the_next_run(
    aws: Aws, operate: Operate, secret: str, outcome: str
) -> None:
    before, count = stages(aws, secret), versions(aws, secret)
    aws.control("secrets/rotation", {"secret": secret, "outcome": outcome, "seconds": 0.1})
    failed = operate("secret_rotate", secrets=[secret], wait_timeout=3)
    left = stages(aws, secret)
    assert failed["failed"] is True
    assert f"secret:{secret}" in failed["msg"]
    assert f"{secret}: AWSCURRENT is unchanged" in failed["msg"]
    assert left["AWSPENDING"] in failed["recovery"]
    assert left["AWSCURRENT"] == before["AWSCURRENT"]

    aws.control("secrets/rotation", {"secret": secret, "outcome": "ok", "seconds": 0.1})
    aws.control("backdate", {"kind": "secret", "name": secret, "days": 1})
    repeated = operate("secret_rotate", secrets=[secret])
    assert "msg" not in repeated
    assert repeated["plan_digest"] == failed["plan_digest"]
    assert stages(aws, secret) == {"AWSCURRENT": left["AWSPENDING"], "AWSPREVIOUS": before["AWSCURRENT"]}
    assert versions(aws, secret) == count + 1


def test_a_run_during_a_slow_rotation_waits_for_it(aws: Aws, operate: Operate, secret: str) -> None:
    count = versions(aws, secret)
    aws.control("secrets/rotation", {"secret": secret, "outcome": "slow", "seconds": 2})
    with aws.calls() as calls:
        first = operate("secret_rotate", secrets=[secret], wait_timeout=0.5)
        second = operate("secret_rotate", secrets=[secret], not_within="20h")
    assert first["failed"] is True
    assert "msg" not in second
    assert second["evidence"][0]["ok"] is True
    assert len(rotations(calls)) == 1
    assert versions(aws, secret) == count + 1


def test_a_rotation_that_someone_else_began_is_not_followed_by_a_second(aws: Aws, operate: Operate, secret: str) -> None:
    count = versions(aws, secret)
    aws.control("secrets/rotation", {"secret": secret, "outcome": "slow", "seconds": 1})
    theirs = aws.client("secretsmanager").rotate_secret(SecretId=secret)["VersionId"]
    with aws.calls() as calls:
        result = operate("secret_rotate", secrets=[secret])
    assert "msg" not in result
    assert rotations(calls) == []
    assert stages(aws, secret)["AWSCURRENT"] == theirs
    assert versions(aws, secret) == count + 1


def test_a_lost_answer_makes_one_rotation(aws: Aws, operate: Operate, secret: str) -> None:
    count = versions(aws, secret)
    aws.control("faults", {"faults": [
        {"service": "secretsmanager", "action": "RotateSecret", "kind": "drop", "when": "after", "times": 1}]})
    result = operate("secret_rotate", secrets=[secret])
    assert "msg" not in result
    assert versions(aws, secret) == count + 1


def test_secrets_without_rotation_are_refused_by_name_before_anything_changes(
    aws: Aws, operate: Operate, secret: str, unique: str
) -> None:
    aws.client("secretsmanager").create_secret(Name=f"{unique}/partner-token", SecretString=CANARY)
    with aws.calls() as calls:
        result = operate("secret_rotate", secrets=[f"{unique}/*"])
    assert result["failed"] is True
    assert f"{unique}/partner-token: no rotation is configured" in result["msg"]
    assert changing(calls) == []

    protected = operate("secret_rotate", secrets=[f"{unique}/*"], protected=["*/partner-token"])
    assert "msg" not in protected
    assert [change["resource"] for change in protected["changes"]] == [f"secret:{secret}"]


def test_refuses_a_secret_scheduled_for_deletion_and_one_whose_rotation_is_off(
    aws: Aws, operate: Operate, secret: str
) -> None:
    client = aws.client("secretsmanager")
    client.cancel_rotate_secret(SecretId=secret)
    assert "rotating would turn it on again" in operate("secret_rotate", secrets=[secret])["msg"]
    client.delete_secret(SecretId=secret)
    assert f"{secret}: it is scheduled for deletion" in operate("secret_rotate", secrets=[secret])["msg"]


def test_refuses_more_than_max_affected_before_anything_changes(aws: Aws, operate: Operate, secret: str) -> None:
    with aws.calls() as calls:
        result = operate("secret_rotate", secrets=[secret], max_affected="0")
    assert "max_affected (0) allows 0 of 1 secrets" in result["msg"]
    assert changing(calls) == []


def test_a_denied_read_rotates_nothing_and_is_named(aws: Aws, operate: Operate, secret: str) -> None:
    aws.control("faults", {"faults": [{"service": "secretsmanager", "action": "DescribeSecret", "kind": "deny"}]})
    with aws.calls() as calls:
        result = operate("secret_rotate", secrets=[secret])
    assert f"secret:{secret}: AccessDenied" in result["msg"]
    assert changing(calls) == []


def test_a_denied_rotation_fails_at_once_and_names_the_secret(aws: Aws, operate: Operate, secret: str) -> None:
    aws.control("faults", {"faults": [{"service": "secretsmanager", "action": "RotateSecret", "kind": "deny"}]})
    started = time.monotonic()
    result = operate("secret_rotate", secrets=[secret])
    assert result["changed"] is False
    assert [entry["resource"] for entry in result["failed_resources"]] == [f"secret:{secret}"]
    assert "AccessDenied" in result["msg"]
    assert "0 of 1 changes were made" in result["msg"]
    assert time.monotonic() - started < 10


def test_reaches_the_same_end_under_throttling(aws: Aws, operate: Operate, secret: str) -> None:
    count = versions(aws, secret)
    aws.control("faults", {"seed": 7, "faults": [
        {"service": "secretsmanager", "action": "*", "kind": "throttle", "probability": 0.3}]})
    result = operate("secret_rotate", secrets=[secret])
    aws.control("faults", {"faults": []})
    assert "msg" not in result
    assert versions(aws, secret) == count + 1


def test_a_missing_secret_is_named_not_read_as_empty(operate: Operate) -> None:
    assert "secret:no-such-secret: does not exist" in operate("secret_rotate", secrets=["no-such-secret"])["msg"]


def test_an_empty_list_means_none(operate: Operate, secret: str) -> None:
    assert operate("secret_rotate", secrets=[])["changes"] == []


def test_the_value_is_in_no_byte_of_a_result(aws: Aws, operate: Operate, secret: str) -> None:
    done = operate("secret_rotate", diff=True, secrets=[secret])
    aws.control("secrets/rotation", {"secret": secret, "outcome": "fail-test", "seconds": 0})
    failed = operate("secret_rotate", diff=True, secrets=[secret], wait_timeout=3)
    aws.control("faults", {"faults": [{"service": "secretsmanager", "action": "*", "kind": "deny"}]})
    denied = operate("secret_rotate", diff=True, secrets=[secret])
    assert "msg" not in done
    assert failed["failed"] is denied["failed"] is True
    for canary in (CANARY, aws.connection["secret_key"]):
        assert canary not in str([done, failed, denied])
