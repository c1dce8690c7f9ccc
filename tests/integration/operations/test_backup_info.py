"""backup_info against the lab's AWS: fresh, old, missing, denied, on the second page, of tables, instances and objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing
from tests.support.elsewhere import Elsewhere


def back_up(aws: Aws, table: str, name: str, days: float = 0) -> str:
    arn = aws.client("dynamodb").create_backup(TableName=table, BackupName=name)["BackupDetails"]["BackupArn"]
    if days:
        aws.control("backdate", {"kind": "backup", "name": arn, "days": days})
    return str(arn)


@pytest.fixture
def table(aws: Aws, unique: str) -> str:
    """A table without any backup."""
    aws.client("dynamodb").create_table(
        TableName=unique, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    return unique


def faults(result: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(item["check"], item["actual"]) for item in result["evidence"] if item["ok"] is False]


def test_a_fresh_backup_is_healthy_also_in_check_mode(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "old", days=1.5)
    arn = back_up(aws, table, "fresh", days=0.25)
    with aws.calls() as calls:
        checked = operate("backup_info", check_mode=True, dynamodb_tables=[table])
    result = operate("backup_info", dynamodb_tables=[table])

    assert changing(calls) == []
    assert result["verdict"] == checked["verdict"] == "healthy"
    assert result["changed"] is False
    [described] = result["backups"]
    assert (described["source_type"], described["source"], described["count"]) == ("dynamodb_table", table, 2)
    assert (described["newest"]["name"], described["newest"]["arn"]) == ("fresh", arn)
    assert described["newest"]["age_hours"] == pytest.approx(6, abs=0.1)
    assert described["newest"]["size_bytes"] > 0


def test_an_old_backup_is_unhealthy_unless_it_may_be_so_old(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "old", days=2)

    result = operate("backup_info", dynamodb_tables=[table])
    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("newest backup", "old, 2 d old")]
    assert operate("backup_info", dynamodb_tables=[table], max_age="3d")["verdict"] == "healthy"


def test_an_ancient_backup_is_found_and_told_apart_from_none(aws: Aws, operate: Operate, table: str) -> None:
    assert faults(operate("backup_info", dynamodb_tables=[table])) == [("newest backup", "there is no backup")]

    back_up(aws, table, "ancient", days=90)
    result = operate("backup_info", dynamodb_tables=[table])
    assert faults(result) == [("newest backup", "ancient, 90 d old")]


def test_asks_for_all_types_since_a_time(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "fresh")
    with aws.calls() as calls:
        operate("backup_info", dynamodb_tables=[table])

    [listed] = [call["parameters"] for call in calls if call["action"] == "ListBackups"]
    assert listed["BackupType"] == "ALL"
    assert listed["TimeRangeLowerBound"]


def test_reads_all_pages(aws: Aws, operate: Operate, table: str) -> None:
    for number in range(104):
        back_up(aws, table, f"backup-{number}", days=2)
    aws.control("backdate", {"kind": "backup", "name": back_up(aws, table, "fresh"), "days": 0.01})

    [described] = operate("backup_info", dynamodb_tables=[table])["backups"]
    assert (described["count"], described["newest"]["name"]) == (105, "fresh")


def test_a_missing_table_is_unhealthy(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "fresh")
    result = operate("backup_info", dynamodb_tables=[table, "no-such-table"])

    assert result["verdict"] == "unhealthy"
    assert [item["resource"] for item in result["evidence"] if item["ok"] is False] == ["dynamodb-table:no-such-table"]
    assert faults(result) == [("source", "does not exist")]


@pytest.mark.parametrize("action", ["ListBackups", "DescribeTable"])
def test_denied_is_unknown_and_named_never_no_backup(aws: Aws, operate: Operate, table: str, action: str) -> None:
    back_up(aws, table, "fresh")
    aws.control("faults", {"faults": [{"service": "dynamodb", "action": action, "kind": "deny"}]})
    result = operate("backup_info", dynamodb_tables=[table])

    assert result["verdict"] == "unknown"
    assert result["evidence"] == []
    [gap] = result["coverage"]["missing"]
    assert gap["resource"] == f"dynamodb-table:{table}"
    assert "AccessDenied" in gap["reason"]
    assert aws.connection["secret_key"] not in str(result)


def test_sees_the_same_under_throttling(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "fresh")
    aws.control("faults", {"seed": 7, "faults": [
        {"service": "dynamodb", "action": "*", "kind": "throttle", "probability": 0.3}]})

    assert operate("backup_info", dynamodb_tables=[table])["verdict"] == "healthy"


def store(aws: Aws, bucket: str, key: str, size: int = 1000, days: float = 0) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    if days:
        aws.control("backdate", {"kind": "s3-object", "name": f"{bucket}/{key}", "days": days})


@pytest.fixture
def bucket(aws: Aws, unique: str) -> str:
    """An empty bucket."""
    aws.client("s3").create_bucket(Bucket=unique)
    return unique


def dumps(bucket: str, **rest: Any) -> list[dict[str, Any]]:
    return [{"name": "media database", "bucket": bucket, "prefix": "postgres/", **rest}]


def test_the_newest_object_is_found_by_its_time_not_by_its_key(aws: Aws, operate: Operate, bucket: str) -> None:
    store(aws, bucket, "postgres/z.dump", days=2)
    store(aws, bucket, "postgres/a.dump", days=0.25)
    store(aws, bucket, "postgres/", size=0)
    store(aws, bucket, "other/newer.dump", size=0)
    with aws.calls() as calls:
        checked = operate("backup_info", check_mode=True, s3_backups=dumps(bucket))
    result = operate("backup_info", s3_backups=dumps(bucket))

    assert (changing(calls), calls.names()) == ([], ["s3:ListObjectsV2"])
    assert result["verdict"] == checked["verdict"] == "healthy"
    [described] = result["backups"]
    assert (described["source_type"], described["source"], described["count"]) == ("s3_backup", "media database", 2)
    assert (described["newest"]["name"], described["newest"]["size_bytes"]) == ("postgres/a.dump", 1000)
    assert described["newest"]["arn"] == f"arn:aws:s3:::{bucket}/postgres/a.dump"
    assert result["evidence"][0]["resource"] == "s3-backup:media database"


def test_objects_may_have_an_age_of_their_own(aws: Aws, operate: Operate, bucket: str) -> None:
    store(aws, bucket, "postgres/a.dump", days=0.5)
    result = operate("backup_info", s3_backups=dumps(bucket, max_age="7h"))
    assert faults(result) == [("newest backup", "postgres/a.dump, 12 h old")]
    assert operate("backup_info", s3_backups=dumps(bucket), max_age="13h")["verdict"] == "healthy"


@pytest.mark.parametrize(("size", "ok"), [(0, False), (99, False), (100, True)])
def test_an_object_much_smaller_than_the_one_before_is_unhealthy(
    aws: Aws, operate: Operate, bucket: str, size: int, ok: bool
) -> None:
    store(aws, bucket, "postgres/a.dump", days=0.5)
    store(aws, bucket, "postgres/b.dump", size=size)
    result = operate("backup_info", s3_backups=dumps(bucket))
    assert faults(result) == ([] if ok else [("size of the newest backup", f"{size} bytes")])


def test_no_object_and_no_bucket_are_different_faults(operate: Operate, bucket: str) -> None:
    assert faults(operate("backup_info", s3_backups=dumps(bucket))) == [("newest backup", "there is no backup")]
    assert faults(operate("backup_info", s3_backups=dumps(f"no-{bucket}"))) == [("source", "does not exist")]


def test_reads_all_pages_of_objects(aws: Aws, operate: Operate, bucket: str) -> None:
    s3 = aws.client("s3")
    for number in range(1003):
        s3.put_object(Bucket=bucket, Key=f"postgres/{number:04}.dump", Body=b"x")
    store(aws, bucket, "postgres/9999.dump", size=2000)
    for number in range(0, 1003, 500):
        aws.control("backdate", {"kind": "s3-object", "name": f"{bucket}/postgres/{number:04}.dump", "days": 30})
    [described] = operate("backup_info", s3_backups=dumps(bucket))["backups"]

    assert (described["count"], described["newest"]["name"]) == (1004, "postgres/9999.dump")


def test_only_objects_that_fit_the_pattern_are_backups(aws: Aws, operate: Operate, bucket: str) -> None:
    store(aws, bucket, "postgres/a.dump", days=1)
    store(aws, bucket, "postgres/b.dump", days=0.1)
    store(aws, bucket, "postgres/b.dump.sha256", size=64)
    assert operate("backup_info", s3_backups=dumps(bucket))["verdict"] == "unhealthy"

    result = operate("backup_info", s3_backups=dumps(bucket, pattern="*.dump"))
    assert result["verdict"] == "healthy"
    assert (result["backups"][0]["newest"]["name"], result["backups"][0]["count"]) == ("postgres/b.dump", 2)


def test_lists_only_the_days_that_matter(aws: Aws, operate: Operate, bucket: str) -> None:
    now = datetime.now(UTC)
    for days in range(10, 0, -1):
        store(aws, bucket, f"postgres/db-{now - timedelta(days=days):%Y%m%d}", days=days)
    wanted = dumps(bucket, start_after="postgres/db-%Y%m%d", max_age="25h")
    [described] = operate("backup_info", s3_backups=wanted)["backups"]
    assert described["count"] <= 4
    assert described["newest"]["name"] == f"postgres/db-{now - timedelta(days=1):%Y%m%d}"

    result = operate("backup_info", s3_backups=dumps(bucket, start_after="postgres/zz-%Y%m%d"))
    assert [(check, actual[:34]) for check, actual in faults(result)] == [
        ("newest backup", "there is no backup after postgres/")]


def test_a_denied_bucket_is_unknown_and_named(aws: Aws, operate: Operate, bucket: str) -> None:
    store(aws, bucket, "postgres/a.dump")
    aws.control("faults", {"faults": [{"service": "s3", "action": "ListObjectsV2", "kind": "deny"}]})
    result = operate("backup_info", s3_backups=dumps(bucket))

    assert (result["verdict"], result["evidence"]) == ("unknown", [])
    [gap] = result["coverage"]["missing"]
    assert (gap["resource"], "AccessDenied" in gap["reason"]) == ("s3-backup:media database", True)


@pytest.fixture
def instance(aws: Aws, unique: str) -> str:
    """A database with a snapshot made by hand beside the one that RDS makes."""
    rds = aws.client("rds")
    rds.create_db_instance(DBInstanceIdentifier=unique, Engine="postgres", DBInstanceClass="db.t3.micro",
                           AllocatedStorage=20, MasterUsername="opsbook", MasterUserPassword="canary-of-the-database")
    rds.create_db_snapshot(DBInstanceIdentifier=unique, DBSnapshotIdentifier=f"before-{unique}")
    return unique


def test_snapshots_of_both_kinds_count(aws: Aws, operate: Operate, instance: str) -> None:
    with aws.calls() as calls:
        result = operate("backup_info", check_mode=True, rds_instances=[instance.upper()])

    assert (changing(calls), calls.names()) == ([], ["rds:DescribeDBInstances", "rds:DescribeDBSnapshots"])
    assert result["verdict"] == "healthy"
    [described] = result["backups"]
    assert (described["source_type"], described["source"], described["count"]) == ("rds_instance", instance, 2)
    assert (described["newest"]["name"], described["newest"]["size_bytes"]) == (f"before-{instance}", None)
    assert [item["check"] for item in result["evidence"]] == ["newest backup"]
    assert "canary" not in str(result)


def test_an_instance_of_aurora_is_judged_by_the_snapshots_of_its_cluster(aws: Aws, operate: Operate, unique: str) -> None:
    rds = aws.client("rds")
    rds.create_db_cluster(DBClusterIdentifier=unique, Engine="aurora-postgresql", MasterUsername="opsbook",
                          MasterUserPassword="canary-of-the-database")
    rds.create_db_instance(DBInstanceIdentifier=f"{unique}-1", DBClusterIdentifier=unique, Engine="aurora-postgresql",
                           DBInstanceClass="db.r6g.large")
    for snapshot in rds.describe_db_cluster_snapshots(DBClusterIdentifier=unique)["DBClusterSnapshots"]:
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot["DBClusterSnapshotIdentifier"])
    assert faults(operate("backup_info", rds_instances=[f"{unique}-1"])) == [("newest backup", "there is no backup")]

    rds.create_db_cluster_snapshot(DBClusterIdentifier=unique, DBClusterSnapshotIdentifier=f"before-{unique}")
    result = operate("backup_info", rds_instances=[f"{unique}-1"])
    assert (result["verdict"], faults(result)) == ("healthy", [])
    assert result["backups"][0]["newest"]["name"] == f"before-{unique}"


def test_patterns_choose_tables_and_instances(aws: Aws, operate: Operate, table: str, instance: str) -> None:
    back_up(aws, table, "fresh")
    wanted = {"dynamodb_tables": [f"{table[:-1]}?"], "rds_instances": [f"{instance[:-1]}?"]}
    result = operate("backup_info", **wanted)

    assert result["verdict"] == "healthy"
    assert [(source["source"], source["count"]) for source in result["backups"]] == [(table, 1), (instance, 2)]


@pytest.mark.parametrize(("kind", "resource"), [
    ("dynamodb_tables", "dynamodb-tables"), ("rds_instances", "rds-instances"),
])
def test_a_pattern_without_any_is_unknown_whatever_the_others_are(
    aws: Aws, operate: Operate, bucket: str, kind: str, resource: str
) -> None:
    store(aws, bucket, "postgres/a.dump")
    result = operate("backup_info", s3_backups=dumps(bucket), **{kind: [f"no-{bucket}-*"]})

    assert (result["verdict"], faults(result)) == ("unknown", [])
    assert [gap["resource"] for gap in result["coverage"]["missing"]] == [f"{resource} matching no-{bucket}-*"]


def test_denied_to_list_tables_is_unknown_and_named(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "fresh")
    aws.control("faults", {"faults": [{"service": "dynamodb", "action": "ListTables", "kind": "deny"}]})

    assert operate("backup_info", dynamodb_tables=[table])["verdict"] == "healthy"
    result = operate("backup_info", dynamodb_tables=[f"{table}*"])
    assert (result["verdict"], result["evidence"]) == ("unknown", [])
    [gap] = result["coverage"]["missing"]
    assert (gap["resource"], "AccessDenied" in gap["reason"]) == (f"dynamodb-tables matching {table}*", True)


def test_an_old_snapshot_is_unhealthy_on_whatever_page_it_is(aws: Aws, operate: Operate, instance: str) -> None:
    aws.client("rds").delete_db_snapshot(DBSnapshotIdentifier=f"before-{instance}")
    aws.control("bulk/snapshots", {"instance": instance, "count": 104, "newest_hours": 50})
    with aws.calls() as calls:
        result = operate("backup_info", rds_instances=[instance])

    assert calls.names().count("rds:DescribeDBSnapshots") >= 2
    assert (result["verdict"], result["backups"][0]["count"]) == ("unhealthy", 104)
    [(check, said)] = faults(result)
    assert (check, said.endswith(", 2 d old")) == ("newest backup", True)
    assert operate("backup_info", rds_instances=[instance], max_age="3d")["verdict"] == "healthy"


def test_an_instance_that_does_not_exist_or_has_no_snapshot_is_unhealthy(
    aws: Aws, operate: Operate, instance: str
) -> None:
    rds = aws.client("rds")
    for snapshot in rds.describe_db_snapshots(DBInstanceIdentifier=instance)["DBSnapshots"]:
        rds.delete_db_snapshot(DBSnapshotIdentifier=snapshot["DBSnapshotIdentifier"])
    result = operate("backup_info", rds_instances=[instance, f"no-{instance}"])

    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("newest backup", "there is no backup"), ("source", "does not exist")]


@pytest.mark.parametrize(("action", "resource"), [
    ("DescribeDBInstances", "rds-instances matching {}"), ("DescribeDBSnapshots", "rds-instance:{}"),
])
def test_a_denied_instance_is_unknown_and_named(
    aws: Aws, operate: Operate, instance: str, action: str, resource: str
) -> None:
    aws.control("faults", {"faults": [{"service": "rds", "action": action, "kind": "deny"}]})
    result = operate("backup_info", rds_instances=[instance])

    assert (result["verdict"], result["evidence"]) == ("unknown", [])
    [gap] = result["coverage"]["missing"]
    assert (gap["resource"], "AccessDenied" in gap["reason"]) == (resource.format(instance), True)


def test_reads_everything_of_a_system_at_once_under_throttling(
    aws: Aws, operate: Operate, table: str, instance: str, bucket: str
) -> None:
    back_up(aws, table, "fresh")
    store(aws, bucket, "postgres/a.dump")
    aws.control("faults", {"seed": 5, "faults": [{"service": "*", "action": "*", "kind": "throttle", "probability": 0.3}]})
    result = operate("backup_info", dynamodb_tables=[table], rds_instances=[instance], s3_backups=dumps(bucket))

    assert result["verdict"] == "healthy"
    assert [source["source_type"] for source in result["backups"]] == ["dynamodb_table", "rds_instance", "s3_backup"]


def test_one_denied_kind_of_source_does_not_hide_the_others(
    aws: Aws, operate: Operate, table: str, instance: str, bucket: str
) -> None:
    aws.control("faults", {"faults": [{"service": "rds", "action": "*", "kind": "deny"}]})
    result = operate("backup_info", dynamodb_tables=[table], rds_instances=[instance], s3_backups=dumps(bucket))

    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("newest backup", "there is no backup")] * 2
    assert [gap["resource"] for gap in result["coverage"]["missing"]] == [f"rds-instances matching {instance}"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({}, "one of the following is required: dynamodb_tables, rds_instances, s3_backups", id="no_source"),
        pytest.param({"s3_backups": [{"name": "a", "bucket": "b"}, {"name": "a", "bucket": "c"}]}, "more than once",
                     id="a_name_used_twice"),
        pytest.param({"s3_backups": [{"name": "a", "bucket": "b", "max_age": "soon"}]}, "soon", id="no_length_of_time"),
        pytest.param({"s3_backups": [{"name": "a", "bucket": "b", "prefix": "db/", "start_after": "%Y"}]}, "prefix",
                     id="a_start_outside_the_prefix"),
    ],
)
def test_refuses_what_it_cannot_mean(operate: Operate, arguments: dict[str, Any], said: str) -> None:
    result = operate("backup_info", **arguments)

    assert result["failed"] is True
    assert said in result["msg"]


def test_reads_the_account_and_region_of_its_role(aws: Aws, operate: Operate, unique: str) -> None:
    place = Elsewhere(aws.endpoint)
    place.client("s3").create_bucket(Bucket=unique, CreateBucketConfiguration={"LocationConstraint": place.region})
    place.client("s3").put_object(Bucket=unique, Key="postgres/a.dump", Body=b"x")
    place.client("rds").create_db_instance(
        DBInstanceIdentifier=unique, Engine="postgres", DBInstanceClass="db.t3.micro", AllocatedStorage=20)
    place.client("rds").create_db_snapshot(DBInstanceIdentifier=unique, DBSnapshotIdentifier=f"before-{unique}")
    wanted = {"rds_instances": [unique], "s3_backups": dumps(unique)}

    assert operate("backup_info", **wanted, **place.options)["verdict"] == "healthy"
    assert operate("backup_info", rds_instances=[unique])["verdict"] == "unhealthy"
