"""A lab of two systems: where each lives, faults that stay in one, and sizes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import Connect, connector
from tests.support.short_lived_labs import lab, running_lab

TWO = ("--set", 'systems=["commerce", "metering"]', "--seed", "7")
GROUP = "delivery-standard-prod"


@pytest.fixture(scope="module")
def status(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The status of the lab."""
    with running_lab(tmp_path_factory.mktemp("two") / "lab", *TWO) as found:
        yield found


@pytest.fixture
def healed(status: dict[str, Any]) -> Iterator[Path]:
    """The folder of the lab, in which no fault stays."""
    folder = Path(status["folder"])
    yield folder
    lab("fault clear", folder)
    lab("fault target", folder, GROUP, "--state", "healthy", "--system", "metering")


def connect(status: dict[str, Any], system: str) -> Connect:
    """The operator's connections to a system, as an inventory describes them."""
    place, keys = status["accounts"][system], status["credentials"]
    options = {
        "endpoint_url": status["endpoints"]["aws"], "region": place["region"], "assume_role_arn": place["role_arn"],
        "access_key": keys["access_key"], "secret_key": keys["secret_key"],
    }  # fmt: skip
    return connector(options, attempts=1)


def test_the_status_says_where_each_system_lives(status: dict[str, Any]) -> None:
    assert status["accounts"] == {
        "commerce": {"account_id": "123456789012", "region": "us-east-1", "role_arn": None},
        "metering": {
            "account_id": "345678901234", "region": "eu-west-1",
            "role_arn": "arn:aws:iam::345678901234:role/opsbook-operations",
        },
    }  # fmt: skip
    assert (status["size"], status["seed"]) == (1, 7)
    assert status["postgres"] == status["redis"] == {}, "neither has a database"


def test_each_system_has_its_own_cluster_and_lock_table(status: dict[str, Any]) -> None:
    clusters = {
        system: connect(status, system)("ecs").list_clusters()["clusterArns"] for system in ("commerce", "metering")
    }
    assert {arns[0].split(":")[4] for arns in clusters.values()} == {"123456789012", "345678901234"}
    for system in clusters:
        assert status["lock_table"] in connect(status, system)("dynamodb").list_tables()["TableNames"]


def test_a_fault_stays_in_its_system(status: dict[str, Any], healed: Path) -> None:
    added = lab("fault add", healed, "deny", "--service", "ecs", "--system", "metering")
    assert "only in account 345678901234" in added.stdout
    assert connect(status, "commerce")("ecs").list_clusters()["clusterArns"]
    with pytest.raises(ClientError, match="AccessDenied"):
        connect(status, "metering")("ecs").list_clusters()


def test_a_target_is_made_unhealthy_where_its_system_is(status: dict[str, Any], healed: Path) -> None:
    said = lab("fault target", healed, GROUP, "--system", "metering", "--reason", "Target.Timeout")
    assert said.returncode == 0, said.stderr
    elb = connect(status, "metering")("elbv2")
    (group,) = elb.describe_target_groups(Names=[GROUP])["TargetGroups"]
    found = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    assert {entry["TargetHealth"]["Reason"] for entry in found} == {"Target.Timeout"}


def test_a_system_that_the_lab_has_not_is_named(healed: Path) -> None:
    refused = lab("fault add", healed, "deny", "--system", "media")
    assert refused.returncode == 1
    assert "no system 'media'; it has commerce, metering" in refused.stderr
    elsewhere = lab("fault target", healed, GROUP)
    assert "there is no target group" in elsewhere.stderr


def test_a_lab_of_an_unknown_system_does_not_start(tmp_path: Path) -> None:
    refused = lab("up", tmp_path / "lab", "--set", 'systems=["warehouse"]')
    assert refused.returncode == 1
    assert "no system warehouse" in refused.stderr
    assert json.loads((tmp_path / "lab" / "settings.json").read_text())["size"] == 1
    lab("down", tmp_path / "lab")
