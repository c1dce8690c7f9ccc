"""Secrets Manager: reads follow the stage, rotations run in the background, take their time and may fail."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.waiting import eventually

from .conftest import AwsLab

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:rotation"
FIRST = "a" * 32
SECOND = "b" * 32
THIRD = "c" * 32


@pytest.fixture
def secrets(clean_aws: AwsLab) -> Any:
    """A client, in a lab with a rotation function and a secret `s` whose current version is FIRST."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("handler.py", "")
    clean_aws.client("iam").create_role(RoleName="lambda", AssumeRolePolicyDocument="{}")
    clean_aws.client("lambda").create_function(
        FunctionName="rotation",
        Role="arn:aws:iam::123456789012:role/lambda",
        Runtime="python3.12",
        Handler="handler.run",
        Code={"ZipFile": archive.getvalue()},
    )
    client = clean_aws.client("secretsmanager")
    client.create_secret(Name="s", SecretString="first-value", ClientRequestToken=FIRST)
    return client


def stages(client: Any) -> dict[str, list[str]]:
    """The stages of each version, as DescribeSecret says."""
    return dict(client.describe_secret(SecretId="s")["VersionIdsToStages"])


def rotate(client: Any, token: str, **arguments: Any) -> dict[str, Any]:
    """Ask for a rotation to the version `token`."""
    return dict(client.rotate_secret(SecretId="s", ClientRequestToken=token, RotationLambdaARN=FUNCTION, **arguments))


def rotated(client: Any, token: str) -> None:
    """Wait until that version is current."""
    eventually(lambda: "AWSCURRENT" in stages(client).get(token, []), 10)


def test_a_read_follows_the_current_stage(secrets: Any) -> None:
    secrets.put_secret_value(SecretId="s", SecretString="second-value", ClientRequestToken=SECOND, VersionStages=["X"])
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == "first-value"
    secrets.update_secret_version_stage(
        SecretId="s", VersionStage="AWSCURRENT", RemoveFromVersionId=FIRST, MoveToVersionId=SECOND
    )
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == "second-value"
    assert secrets.get_secret_value(SecretId="s", VersionStage="AWSPREVIOUS")["SecretString"] == "first-value"


def test_a_rotation_is_pending_first_and_then_moves_the_stages(clean_aws: AwsLab, secrets: Any) -> None:
    clean_aws.control("secrets/rotation", secret="s", outcome="slow", seconds=1)
    assert rotate(secrets, SECOND)["VersionId"] == SECOND
    assert stages(secrets) == {FIRST: ["AWSCURRENT"], SECOND: ["AWSPENDING"]}
    assert "LastRotatedDate" not in secrets.describe_secret(SecretId="s")
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId="s", VersionStage="AWSPENDING")
    assert secrets.get_secret_value(SecretId="s")["VersionId"] == FIRST
    rotated(secrets, SECOND)
    assert stages(secrets) == {FIRST: ["AWSPREVIOUS"], SECOND: ["AWSCURRENT"]}
    new = secrets.get_secret_value(SecretId="s")
    assert new["VersionId"] == SECOND
    assert new["SecretString"] != "first-value"
    assert (datetime.now(UTC) - secrets.describe_secret(SecretId="s")["LastRotatedDate"]).total_seconds() < 60


def test_a_second_rotation_drops_the_oldest_stage(secrets: Any) -> None:
    for token in (SECOND, THIRD):
        rotate(secrets, token)
        rotated(secrets, token)
    assert stages(secrets) == {SECOND: ["AWSPREVIOUS"], THIRD: ["AWSCURRENT"]}
    listed = secrets.list_secret_version_ids(SecretId="s")["Versions"]
    assert {version["VersionId"] for version in listed} == {SECOND, THIRD}
    everything = secrets.list_secret_version_ids(SecretId="s", IncludeDeprecated=True)["Versions"]
    assert {version["VersionId"] for version in everything} == {FIRST, SECOND, THIRD}


def test_the_same_token_rotates_once(clean_aws: AwsLab, secrets: Any) -> None:
    clean_aws.control("secrets/rotation", secret="s", outcome="ok", seconds=0.5)
    assert [rotate(secrets, SECOND)["VersionId"] for _ in range(2)] == [SECOND, SECOND]
    rotated(secrets, SECOND)
    value = secrets.get_secret_value(SecretId="s")["SecretString"]
    assert rotate(secrets, SECOND)["VersionId"] == SECOND
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == value
    assert stages(secrets) == {FIRST: ["AWSPREVIOUS"], SECOND: ["AWSCURRENT"]}


def test_another_rotation_is_refused_while_one_is_pending(clean_aws: AwsLab, secrets: Any) -> None:
    clean_aws.control("secrets/rotation", secret="s", outcome="slow", seconds=1)
    rotate(secrets, SECOND)
    with pytest.raises(secrets.exceptions.InvalidRequestException, match="previous rotation isn't complete"):
        rotate(secrets, THIRD)
    rotated(secrets, SECOND)
    assert THIRD not in stages(secrets)


@pytest.mark.parametrize(("outcome", "has_value"), [("fail-create", False), ("fail-test", True)])
def test_a_failed_rotation_stays_pending_until_it_is_attempted_again(
    clean_aws: AwsLab, secrets: Any, outcome: str, has_value: bool
) -> None:
    clean_aws.control("secrets/rotation", secret="s", outcome=outcome, seconds=0.2)
    rotate(secrets, SECOND)

    def pending_value() -> str | None:
        try:
            return str(secrets.get_secret_value(SecretId="s", VersionStage="AWSPENDING")["SecretString"])
        except secrets.exceptions.ResourceNotFoundException:
            return None

    if has_value:
        eventually(pending_value, 10)
    deadline = datetime.now(UTC).timestamp() + 0.5
    eventually(lambda: datetime.now(UTC).timestamp() > deadline, 10)
    assert stages(secrets) == {FIRST: ["AWSCURRENT"], SECOND: ["AWSPENDING"]}
    assert bool(pending_value()) is has_value
    assert "LastRotatedDate" not in secrets.describe_secret(SecretId="s")
    clean_aws.control("secrets/rotation", secret="s", outcome="ok")
    with pytest.raises(secrets.exceptions.InvalidRequestException, match="will be reattempted"):
        rotate(secrets, THIRD)
    rotated(secrets, SECOND)


def test_rotation_keeps_the_configuration_that_a_request_leaves_out(secrets: Any) -> None:
    rotate(secrets, SECOND, RotationRules={"AutomaticallyAfterDays": 30})
    rotated(secrets, SECOND)
    secrets.rotate_secret(SecretId="s", ClientRequestToken=THIRD)
    rotated(secrets, THIRD)
    described = secrets.describe_secret(SecretId="s")
    assert described["RotationEnabled"] is True
    assert described["RotationLambdaARN"] == FUNCTION
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 30}
    assert 29 <= (described["NextRotationDate"] - datetime.now(UTC)).days <= 30


def test_rotation_needs_a_function(secrets: Any) -> None:
    with pytest.raises(secrets.exceptions.InvalidRequestException, match="Lambda function ARN"):
        secrets.rotate_secret(SecretId="s")
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.rotate_secret(SecretId="s", RotationLambdaARN=FUNCTION + "-ghost")
    assert stages(secrets) == {FIRST: ["AWSCURRENT"]}


def test_configuring_without_rotating_changes_no_version(secrets: Any) -> None:
    rotate(secrets, SECOND, RotateImmediately=False, RotationRules={"AutomaticallyAfterDays": 7})
    assert stages(secrets) == {FIRST: ["AWSCURRENT"]}
    assert secrets.describe_secret(SecretId="s")["RotationEnabled"] is True


def test_rotated_values_begin_as_the_first_did(secrets: Any) -> None:
    secrets.put_secret_value(SecretId="s", SecretString=json.dumps({"user": "bob", "key": "canary"}))
    for token in (SECOND, THIRD):
        rotate(secrets, token)
        rotated(secrets, token)
    members = json.loads(secrets.get_secret_value(SecretId="s")["SecretString"])
    assert members["key"].startswith("canary~rotated~")
    assert members["key"].count("~rotated~") == 1


def test_secrets_can_be_aged(clean_aws: AwsLab, secrets: Any) -> None:
    rotate(secrets, SECOND)
    rotated(secrets, SECOND)
    clean_aws.control("backdate", kind="secret", name="s", days=8)
    described = secrets.describe_secret(SecretId="s")
    for name in ("CreatedDate", "LastChangedDate", "LastRotatedDate"):
        assert (datetime.now(UTC) - described[name]).days == 8
    created = [version["CreatedDate"] for version in secrets.list_secret_version_ids(SecretId="s")["Versions"]]
    assert [(datetime.now(UTC) - moment).days for moment in created] == [8, 8]


def test_control_refuses_what_makes_no_sense(clean_aws: AwsLab, secrets: Any) -> None:
    assert "there is no secret" in clean_aws.control("secrets/rotation", secret="ghost")["error"]
    assert "outcome must be" in clean_aws.control("secrets/rotation", secret="s", outcome="maybe")["error"]
    assert "seconds" in clean_aws.control("secrets/rotation", secret="s", seconds=-1)["error"]
