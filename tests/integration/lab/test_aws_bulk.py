"""What is made in bulk is what the calls would have made."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.estate.connection import Aws, Connector

from .conftest import AwsLab

TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
})  # fmt: skip
SAMPLE = {
    "name": "parser", "versions": 4, "timeout": 60, "memory": 512, "provisioned": 3,
    "aliases": [{"name": "live", "version": 4, "weights": {"3": 0.1}}, {"name": "previous", "version": 2}],
}  # fmt: skip
# What differs from one creation to the next.
PASSING = ("RevisionId", "LastModified", "ResponseMetadata")


@pytest.fixture
def connect(clean_aws: AwsLab) -> Callable[[str], Aws]:
    """Accounts that are empty but for the functions' role."""
    connector = Connector("us-east-1", ())

    def connected(account: str) -> Aws:
        aws = connector.connect(clean_aws.endpoint, account, "us-east-1")
        aws.clients["iam"].create_role(RoleName="lab-function", AssumeRolePolicyDocument=TRUST)
        return aws

    return connected


@pytest.fixture
def account(connect: Callable[[str], Aws]) -> Aws:
    """One account."""
    return connect("234567890123")


def shown(value: Any, account: str) -> Any:
    """A reply without what differs between accounts and creations."""
    if isinstance(value, dict):
        return {name: shown(part, account) for name, part in value.items() if name not in PASSING}
    if isinstance(value, list):
        return [shown(part, account) for part in value]
    return value.replace(account, "ACCOUNT") if isinstance(value, str) else value


def code(name: str, version: int) -> bytes:
    source = f"# {name}, build {version}\ndef handler(event, context):\n    return {version}\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("main.py"), source)
    return archive.getvalue()


def make_by_calls(aws: Aws) -> None:
    functions = aws.clients["lambda"]
    functions.create_function(
        FunctionName="parser", Runtime="python3.12", Handler="main.handler", Timeout=60, MemorySize=512, Publish=True,
        Role=f"arn:aws:iam::{aws.account}:role/lab-function", Code={"ZipFile": code("parser", 1)},
    )  # fmt: skip
    for version in range(2, 5):
        functions.update_function_code(FunctionName="parser", ZipFile=code("parser", version), Publish=True)
    weights = {"AdditionalVersionWeights": {"3": 0.1}}
    functions.create_alias(FunctionName="parser", Name="live", FunctionVersion="4", RoutingConfig=weights)
    functions.create_alias(FunctionName="parser", Name="previous", FunctionVersion="2")
    functions.put_provisioned_concurrency_config(
        FunctionName="parser", Qualifier="3", ProvisionedConcurrentExecutions=1
    )


def described(aws: Aws) -> dict[str, Any]:
    functions = aws.clients["lambda"]
    return {
        "function": functions.get_function_configuration(FunctionName="parser"),
        "functions": functions.list_functions()["Functions"],
        "versions": functions.list_versions_by_function(FunctionName="parser")["Versions"],
        "aliases": functions.list_aliases(FunctionName="parser")["Aliases"],
        "provisioned": functions.list_provisioned_concurrency_configs(FunctionName="parser"),
        "by version": functions.get_function_configuration(FunctionName="parser", Qualifier="3"),
        "by alias": functions.get_function_configuration(FunctionName="parser", Qualifier="previous"),
    }


def test_functions_are_as_calls_make_them(connect: Callable[[str], Aws]) -> None:
    one, other = connect("234567890123"), connect("345678901234")
    make_by_calls(one)
    other.control("bulk/lambda", functions=[SAMPLE])
    assert shown(described(one), one.account) == shown(described(other), other.account)
    versions = described(other)["versions"]
    assert len({version["CodeSha256"] for version in versions}) == 4, "$LATEST and version 4 have the same code"
    assert len({version["RevisionId"] for version in versions}) == 5


def test_functions_go_on_as_calls_make_them_go_on(account: Aws) -> None:
    account.control("bulk/lambda", functions=[SAMPLE])
    functions = account.clients["lambda"]
    assert functions.publish_version(FunctionName="parser")["Version"] == "4", "the code is the same"
    with pytest.raises(ClientError, match="aliases reference it"):
        functions.delete_function(FunctionName="parser", Qualifier="3")
    functions.delete_function(FunctionName="parser", Qualifier="1")
    functions.update_function_code(FunctionName="parser", ZipFile=code("parser", 9))
    assert functions.publish_version(FunctionName="parser")["Version"] == "5"
    kept = functions.list_versions_by_function(FunctionName="parser")["Versions"]
    assert [version["Version"] for version in kept] == ["$LATEST", "2", "3", "4", "5"]


def test_backups_are_daily_and_old(account: Aws) -> None:
    dynamodb = account.clients["dynamodb"]
    dynamodb.create_table(
        TableName="orders", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    assert account.control("bulk/backups", tables=[{"name": "orders", "count": 35, "newest_hours": 5}]) == {"made": 35}
    found = dynamodb.list_backups(TableName="orders")["BackupSummaries"]
    ages = sorted(datetime.now(UTC) - backup["BackupCreationDateTime"] for backup in found)
    assert len({backup["BackupArn"] for backup in found}) == 35
    for day, age in enumerate(ages):
        assert timedelta(days=day, hours=4.9) < age < timedelta(days=day, hours=5.1)
    newest = max(found, key=lambda backup: backup["BackupCreationDateTime"])
    assert newest["BackupName"] == f"daily-backup-{newest['BackupCreationDateTime']:%Y%m%d}"
    assert dynamodb.describe_backup(BackupArn=newest["BackupArn"])["BackupDescription"]["BackupDetails"]


def groups_by_name(account: Aws) -> dict[str, dict[str, Any]]:
    return {group["logGroupName"]: group for group in account.clients["logs"].describe_log_groups()["logGroups"]}


def age(milliseconds: int) -> timedelta:
    return datetime.now(UTC) - datetime.fromtimestamp(milliseconds / 1000, UTC)


def test_log_groups_have_their_ages_retention_and_events(account: Aws) -> None:
    account.control("bulk/log-groups", groups=[
        {"name": "/live", "retention": 30, "events": 200},
        {"name": "/old", "created_days": 400, "last_event_days": 200},
        {"name": "/unused", "created_days": 300},
        {"name": "/brief", "retention": 7, "events": 300},
    ])  # fmt: skip
    logs, groups = account.clients["logs"], groups_by_name(account)
    assert [groups[name].get("retentionInDays") for name in ("/live", "/old", "/unused")] == [30, None, None]
    assert [age(groups[name]["creationTime"]).days for name in ("/old", "/unused")] == [400, 300]
    (stream,) = logs.describe_log_streams(logGroupName="/old")["logStreams"]
    assert age(stream["lastEventTimestamp"]).days == 200
    assert age(stream["lastIngestionTime"]) > timedelta(days=199, hours=23)
    assert logs.describe_log_streams(logGroupName="/unused")["logStreams"] == []
    assert groups["/unused"]["storedBytes"] == 0


def test_log_events_are_those_that_the_descriptions_promise(account: Aws) -> None:
    account.control("bulk/log-groups", groups=[{"name": "/ecs/api", "events": 200}, {"name": "/ecs/other", "events": 200}])
    logs = account.clients["logs"]
    (stream,) = logs.describe_log_streams(logGroupName="/ecs/api")["logStreams"]
    promised = groups_by_name(account)["/ecs/api"]["storedBytes"]
    events = logs.filter_log_events(logGroupName="/ecs/api")["events"]
    times = [event["timestamp"] for event in events]
    assert len(events) == 200
    assert times == sorted(times)
    assert (times[0], times[-1]) == (stream["firstEventTimestamp"], stream["lastEventTimestamp"])
    assert timedelta(days=11) < age(times[0]) < timedelta(days=14)
    assert timedelta(minutes=1) < age(times[-1]) < timedelta(minutes=5)
    assert promised == sum(len(event["message"]) + 26 for event in events)
    assert set(json.loads(events[0]["message"])) == {
        "level", "source", "message", "path", "status", "duration_ms", "trace_id",
    }  # fmt: skip
    assert groups_by_name(account)["/ecs/api"]["storedBytes"] == promised
    other = logs.get_log_events(logGroupName="/ecs/other", logStreamName="main", startFromHead=True)["events"]
    assert [event["message"] for event in other] != [event["message"] for event in events]


def test_seeded_log_groups_take_new_events_and_grow_old(account: Aws) -> None:
    account.control("bulk/log-groups", groups=[{"name": "/api", "events": 50, "retention": 7}])
    logs = account.clients["logs"]
    kept = logs.filter_log_events(logGroupName="/api")["events"]
    assert 10 < len(kept) < 50, "events past the retention are gone"
    assert groups_by_name(account)["/api"]["storedBytes"] == sum(len(event["message"]) + 26 for event in kept)
    logs.put_log_events(
        logGroupName="/api", logStreamName="main",
        logEvents=[{"timestamp": int(time.time() * 1000), "message": "a new one"}],
    )  # fmt: skip
    assert logs.filter_log_events(logGroupName="/api")["events"][-1]["message"] == "a new one"
    account.backdate("log-stream", "/api:main", 5)
    (stream,) = logs.describe_log_streams(logGroupName="/api")["logStreams"]
    assert age(stream["lastEventTimestamp"]).days == 5


def test_snapshots_are_automated_daily_and_paged(account: Aws) -> None:
    rds = account.clients["rds"]
    rds.create_db_instance(
        DBInstanceIdentifier="orders", Engine="postgres", DBInstanceClass="db.t3.micro", AllocatedStorage=20,
        MasterUsername="lab", ManageMasterUserPassword=True,
    )  # fmt: skip
    account.control("bulk/snapshots", instance="orders", count=35, newest_hours=4)
    pages = list(
        rds.get_paginator("describe_db_snapshots").paginate(
            DBInstanceIdentifier="orders", SnapshotType="automated", PaginationConfig={"PageSize": 20}
        )
    )
    found = [snapshot for page in pages for snapshot in page["DBSnapshots"]]
    assert [len(page["DBSnapshots"]) for page in pages] == [20, 15]
    ages = sorted(datetime.now(UTC) - snapshot["SnapshotCreateTime"] for snapshot in found)
    assert timedelta(hours=3.9) < ages[0] < timedelta(hours=4.1), "the one of the creation itself is gone"
    assert ages[-1].days == 34
    assert {snapshot["Status"] for snapshot in found} == {"available"}
    assert all(snapshot["DBSnapshotIdentifier"].startswith("rds:orders-20") for snapshot in found)
    (instance,) = rds.describe_db_instances(DBInstanceIdentifier="orders")["DBInstances"]
    assert instance["InstanceCreateTime"] < min(snapshot["SnapshotCreateTime"] for snapshot in found)


def test_objects_are_as_large_and_as_old_as_told(account: Aws) -> None:
    s3, size = account.clients["s3"], 3 * 1024**3
    s3.create_bucket(Bucket="backups-of-orders")
    account.control("bulk/objects", bucket="backups-of-orders", objects=[
        {"key": f"dumps/{number}.dump", "bytes": size + number, "age_days": number / 4} for number in range(8)
    ])  # fmt: skip
    listed = s3.list_objects_v2(Bucket="backups-of-orders", Prefix="dumps/")["Contents"]
    assert [entry["Size"] - size for entry in listed] == list(range(8))
    assert [round((datetime.now(UTC) - entry["LastModified"]) / timedelta(hours=6)) for entry in listed] == list(range(8))
    assert len({entry["ETag"] for entry in listed}) == 8
    head = s3.head_object(Bucket="backups-of-orders", Key="dumps/3.dump")
    assert (head["ContentLength"], head["LastModified"]) == (size + 3, listed[3]["LastModified"])
    account.control("bulk/objects", bucket="backups-of-orders", objects=[{"key": "small", "bytes": 100, "age_days": 0}])
    body = s3.get_object(Bucket="backups-of-orders", Key="small")["Body"].read()
    assert len(body) == 100
    assert body.startswith(b"-- a backup")


def test_task_definitions_are_numbered(account: Aws) -> None:
    container = {
        "name": "api", "image": "api:1", "cpu": 256, "memory": 512,
        "environment": [{"name": "REVISION", "value": "{revision}"}],
    }  # fmt: skip
    account.control("bulk/task-definitions", family="api", revisions=3, containers=[container])
    ecs = account.clients["ecs"]
    assert len(ecs.list_task_definitions(familyPrefix="api")["taskDefinitionArns"]) == 3
    definition = ecs.describe_task_definition(taskDefinition="api:2")["taskDefinition"]
    assert definition["containerDefinitions"][0]["environment"] == [{"name": "REVISION", "value": "2"}]
    assert (definition["networkMode"], definition["status"]) == ("bridge", "ACTIVE")


@pytest.mark.parametrize(
    ("route", "body", "reason"),
    [
        ("lambda", {}, "cannot use what it was given"),
        ("lambda", {"functions": [{"name": "x"}, {"name": "x"}]}, "exists already"),
        ("lambda", {"functions": [{"name": "y", "aliases": [{"name": "live", "version": 1}]}]}, "function 'y'"),
        ("backups", {"tables": [{"name": "none", "count": 1}]}, "there is no table 'none'"),
        ("log-groups", {"groups": [{"name": "/x"}, {"name": "/x"}]}, "exists already"),
        ("snapshots", {"instance": "none", "count": 1}, "there is no RDS instance 'none'"),
        ("objects", {"bucket": "none", "objects": []}, "there is no bucket 'none'"),
        ("task-definitions", {"family": "x", "revisions": "many", "containers": []}, "cannot use what it was given"),
    ],
)
def test_what_cannot_be_made_is_said(clean_aws: AwsLab, route: str, body: dict[str, Any], reason: str) -> None:
    assert reason in clean_aws.control(f"bulk/{route}", **body)["error"]


def test_thousands_are_made_in_no_time(account: Aws) -> None:
    functions = [{"name": f"f{number}", "versions": 15} for number in range(40)]
    groups = [{"name": f"/g{number}", "events": 200} for number in range(120)]
    begun = time.perf_counter()
    account.control("bulk/lambda", functions=functions)
    account.control("bulk/log-groups", groups=groups)
    # A tenth of a second in all on the slowest machine that was tried; a call each would take a minute.
    assert time.perf_counter() - begun < 2
