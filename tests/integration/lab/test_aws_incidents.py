"""The control routes of incidents: what they make shows in the API, and `incident/clear` takes all of it back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lab.estate.compute import seed_functions, seed_services
from lab.estate.connection import Aws, Connector
from lab.estate.data import seed_tables
from lab.estate.messaging import seed_queues
from lab.estate.model import Alarm, Alias, Estate, Function, LoadBalancer, LogGroup, Queue, Service, Table
from lab.estate.watching import seed_alarms, seed_log_groups, seed_metrics

from .conftest import AwsLab

ESTATE = Estate(
    system="commerce", cluster="c",
    services=(Service("api", "api", "registry.example/api:1", desired=2, target_group="api", part=1.0),),
    functions=(Function("worker", versions=3, aliases=(Alias("live", 3),), calls=60),),
    tables=(Table("things", "id", backups=1, capacity=(50, 20)),), queues=(Queue("jobs", 2),),
    log_groups=(LogGroup("/ecs/api", events=5),), load_balancers=(LoadBalancer("front", 600, 0.5, 0.1),),
    alarms=(Alarm("busy", "AWS/ECS", "CPUUtilization", {"ClusterName": "c", "ServiceName": "api"}, "Average", 80),),
)  # fmt: skip
FRONT = {"LoadBalancer": "app/front/50dc6c495c0c9188"}
REQUESTS = {"namespace": "AWS/ApplicationELB", "name": "RequestCount", "dimensions": FRONT}
ERRORS = {**REQUESTS, "name": "HTTPCode_Target_5XX_Count"}
REFUSED = {**REQUESTS, "name": "HTTPCode_ELB_5XX_Count"}


@pytest.fixture
def account(clean_aws: AwsLab) -> Iterator[Aws]:
    """A small estate in an empty account."""
    account = Connector("us-east-1", ()).connect(clean_aws.endpoint, "123456789012", "us-east-1")
    seed_services(account, ESTATE)
    seed_queues(account, ESTATE)
    for seed in (seed_functions, seed_tables, seed_log_groups, seed_alarms, seed_metrics):
        seed(account, ESTATE)
    yield account
    account.control("incident/clear")


def minute(ago: float) -> int:
    return int(time.time() - ago * 60) // 60


def statistic(account: Aws, series: dict[str, Any], stat: str, minutes: int = 60) -> list[float]:
    """A series by minute, oldest first, as far as it is published."""
    now = datetime.now(UTC)
    metric = {"Namespace": series["namespace"], "MetricName": series["name"],
              "Dimensions": [{"Name": name, "Value": value} for name, value in series["dimensions"].items()]}  # fmt: skip
    found = account.clients["cloudwatch"].get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}],
        StartTime=now - timedelta(minutes=minutes), EndTime=now, ScanBy="TimestampAscending",
    )["MetricDataResults"][0]  # fmt: skip
    return list(found["Values"])


def overlay(ago: float, **options: Any) -> dict[str, Any]:
    return {"first": minute(ago), "chance": "test", "noise": 0, **options}


def test_metrics_move_from_a_moment_on_and_come_back(account: Aws) -> None:
    before = statistic(account, ERRORS, "Sum")
    account.control("incident/metrics", changes=[
        {"series": ERRORS, "overlay": overlay(20, share=0.1, of=REQUESTS)},
        {"series": REFUSED, "overlay": overlay(20, plus=9), "signal": {"unit": "Count", "whole": True, "sparse": True}},
    ])  # fmt: skip
    errors, refused = statistic(account, ERRORS, "Sum"), statistic(account, REFUSED, "Sum")
    assert errors[:38] == before[:38]
    # A tenth of the requests: how many that is depends on the hour, so it is held against the requests of the same minutes.
    assert sum(errors[-19:]) == pytest.approx(0.1 * sum(statistic(account, REQUESTS, "Sum")[-19:]), rel=0.2)
    assert min(errors[-19:]) > 3 * max(before[-19:])
    assert 18 <= len(refused) <= 22, "what AWS publishes in trouble only is not there before"
    account.control("incident/clear")
    assert statistic(account, ERRORS, "Sum")[:38] == before[:38]
    assert statistic(account, REFUSED, "Sum") == []


def test_slow_requests_show_in_the_high_percentiles(account: Aws) -> None:
    seconds = {**REQUESTS, "name": "TargetResponseTime"}
    quiet = {stat: statistic(account, seconds, stat)[-5] for stat in ("p50", "p95", "p99", "Average", "Maximum")}
    assert quiet["p50"] < quiet["Average"] < quiet["p95"] < quiet["p99"] < quiet["Maximum"]
    account.control("incident/metrics", changes=[{"series": seconds, "overlay": overlay(20, slow=0.1, level=4.0)}])
    slow = {stat: statistic(account, seconds, stat)[-5] for stat in ("p50", "p95", "p99")}
    assert slow["p50"] < 1.3 * quiet["p50"]
    assert slow["p95"] > 5 * quiet["p95"]


def test_a_metric_that_stops_has_no_data(account: Aws) -> None:
    account.control("incident/metrics", changes=[{"series": REQUESTS, "overlay": overlay(20, missing=True)}])
    assert 36 <= len(statistic(account, REQUESTS, "Sum")) <= 42


def test_what_nothing_publishes_is_refused(account: Aws) -> None:
    unknown = {**REQUESTS, "name": "Nothing"}
    with pytest.raises(Exception, match="nothing publishes AWS/ApplicationELB Nothing"):
        account.control("incident/metrics", changes=[{"series": unknown, "overlay": overlay(5, plus=1)}])
    elsewhere = {**REQUESTS, "dimensions": {"LoadBalancer": "app/other/1"}}
    with pytest.raises(Exception, match="with the dimensions"):
        account.control("incident/metrics", changes=[{"series": elsewhere, "overlay": overlay(5, plus=1)}])


PROFILE = {"form": "service", "logger": "http", "version": "1", "rate": 0.5, "clients": {"web": 1}, "zones": ["a"],
           "routes": [{"method": "GET", "route": "/x", "share": 1, "ms": 20}]}  # fmt: skip


def count(account: Aws, condition: str, minutes: int) -> int:
    logs, seconds = account.clients["logs"], int(time.time())
    query = logs.start_query(logGroupName="/ecs/api", startTime=seconds - 60 * minutes, endTime=seconds,
                             queryString=f"filter {condition} | stats count(*) as n")["queryId"]  # fmt: skip
    while (answer := logs.get_query_results(queryId=query))["status"] != "Complete":
        pass
    return int(answer["results"][0][0]["value"])


def test_logs_say_what_the_metrics_say(account: Aws) -> None:
    change = {"when": {"first": minute(20), "chance": "x"}, "share": 0.1, "status": 500}
    usual = sum(statistic(account, ERRORS, "Sum"))
    account.control("incident/metrics", changes=[{"series": ERRORS, "overlay": overlay(20, share=0.1, of=REQUESTS)}])
    account.control("incident/logs", groups=[
        {"group": "/ecs/api", "profile": PROFILE, "changes": [change], "first": minute(180), "series": REQUESTS},
    ])  # fmt: skip
    assert count(account, "status = 200", 60) == pytest.approx(0.5 * sum(statistic(account, REQUESTS, "Sum")), rel=0.1)
    # The logs of this profile have no errors but the incident's; some 270 of them are counted, give or take 16.
    more = sum(statistic(account, ERRORS, "Sum")) - usual
    assert count(account, "status = 500", 60) == pytest.approx(0.5 * more, rel=0.25)
    group = account.clients["logs"].describe_log_streams(logGroupName="/ecs/api")["logStreams"]
    assert {stream["logStreamName"] for stream in group} == {"main", "application"}
    account.control("incident/clear")
    assert count(account, "status >= 200", 60) <= 5


def test_events_of_the_same_minute_are_the_same_whenever_they_are_read(account: Aws) -> None:
    account.control("incident/logs", groups=[
        {"group": "/ecs/api", "profile": PROFILE, "changes": [], "first": minute(30), "requests": 20},
    ])  # fmt: skip
    whole = {"startTime": minute(10) * 60_000, "endTime": minute(8) * 60_000, "logStreamNames": ["application"]}
    read = [account.clients["logs"].filter_log_events(logGroupName="/ecs/api", **whole)["events"] for _ in range(2)]
    assert read[0] == read[1]
    assert 15 <= len(read[0]) <= 25


def test_an_alarm_rings_since_a_while(account: Aws) -> None:
    account.control("incident/alarms", alarms=[{"name": "busy", "state": "ALARM", "minutes_ago": 12}])
    (alarm,) = account.clients["cloudwatch"].describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert abs((datetime.now(UTC) - alarm["StateUpdatedTimestamp"]).total_seconds() - 720) < 30
    account.control("incident/clear")
    assert account.clients["cloudwatch"].describe_alarms(StateValue="ALARM")["MetricAlarms"] == []


def service_of(account: Aws) -> dict[str, Any]:
    return dict(account.clients["ecs"].describe_services(cluster="c", services=["api"])["services"][0])


def test_a_deployment_was_made_and_is_forgotten(account: Aws) -> None:
    before = service_of(account)
    account.control("incident/ecs", services=[
        {"cluster": "c", "service": "api", "deployments": [{"minutes_ago": 30, "image": "registry.example/api:2"}]},
    ])  # fmt: skip
    ecs, after = account.clients["ecs"], service_of(account)
    assert after["deployments"][0]["taskDefinition"].endswith("api:4")
    (deployment,) = after["deployments"]
    assert (deployment["rolloutState"], after["runningCount"]) == ("COMPLETED", 2)
    assert 28 < (datetime.now(UTC) - deployment["createdAt"]).total_seconds() / 60 < 32
    newest = ecs.list_service_deployments(cluster="c", service="api")["serviceDeployments"][0]
    assert newest["status"] == "SUCCESSFUL"
    assert 60 < (newest["finishedAt"] - newest["createdAt"]).total_seconds() < 600, "at the pace of life"
    account.control("incident/clear")
    assert service_of(account)["deployments"] == before["deployments"]
    assert len(ecs.list_task_definitions(familyPrefix="api")["taskDefinitionArns"]) == 3


def test_a_deployment_whose_tasks_fail_leaves_them_behind(account: Aws) -> None:
    failing = {"minutes_ago": 8, "image": "registry.example/api:3", "fails": "EssentialContainerExited: exit code 1"}
    account.control("incident/ecs", services=[{"cluster": "c", "service": "api", "deployments": [failing]}])
    ecs = account.clients["ecs"]
    stopped = ecs.list_tasks(cluster="c", serviceName="api", desiredStatus="STOPPED")["taskArns"]
    assert stopped
    described = ecs.describe_tasks(cluster="c", tasks=stopped[:1])["tasks"][0]
    assert described["containers"][0]["exitCode"] == 1
    assert service_of(account)["runningCount"] >= 2, "what ran before goes on"
    account.control("incident/clear")
    assert ecs.list_tasks(cluster="c", serviceName="api", desiredStatus="STOPPED")["taskArns"] == []


def test_tasks_were_killed_and_one_does_not_start(account: Aws) -> None:
    killed = {"minutes_ago": 9, "lived_minutes": 5, "code": "EssentialContainerExited", "exit_code": 137,
              "reason": "Essential container in task exited", "container_reason": "OutOfMemoryError: Container killed"}
    account.control("incident/ecs", services=[{"cluster": "c", "service": "api", "pending": 1, "stopped": [killed]}])
    ecs, service = account.clients["ecs"], service_of(account)
    assert (service["desiredCount"], service["runningCount"], service["pendingCount"]) == (2, 1, 1)
    (arn,) = ecs.list_tasks(cluster="c", serviceName="api", desiredStatus="STOPPED")["taskArns"]
    (task,) = ecs.describe_tasks(cluster="c", tasks=[arn])["tasks"]
    assert (task["containers"][0]["exitCode"], task["containers"][0]["reason"][:11]) == (137, "OutOfMemory")
    assert any("has stopped 1 running tasks" in event["message"] for event in service["events"])
    account.control("incident/clear")
    assert service_of(account)["runningCount"] == 2


def test_a_function_was_changed_and_deployed(account: Aws) -> None:
    functions = account.clients["lambda"]
    before = functions.get_function_configuration(FunctionName="worker")
    account.control("incident/functions", functions=[{"name": "worker", "minutes_ago": 15, "timeout": 3, "deploy": True}])
    after = functions.get_function_configuration(FunctionName="worker", Qualifier="live")
    assert (after["Timeout"], after["Version"]) == (3, "4")
    changed = datetime.strptime(after["LastModified"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert 14 < (datetime.now(UTC) - changed).total_seconds() / 60 < 16
    account.control("incident/clear")
    assert functions.get_alias(FunctionName="worker", Name="live")["FunctionVersion"] == "3"
    again = functions.get_function_configuration(FunctionName="worker")
    assert {name: again[name] for name in ("Timeout", "LastModified", "CodeSha256", "Version")} == {
        name: before[name] for name in ("Timeout", "LastModified", "CodeSha256", "Version")}  # fmt: skip
    assert [each["Version"] for each in functions.list_versions_by_function(FunctionName="worker")["Versions"]] == [
        "$LATEST", "1", "2", "3"]  # fmt: skip


def test_a_table_a_queue_targets_and_listeners(account: Aws) -> None:
    dynamodb, sqs, elb = (account.clients[name] for name in ("dynamodb", "sqs", "elbv2"))
    group = elb.describe_target_groups(Names=["api"])["TargetGroups"][0]["TargetGroupArn"]
    balancer = elb.describe_load_balancers(Names=["front"])["LoadBalancers"][0]["LoadBalancerArn"]
    queue = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]

    def seen() -> tuple[int, str, list[str], int]:
        throughput = dynamodb.describe_table(TableName="things")["Table"]["ProvisionedThroughput"]
        waiting = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
        health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return (throughput["ReadCapacityUnits"], waiting["ApproximateNumberOfMessages"],
                sorted(each["TargetHealth"]["State"] for each in health),
                len(elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]))  # fmt: skip

    before = seen()
    account.control("incident/tables", tables=[{"name": "things", "read": 5, "write": 5}])
    account.control("incident/queues", queues=[{"name": "jobs", "messages": 700, "minutes_ago": 30}])
    sick = {"group": "api", "state": "unhealthy", "reason": "Target.Timeout", "count": 1}
    account.control("incident/targets", targets=[sick])
    account.control("incident/listeners", listeners=[{"balancer": "front"}])
    assert seen() == (5, "702", ["healthy", "unhealthy"], 0)
    account.control("incident/clear")
    assert seen() == before == (50, "2", ["healthy", "healthy"], 1)


def test_the_trail_has_what_somebody_did(account: Aws, clean_aws: AwsLab) -> None:
    account.control("incident/events", events=[
        {"service": "ecs", "action": "UpdateService", "minutes_ago": 40, "principal": "assumed-role/pipeline/release",
         "parameters": {"cluster": "c", "service": "api"}}])  # fmt: skip
    trail = clean_aws.client("cloudtrail")
    asked = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "UpdateService"}]}
    (event,) = trail.lookup_events(**asked)["Events"]
    assert (event["Username"], event["ReadOnly"]) == ("release", "false")
    assert 39 < (datetime.now(UTC) - event["EventTime"]).total_seconds() / 60 < 41
    account.control("incident/clear")
    assert trail.lookup_events(**asked)["Events"] == []


@pytest.mark.parametrize(("route", "body"), [
    ("alarms", [{"name": "nothing", "minutes_ago": 1}]), ("functions", [{"name": "nothing", "minutes_ago": 1}]),
    ("tables", [{"name": "nothing", "read": 1, "write": 1}]),
    ("queues", [{"name": "nothing", "messages": 1, "minutes_ago": 1}]),
    ("targets", [{"group": "nothing", "state": "unhealthy"}]), ("listeners", [{"balancer": "nothing"}]),
    ("tables", [{"name": "things"}]),
])  # fmt: skip
def test_what_is_not_there_or_not_understood_is_refused(clean_aws: AwsLab, route: str, body: list[Any]) -> None:
    assert "error" in clean_aws.control(f"incident/{route}", **{route: body})


def test_a_reset_forgets_what_was_injected(account: Aws, clean_aws: AwsLab) -> None:
    account.control("incident/metrics", changes=[{"series": ERRORS, "overlay": overlay(20, plus=50)}])
    clean_aws.control("reset")
    assert clean_aws.control("incident/clear") == {"undone": 0}
