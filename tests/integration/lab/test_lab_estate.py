"""What is seeded is what the estate promises."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.short_lived_labs import running_lab

Client = Callable[[str], Any]
CLUSTER = "production-cluster"
PARSER, RESOLVER, INDEXER = (f"tiktok-commerce-{name}" for name in ("caption-parser", "link-resolver", "video-indexer"))
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def status(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with running_lab(tmp_path_factory.mktemp("estate") / "lab") as status:
        # Before any test calls: seeding is nobody's work and leaves no audit lines.
        assert (Path(status["folder"]) / "audit.jsonl").read_text() == ""
        yield status


@pytest.fixture(scope="module")
def client(status: dict[str, Any]) -> Client:
    def connect(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=status["endpoints"]["aws"],
            region_name="us-east-1",
            aws_access_key_id=status["credentials"]["access_key"],
            aws_secret_access_key=status["credentials"]["secret_key"],
        )

    return connect


def age(moment: datetime) -> timedelta:
    return datetime.now(UTC) - moment


def assert_age(moment: datetime, days: float) -> None:
    assert abs(age(moment) - days * DAY) < timedelta(minutes=10)


def pages(client: Any, operation: str, key: str, **arguments: Any) -> list[Any]:
    return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page[key]]


@pytest.mark.parametrize(
    ("name", "desired", "family", "revision", "breaker"),
    [
        ("ingestion-api", 3, "tiktok-commerce-ingestion-api", 4, True),
        ("product-service", 2, "tiktok-commerce-product-service", 3, False),
    ],
)
def test_services_are_steady_since_six_days(
    client: Client, name: str, desired: int, family: str, revision: int, breaker: bool
) -> None:
    ecs = client("ecs")
    service = ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]
    assert (service["desiredCount"], service["runningCount"], service["pendingCount"]) == (desired, desired, 0)
    assert service["taskDefinition"].endswith(f"task-definition/{family}:{revision}")
    assert len(pages(ecs, "list_task_definitions", "taskDefinitionArns", familyPrefix=family)) == revision
    assert [item["rolloutState"] for item in service["deployments"]] == ["COMPLETED"]
    assert_age(service["deployments"][0]["updatedAt"], 6)
    circuit_breaker = service["deploymentConfiguration"]["deploymentCircuitBreaker"]
    assert (circuit_breaker["enable"], circuit_breaker["rollback"]) == (breaker, breaker)
    definition = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
    assert definition["containerDefinitions"][0]["image"] == f"registry.example/{family}:stable"


@pytest.mark.parametrize(("name", "versions"), [(PARSER, 14), (RESOLVER, 9), (INDEXER, 8)])
def test_functions_have_their_versions(client: Client, name: str, versions: int) -> None:
    found = pages(client("lambda"), "list_versions_by_function", "Versions", FunctionName=name)
    assert {item["Version"] for item in found} == {"$LATEST", *map(str, range(1, versions + 1))}


def test_functions_without_versions_exist(client: Client) -> None:
    for name in ("report-mailer", "secret-rotation"):
        found = pages(client("lambda"), "list_versions_by_function", "Versions", FunctionName=f"tiktok-commerce-{name}")
        assert [item["Version"] for item in found] == ["$LATEST"]


def test_versions_in_use_are_in_use_as_promised(client: Client) -> None:
    functions = client("lambda")
    aliases = {item["Name"]: item for item in functions.list_aliases(FunctionName=PARSER)["Aliases"]}
    assert {name: item["FunctionVersion"] for name, item in aliases.items()} == {"live": "14", "previous": "11"}
    assert aliases["live"]["RoutingConfig"] == {"AdditionalVersionWeights": {"13": 0.1}}
    provisioned = functions.list_provisioned_concurrency_configs(FunctionName=RESOLVER)
    assert [item["FunctionArn"].rsplit(":", 1)[1] for item in provisioned["ProvisionedConcurrencyConfigs"]] == ["7"]
    sources = functions.list_event_source_mappings()["EventSourceMappings"]
    assert [item["FunctionArn"].split(":")[-2:] for item in sources] == [[INDEXER, "3"]]


def test_secrets_rotate_as_promised_and_their_values_are_canaries(client: Client, status: dict[str, Any]) -> None:
    manager = client("secretsmanager")
    canaries = json.loads((Path(status["folder"]) / "canaries.json").read_text())
    for name in ("api-keys", "webhook-signing"):
        secret = manager.describe_secret(SecretId=f"tiktok-commerce/{name}")
        assert secret["RotationEnabled"]
        assert secret["RotationRules"]["AutomaticallyAfterDays"] == 30
        assert_age(secret["LastRotatedDate"], 8)
        fields = json.loads(manager.get_secret_value(SecretId=secret["Name"])["SecretString"])
        assert all(any(value.startswith(canary) for canary in canaries) for value in fields.values())
    assert not manager.describe_secret(SecretId="tiktok-commerce/partner-token").get("RotationEnabled")


@pytest.mark.parametrize("table", ["tiktok-commerce-products-prod", "tiktok-commerce-videos-prod"])
def test_tables_have_a_backup_for_each_of_35_days(client: Client, table: str) -> None:
    dynamodb = client("dynamodb")
    assert dynamodb.describe_table(TableName=table)["Table"]["TableStatus"] == "ACTIVE"
    backups = pages(dynamodb, "list_backups", "BackupSummaries", TableName=table)
    created = sorted((item["BackupCreationDateTime"] for item in backups), reverse=True)
    assert len(created) == 35
    assert_age(created[0], 5 / 24)
    assert_age(created[-1], 34 + 5 / 24)
    for item in backups:
        assert item["BackupName"] == f"daily-backup-{item['BackupCreationDateTime'].astimezone(UTC):%Y%m%d}"


def test_the_lock_table_and_the_record_bucket_exist(client: Client) -> None:
    keys = client("dynamodb").describe_table(TableName="opsbook-locks")["Table"]["KeySchema"]
    assert keys == [{"AttributeName": "system", "KeyType": "HASH"}]
    client("s3").head_bucket(Bucket="opsbook-records")


def log_group_facts(client: Client) -> dict[str, tuple[int | None, float, float | None]]:
    """Per group: retention, age in days, and the days since the last event (None: nothing was ever written)."""
    logs, facts = client("logs"), {}
    for group in pages(logs, "describe_log_groups", "logGroups"):
        streams = logs.describe_log_streams(logGroupName=group["logGroupName"])["logStreams"]
        last = max((stream["lastEventTimestamp"] for stream in streams), default=None)
        facts[group["logGroupName"]] = (
            group.get("retentionInDays"),
            age(datetime.fromtimestamp(group["creationTime"] / 1000, UTC)) / DAY,
            None if last is None else age(datetime.fromtimestamp(last / 1000, UTC)) / DAY,
        )
    return facts


def test_log_groups_have_their_ages_and_retention(client: Client) -> None:
    facts = log_group_facts(client)
    soon = pytest.approx(0, abs=0.02)
    expected = {
        "/ecs/tiktok-commerce-ingestion-api": (30, soon, soon),
        "/ecs/tiktok-commerce-product-service": (None, soon, soon),
        "/aws/apigateway/tiktok-commerce": (None, soon, soon),
        f"/aws/lambda/{PARSER}": (14, soon, soon),
        f"/aws/lambda/{RESOLVER}": (None, soon, soon),
        f"/aws/lambda/{INDEXER}": (None, soon, soon),
        "/aws/lambda/tiktok-commerce-report-mailer": (None, soon, soon),
        "/aws/lambda/tiktok-commerce-secret-rotation": (None, soon, soon),
        "/ecs/old-service-logs": (30, pytest.approx(400, abs=0.02), pytest.approx(200, abs=0.02)),
        "/ecs/tiktok-commerce-canary-2025": (None, pytest.approx(300, abs=0.02), None),
        "/ecs/tiktok-commerce-legacy-import": (14, pytest.approx(500, abs=0.02), pytest.approx(90, abs=0.02)),
        "/ecs/tiktok-commerce-audit": (None, pytest.approx(500, abs=0.02), pytest.approx(1 / 24, abs=0.02)),
    }
    ordinary = {name: fact for name, fact in facts.items() if name not in expected}
    assert {name: facts.get(name) for name in expected} == expected
    assert len(ordinary) == 12
    assert all(name.startswith("/tiktok-commerce/") and fact == (None, soon, soon) for name, fact in ordinary.items())


def test_six_alarms_are_ok(client: Client) -> None:
    alarms = pages(client("cloudwatch"), "describe_alarms", "MetricAlarms")
    assert {alarm["AlarmName"] for alarm in alarms} == {
        "production-ingestion-high-cpu",
        "production-ingestion-5xx",
        "production-product-high-cpu",
        "production-product-5xx",
        "production-caption-parser-errors",
        "production-products-throttles",
    }
    assert {alarm["StateValue"] for alarm in alarms} == {"OK"}


SERVICE = [{"Name": "ClusterName", "Value": CLUSTER}, {"Name": "ServiceName", "Value": "ingestion-api"}]
BALANCER = [{"Name": "LoadBalancer", "Value": "app/commerce/50dc6c495c0c9188"}]
FUNCTION = [{"Name": "FunctionName", "Value": PARSER}]


@pytest.mark.parametrize(
    ("namespace", "name", "dimensions", "low", "high"),
    [
        ("AWS/ECS", "CPUUtilization", SERVICE, 20, 70),
        ("AWS/ECS", "MemoryUtilization", SERVICE, 40, 80),
        ("AWS/ApplicationELB", "RequestCount", BALANCER, 500, 4000),
        ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", BALANCER, 0, 10),
        ("AWS/ApplicationELB", "TargetResponseTime", BALANCER, 0.02, 0.5),
        ("AWS/Lambda", "Invocations", FUNCTION, 50, 600),
        ("AWS/Lambda", "Errors", FUNCTION, 0, 5),
        ("AWS/Lambda", "Duration", FUNCTION, 50, 500),
    ],
)
def test_metrics_have_a_point_each_minute_of_the_last_three_hours(
    client: Client, namespace: str, name: str, dimensions: list[dict[str, str]], low: float, high: float
) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    stat = {
        "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions},
        "Period": 60,
        "Stat": "Average",
    }
    result = client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": stat}], StartTime=now - timedelta(minutes=170), EndTime=now
    )["MetricDataResults"][0]
    assert len(result["Values"]) == 170
    assert all(low <= value <= high for value in result["Values"])
