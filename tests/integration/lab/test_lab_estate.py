"""What is seeded is what the estates promise, seen with the operator's keys and the roles of the other accounts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from lab.accounts import SYSTEMS
from lab.estate.model import Estate
from lab.estate.systems import ESTATES
from lab.identifiers import balancer_path, target_group_path
from tests.support.short_lived_labs import ask, running_lab

Client = Callable[..., Any]
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
    """Clients of a system's account and region, by default commerce's: with the keys, or with the role that they assume."""

    @cache
    def keys(system: str) -> dict[str, str]:
        given = status["credentials"]
        own = {"aws_access_key_id": given["access_key"], "aws_secret_access_key": given["secret_key"]}
        role = status["accounts"][system]["role_arn"]
        if role is None:
            return own
        sts = boto3.client("sts", endpoint_url=status["endpoints"]["aws"], region_name="us-east-1", **own)
        assumed = sts.assume_role(RoleArn=role, RoleSessionName="estate")["Credentials"]
        return {"aws_access_key_id": assumed["AccessKeyId"], "aws_secret_access_key": assumed["SecretAccessKey"],
                "aws_session_token": assumed["SessionToken"]}

    @cache
    def connect(service: str, system: str = "commerce", region: str | None = None) -> Any:
        place = region or status["accounts"][system]["region"]
        config = Config(s3={"addressing_style": "path"})
        return boto3.client(
            service, endpoint_url=status["endpoints"]["aws"], region_name=place, config=config, **keys(system))

    return connect


@pytest.fixture(params=SYSTEMS)
def estate(request: pytest.FixtureRequest) -> Estate:
    """Each system's estate in turn."""
    return ESTATES[request.param]


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
    assert sources[0]["EventSourceArn"].endswith(":tiktok-commerce-video-jobs")


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
    soon, recent = pytest.approx(0, abs=0.02), pytest.approx(7, abs=7.1)
    expected = {
        "/ecs/tiktok-commerce-ingestion-api": (30, recent, soon),
        "/ecs/tiktok-commerce-product-service": (None, recent, soon),
        "/aws/apigateway/tiktok-commerce": (None, recent, soon),
        f"/aws/lambda/{PARSER}": (14, recent, soon),
        f"/aws/lambda/{RESOLVER}": (None, recent, soon),
        f"/aws/lambda/{INDEXER}": (None, recent, soon),
        "/aws/lambda/tiktok-commerce-report-mailer": (None, recent, soon),
        "/aws/lambda/tiktok-commerce-secret-rotation": (None, recent, soon),
        "/ecs/old-service-logs": (30, pytest.approx(400, abs=0.02), pytest.approx(200, abs=0.02)),
        "/ecs/tiktok-commerce-canary-2025": (None, pytest.approx(300, abs=0.02), None),
        "/ecs/tiktok-commerce-legacy-import": (14, pytest.approx(500, abs=0.02), pytest.approx(90, abs=0.02)),
        "/ecs/tiktok-commerce-audit": (None, pytest.approx(500, abs=0.02), pytest.approx(1 / 24, abs=0.02)),
    }
    ordinary = {name: fact for name, fact in facts.items() if name.startswith("/tiktok-commerce/")}
    assert {name: facts.get(name) for name in expected} == expected
    assert len(ordinary) == 12
    assert all(fact == (None, recent, soon) for fact in ordinary.values())


def test_the_special_alarms_of_commerce_are_there(client: Client) -> None:
    alarms = pages(client("cloudwatch"), "describe_alarms", "MetricAlarms")
    assert {alarm["AlarmName"] for alarm in alarms} >= {
        "production-ingestion-high-cpu",
        "production-ingestion-5xx",
        "production-product-high-cpu",
        "production-product-5xx",
        "production-caption-parser-errors",
        "production-products-throttles",
    }


def test_each_system_is_reached_in_its_own_account(client: Client, status: dict[str, Any], estate: Estate) -> None:
    account = client("sts", estate.system).get_caller_identity()["Account"]
    assert account == status["accounts"][estate.system]["account_id"]


def test_each_system_has_exactly_what_its_estate_describes(client: Client, estate: Estate) -> None:
    system = estate.system
    functions = pages(client("lambda", system), "list_functions", "Functions")
    groups = pages(client("logs", system), "describe_log_groups", "logGroups")
    secrets = pages(client("secretsmanager", system), "list_secrets", "SecretList")
    alarms = pages(client("cloudwatch", system), "describe_alarms", "MetricAlarms")
    tables = pages(client("dynamodb", system), "list_tables", "TableNames")
    assert {item["FunctionName"] for item in functions} == {function.name for function in estate.functions}
    assert {item["logGroupName"] for item in groups} == {group.name for group in estate.log_groups}
    assert {item["Name"] for item in secrets} == {secret.name for secret in estate.secrets}
    assert {item["AlarmName"]: item["StateValue"] for item in alarms} == {alarm.name: "OK" for alarm in estate.alarms}
    # Every account and region has the lock table besides.
    assert set(tables) == {"opsbook-locks", *(table.name for table in estate.tables)}


def test_all_services_are_steady_and_deployed_longer_ago_than_a_day(client: Client, estate: Estate) -> None:
    ecs = client("ecs", estate.system)
    for service in estate.services:
        found = ecs.describe_services(cluster=estate.cluster, services=[service.name])["services"][0]
        assert (found["runningCount"], found["pendingCount"]) == (service.desired, 0)
        assert [item["rolloutState"] for item in found["deployments"]] == ["COMPLETED"]
        assert_age(found["deployments"][0]["updatedAt"], service.deployed)
        groups = [item["targetGroupArn"].rpartition(":")[2] for item in found["loadBalancers"]]
        assert groups == ([target_group_path(service.target_group)] if service.target_group else [])


def test_every_target_is_registered_and_healthy(client: Client, estate: Estate) -> None:
    elb = client("elbv2", estate.system)
    found = elb.describe_load_balancers()["LoadBalancers"]
    balancers = {item["LoadBalancerArn"].partition(":loadbalancer/")[2] for item in found}
    assert balancers == {balancer_path(balancer.name) for balancer in estate.load_balancers}
    groups = {item["TargetGroupName"]: item for item in elb.describe_target_groups()["TargetGroups"]}
    expected = {service.target_group: service.desired for service in estate.services if service.target_group}
    assert set(groups) == set(expected)
    for name, group in groups.items():
        health = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
        assert [item["TargetHealth"]["State"] for item in health] == ["healthy"] * expected[name]
        assert group["LoadBalancerArns"]


def test_tables_are_billed_as_described_and_backed_up(client: Client, estate: Estate) -> None:
    dynamodb = client("dynamodb", estate.system)
    for table in estate.tables:
        found = dynamodb.describe_table(TableName=table.name)["Table"]
        throughput = found["ProvisionedThroughput"]
        units = (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"])
        assert units == (table.capacity or (0, 0))
        assert found.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED") == (
            "PROVISIONED" if table.capacity else "PAY_PER_REQUEST")
        assert {(index["IndexName"], index["KeySchema"][0]["AttributeName"], index["IndexStatus"])
                for index in found.get("GlobalSecondaryIndexes", [])} == {
            (index.name, index.key, "ACTIVE") for index in table.indexes}
        assert len(pages(dynamodb, "list_backups", "BackupSummaries", TableName=table.name)) == table.backups


def test_databases_have_a_snapshot_a_day(client: Client) -> None:
    rds = client("rds", "analytics")
    for database in ESTATES["analytics"].databases:
        found = rds.describe_db_instances(DBInstanceIdentifier=database.name)["DBInstances"][0]
        assert (found["DBInstanceStatus"], found["AllocatedStorage"]) == ("available", database.storage)
        snapshots = pages(rds, "describe_db_snapshots", "DBSnapshots", DBInstanceIdentifier=database.name)
        ages = sorted(age(item["SnapshotCreateTime"]) for item in snapshots)
        assert len(ages) == 35
        assert ages[0] < 6 * timedelta(hours=1)
        assert ages[-1] > 34 * DAY


def test_caches_are_available(client: Client) -> None:
    clusters = client("elasticache", "analytics").describe_cache_clusters()["CacheClusters"]
    assert [(item["CacheClusterId"], item["CacheClusterStatus"]) for item in clusters] == [
        ("social-analytics-redis", "available")]
    groups = client("elasticache").describe_replication_groups()["ReplicationGroups"]
    assert [(item["ReplicationGroupId"], item["Status"]) for item in groups] == [("tiktok-commerce-redis", "available")]


def test_queues_hold_their_messages_and_dead_letter_queues_none(client: Client, estate: Estate) -> None:
    sqs, depths = client("sqs", estate.system), {}
    for address in pages(sqs, "list_queues", "QueueUrls") if estate.queues else []:
        attributes = sqs.get_queue_attributes(QueueUrl=address, AttributeNames=["All"])["Attributes"]
        depths[address.rpartition("/")[2]] = int(attributes["ApproximateNumberOfMessages"])
    expected = {queue.name: queue.messages for queue in estate.queues}
    assert depths == {**expected, **{queue.dead_letter_queue: 0 for queue in estate.queues if queue.dead_letters}}


def test_database_dumps_are_there_every_six_hours(client: Client) -> None:
    s3 = client("s3", "media")
    dumps = pages(s3, "list_objects_v2", "Contents", Bucket="media-search-backups", Prefix="postgres/")
    written = sorted(item["LastModified"] for item in dumps)
    assert len(written) == 140
    assert_age(written[-1], 2 / 24)
    assert {round((later - earlier) / timedelta(hours=1)) for earlier, later in pairwise(written)} == {6}
    assert all(item["Size"] > 10_000_000 for item in dumps)
    assert s3.get_bucket_versioning(Bucket="media-search-backups")["Status"] == "Enabled"


def test_the_site_of_reviews_is_deployed_and_its_api_has_routes(client: Client) -> None:
    [distribution] = client("cloudfront", "reviews").list_distributions()["DistributionList"]["Items"]
    assert (distribution["Status"], distribution["Enabled"]) == ("Deployed", True)
    assert distribution["Aliases"]["Items"] == ["reviews.example.com"]
    gateway = client("apigatewayv2", "reviews")
    [api] = gateway.get_apis()["Items"]
    routes = gateway.get_routes(ApiId=api["ApiId"])["Items"]
    assert {route["RouteKey"] for route in routes} == set(ESTATES["reviews"].apis[0].routes)


def test_logs_of_two_weeks_can_be_read(client: Client) -> None:
    week = int((datetime.now(UTC) - 7 * DAY).timestamp() * 1000)
    found = client("logs", "metering").filter_log_events(
        logGroupName="/ecs/delivery-standard-prod", endTime=week, limit=50)["events"]
    assert len(found) == 50
    assert all(item["timestamp"] <= week for item in found)


PAGES = {
    "commerce": ["api/health", "products/health", "api/links/demo"],
    "analytics": ["health", "health/ready", "api/jobs", "api/jobs/twitch-streams/executions"],
    "metering": ["health"],
    "media": ["api/health", "api/admin/queues/stats", "metrics"],
    "reviews": ["", "api/reviews"],
}
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
def test_metrics_of_commerce_have_a_point_each_minute(
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


def test_metrics_reach_back_two_weeks_and_follow_the_hours(client: Client) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    dimensions = [{"Name": "LoadBalancer", "Value": balancer_path("delivery-standard-prod")}]
    stat = {"Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": dimensions},
            "Period": 3600, "Stat": "Sum"}
    result = client("cloudwatch", "metering").get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": stat}], StartTime=now - 14 * DAY, EndTime=now)["MetricDataResults"][0]
    hours = dict(zip(result["Timestamps"], result["Values"], strict=True))
    night, day = ([value for moment, value in hours.items() if moment.hour == hour] for hour in (2, 14))
    weekend, workday = ([value for moment, value in hours.items() if moment.hour == 14 and (moment.weekday() > 4) is free]
                        for free in (True, False))
    assert len(hours) == 14 * 24
    assert max(night) < min(day)
    assert max(weekend) < min(workday)


def test_cloudfront_publishes_its_metrics_in_its_own_region(client: Client) -> None:
    found = {region: pages(client("cloudwatch", "reviews", region), "list_metrics", "Metrics", Namespace="AWS/CloudFront")
             for region in ("us-east-1", "us-west-2")}
    assert {metric["MetricName"] for metric in found["us-east-1"]} == {"Requests", "5xxErrorRate"}
    assert found["us-west-2"] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_endpoint_of_every_system_answers(status: dict[str, Any], system: str) -> None:
    for path in PAGES[system]:
        assert ask(f"{status['endpoints']['web']}/{system}/{path}")[0] == 200, path
