"""Reading an instance's snapshots: against botocore's own model, since the lab's are all finished and none is a copy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.backups import Source, evaluate_backups
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.rds_snapshots import collect_instance_snapshots
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


class Answers:
    """An RDS that answers what it was told, and refuses any other request."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("rds", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        self.stub = Stubber(self.client)

    def instances(self, *names: str, cluster: str = "", marker: str = "", following: str = "") -> None:
        """A page of the instances there are."""
        more = {"DBClusterIdentifier": cluster} if cluster else {}
        reply: dict[str, Any] = {"DBInstances": [{"DBInstanceIdentifier": name, **more} for name in names]}
        self.stub.add_response("describe_db_instances", {**reply, **({"Marker": following} if following else {})},
                               {"Marker": marker} if marker else {})

    def snapshots(
        self, *snapshots: dict[str, Any], of: str = "orders", marker: str = "", following: str = ""
    ) -> None:
        """A page of an instance's snapshots."""
        reply: dict[str, Any] = {"DBSnapshots": list(snapshots)}
        self.stub.add_response("describe_db_snapshots", {**reply, **({"Marker": following} if following else {})},
                               {"DBInstanceIdentifier": of, **({"Marker": marker} if marker else {})})

    def read(self, *names: str) -> Collected[tuple[Source, ...]]:
        """Collect, making every call that was prepared, one after the other."""
        with self.stub:
            run = Run(now=lambda: NOW, workers=1)
            collected = collect_instance_snapshots(lambda service: self.client, run, names or ["orders"])
            self.stub.assert_no_pending_responses()
        return collected


@pytest.fixture
def rds() -> Answers:
    return Answers()


def snapshot(hours: float, status: str = "available", original: float | None = None, **rest: Any) -> dict[str, Any]:
    more = {} if original is None else {"OriginalSnapshotCreateTime": NOW - timedelta(hours=original)}
    return {"DBSnapshotIdentifier": f"h-{hours:g}", "DBSnapshotArn": f"arn:{hours:g}", "Status": status,
            "SnapshotCreateTime": NOW - timedelta(hours=hours), "AllocatedStorage": 100, **more, **rest}


def names(collected: Collected[tuple[Source, ...]]) -> list[str]:
    return [backup.name for backup in collected.state[0].backups]


def test_reads_all_pages_of_both_lists_newest_first(rds: Answers) -> None:
    rds.instances("other", following="more")
    rds.instances("orders", marker="more")
    rds.snapshots(snapshot(53), snapshot(5, SnapshotType="automated"), following="older")
    rds.snapshots(snapshot(29), marker="older")

    assert names(rds.read()) == ["h-5", "h-29", "h-53"]


def test_the_storage_allocated_is_not_taken_for_the_size_of_the_data(rds: Answers) -> None:
    rds.instances("orders")
    rds.snapshots(snapshot(5), snapshot(29, AllocatedStorage=5000))
    collected = rds.read()

    assert [backup.size for backup in collected.state[0].backups] == [None, None]
    assert [(item.check, item.ok) for item in evaluate_backups(collected, DAY)] == [("newest backup", True)]


def test_only_snapshots_that_can_be_restored_count(rds: Answers) -> None:
    rds.instances("orders")
    rds.snapshots(snapshot(1, "creating"), snapshot(2, "failed"), snapshot(3, "incompatible-restore"), snapshot(30))

    assert names(rds.read()) == ["h-30"]


def test_a_copy_is_as_old_as_its_original(rds: Answers) -> None:
    rds.instances("orders")
    rds.snapshots(snapshot(1, original=200), snapshot(30, original=30))

    assert names(rds.read()) == ["h-30", "h-1"]


def test_an_instance_of_a_cluster_has_the_snapshots_of_its_cluster(rds: Answers) -> None:
    rds.instances("orders", cluster="shop")
    rds.stub.add_response("describe_db_cluster_snapshots", {"DBClusterSnapshots": [
        {"DBClusterSnapshotIdentifier": "c-1", "DBClusterSnapshotArn": "arn:c-1", "Status": "available",
         # What Aurora tells: its storage is not allocated.
         "SnapshotCreateTime": NOW - timedelta(hours=4), "AllocatedStorage": 0}]}, {"DBClusterIdentifier": "shop"})
    collected = rds.read()

    assert names(collected) == ["c-1"]
    assert [item.ok for item in evaluate_backups(collected, DAY)] == [True]


def test_an_instance_that_does_not_exist_is_state_not_a_gap(rds: Answers) -> None:
    rds.instances("other")
    collected = rds.read()

    assert collected.state == (Source("rds_instance", "orders", exists=False),)
    assert collected.coverage.complete


def test_a_pattern_chooses_among_the_instances_there_are(rds: Answers) -> None:
    rds.instances("users", "orders", "orders-archive")
    rds.snapshots(snapshot(5))
    rds.snapshots(snapshot(6), of="orders-archive")
    collected = rds.read("ORDERS*", "gone")

    assert [(source.name, source.exists, len(source.backups)) for source in collected.state] == [
        ("orders", True, 1), ("orders-archive", True, 1), ("gone", False, 0)]
    assert collected.coverage.complete


def test_instances_that_cannot_be_listed_are_a_gap(rds: Answers) -> None:
    rds.stub.add_client_error("describe_db_instances", "AccessDenied", "not authorized")
    collected = rds.read("orders", "users-*")

    assert collected.state == ()
    assert [gap.resource for gap in collected.coverage.missing] == ["rds-instances matching orders, users-*"]
