"""Accounts and regions: each has its own things, and the request decides which is meant."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import connector
from lab.estate.connection import Aws, Connector
from tests.support.waiting import eventually

from .conftest import AwsLab

HERE, THERE = ("123456789012", "us-east-1"), ("345678901234", "eu-west-1")
ROLE = "arn:aws:iam::345678901234:role/opsbook-operations"
TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
})  # fmt: skip
KEY = [{"AttributeName": "id", "KeyType": "HASH"}]
ATTRIBUTES = [{"AttributeName": "id", "AttributeType": "S"}]


@pytest.fixture
def home(clean_aws: AwsLab) -> Aws:
    """The lab's own account."""
    return Connector(HERE[1], ()).connect(clean_aws.endpoint, *HERE)


@pytest.fixture
def there(clean_aws: AwsLab) -> Aws:
    """Another account, with the operator's role."""
    aws = Connector(HERE[1], ()).connect(clean_aws.endpoint, *THERE)
    aws.clients["iam"].create_role(RoleName="opsbook-operations", AssumeRolePolicyDocument=TRUST)
    return aws


def operator(lab: AwsLab, **options: Any) -> Any:
    """The tool's own connections, by the operator's keys."""
    return connector({
        "endpoint_url": lab.endpoint, "region": THERE[1], "access_key": "LABOPERATOR", "secret_key": "lab", **options,
    })  # fmt: skip


def create_table(aws: Aws, name: str) -> None:
    aws.clients["dynamodb"].create_table(
        TableName=name, KeySchema=KEY, AttributeDefinitions=ATTRIBUTES, BillingMode="PAY_PER_REQUEST"
    )


def create_some_of_everything(aws: Aws) -> None:
    create_table(aws, "orders")
    aws.clients["logs"].create_log_group(logGroupName="/orders")
    aws.clients["ecs"].create_cluster(clusterName="production")
    aws.clients["secretsmanager"].create_secret(Name="orders/key", SecretString="x")
    aws.clients["sqs"].create_queue(QueueName="orders")
    aws.clients["s3"].create_bucket(
        Bucket=f"orders-{aws.account}", CreateBucketConfiguration={"LocationConstraint": aws.region}
    )
    aws.control("bulk/lambda", functions=[{"name": "orders", "versions": 2}])
    aws.control("metrics/signals", signals=[{"namespace": "Orders", "name": "Open", "level": 5}])


def what_is_seen(client: Any) -> dict[str, int]:
    return {
        "tables": len(client("dynamodb").list_tables()["TableNames"]),
        "groups": len(client("logs").describe_log_groups()["logGroups"]),
        "clusters": len(client("ecs").list_clusters()["clusterArns"]),
        "secrets": len(client("secretsmanager").list_secrets()["SecretList"]),
        "queues": len(client("sqs").list_queues().get("QueueUrls", [])),
        "buckets": len(client("s3").list_buckets()["Buckets"]),
        "functions": len(client("lambda").list_functions()["Functions"]),
        "metrics": len(client("cloudwatch").list_metrics()["Metrics"]),
    }


def test_an_account_sees_its_own_things_only(clean_aws: AwsLab, there: Aws) -> None:
    create_some_of_everything(there)
    assert set(what_is_seen(operator(clean_aws)).values()) == {0}, "by the operator's own keys, even in that region"
    assert set(what_is_seen(operator(clean_aws, assume_role_arn=ROLE)).values()) == {1}
    elsewhere = what_is_seen(operator(clean_aws, assume_role_arn=ROLE, region="us-west-2"))
    assert {name for name, count in elsewhere.items() if count} == {"buckets"}, "only buckets are worldwide"


def test_an_assumed_role_works_in_its_own_account(clean_aws: AwsLab, there: Aws) -> None:
    create_table(there, "orders")
    connect = operator(clean_aws, assume_role_arn=ROLE)
    identity = connect("sts").get_caller_identity()
    assert identity["Account"] == THERE[0]
    assert identity["Arn"] == "arn:aws:sts::345678901234:assumed-role/opsbook-operations/opsbook"
    arn = connect("dynamodb").describe_table(TableName="orders")["Table"]["TableArn"]
    assert arn == "arn:aws:dynamodb:eu-west-1:345678901234:table/orders"
    assumed, *rest = clean_aws.audit()
    assert (assumed["action"], assumed["principal"], assumed["account"]) == ("AssumeRole", "LABOPERATOR", HERE[0])
    assert {(line["principal"], line["account"], line["region"]) for line in rest} == {
        ("assumed-role/opsbook-operations/opsbook", THERE[0], THERE[1])
    }


def test_a_role_that_does_not_exist_is_refused(clean_aws: AwsLab, there: Aws) -> None:
    with pytest.raises(ClientError) as error:
        clean_aws.client("sts").assume_role(RoleArn=f"{ROLE}-mistyped", RoleSessionName="mistyped")
    assert error.value.response["Error"]["Code"] == "AccessDenied"


def test_events_are_found_in_the_account_where_they_happened(clean_aws: AwsLab, there: Aws) -> None:
    connect = operator(clean_aws, assume_role_arn=ROLE)
    connect("ecs").create_cluster(clusterName="production")
    clean_aws.client("ecs").create_cluster(clusterName="test")
    (found,) = connect("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateCluster"}]
    )["Events"]
    detail = json.loads(found["CloudTrailEvent"])
    assert (detail["recipientAccountId"], detail["awsRegion"]) == THERE
    assert detail["userIdentity"] == {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::345678901234:assumed-role/opsbook-operations/opsbook",
        "accountId": THERE[0],
    }
    at_home = clean_aws.client("cloudtrail").lookup_events()["Events"]
    assert [event["EventName"] for event in at_home] == ["CreateCluster"]
    assuming = operator(clean_aws)("cloudtrail").lookup_events()["Events"]
    assert [event["EventName"] for event in assuming][-1] == "AssumeRole", "where the caller asked for it"


def test_faults_stay_in_their_account(clean_aws: AwsLab, there: Aws) -> None:
    connect = operator(clean_aws, assume_role_arn=ROLE)
    connect("ecs").list_clusters()
    clean_aws.control("faults", faults=[{"kind": "deny", "account": THERE[0]}])
    assert clean_aws.client("ecs").list_clusters()["clusterArns"] == []
    with pytest.raises(ClientError) as error:
        connect("ecs").list_clusters()
    assert "arn:aws:sts::345678901234:assumed-role/opsbook-operations/opsbook" in error.value.response["Error"]["Message"]


@pytest.mark.parametrize(("account", "failing"), [(None, {HERE[0], THERE[0]}), (THERE[0], {THERE[0]})])
def test_images_fail_in_one_account_or_in_all(
    clean_aws: AwsLab, home: Aws, there: Aws, account: str | None, failing: set[str]
) -> None:
    told = {"account": account} if account else {}
    clean_aws.control("ecs/failing-images", image="app:*", reason="CannotPullContainerError: gone", **told)
    stopped = {aws.account for aws in (home, there) if _start_service(aws)}
    assert stopped == failing


def _start_service(aws: Aws) -> bool:
    """Start a service; does its task fail?"""
    ecs = aws.clients["ecs"]
    ecs.create_cluster(clusterName="production")
    container = {"name": "app", "image": "app:1", "cpu": 1, "memory": 1}
    ecs.register_task_definition(family="app", containerDefinitions=[container])
    ecs.create_service(cluster="production", serviceName="app", taskDefinition="app", desiredCount=1)

    def outcome() -> str | None:
        (service,) = ecs.describe_services(cluster="production", services=["app"])["services"]
        return "runs" if service["runningCount"] else "fails" if service["deployments"][0]["failedTasks"] else None

    return bool(eventually(outcome, 10) == "fails")


def test_control_routes_work_where_they_are_told(clean_aws: AwsLab, home: Aws, there: Aws) -> None:
    there.clients["logs"].create_log_group(logGroupName="/orders")
    assert "there is no log group" in clean_aws.control("backdate", kind="log-group", name="/orders", days=3)["error"]
    there.backdate("log-group", "/orders", 3)
    (group,) = there.clients["logs"].describe_log_groups()["logGroups"]
    assert datetime.fromtimestamp(group["creationTime"] / 1000, UTC) < datetime.now(UTC) - timedelta(days=2.9)


def test_secrets_rotate_in_any_account(there: Aws) -> None:
    there.control("bulk/lambda", functions=[{"name": "rotation"}])
    secrets = there.clients["secretsmanager"]
    secrets.create_secret(Name="key", SecretString="first")
    there.control("secrets/rotation", secret="key", outcome="ok", seconds=0.05)
    secrets.rotate_secret(
        SecretId="key", RotationLambdaARN="arn:aws:lambda:eu-west-1:345678901234:function:rotation"
    )
    eventually(lambda: secrets.get_secret_value(SecretId="key")["SecretString"] != "first", 10)
    there.backdate("secret", "key", 8)
    rotated = secrets.describe_secret(SecretId="key")["LastRotatedDate"]
    assert (datetime.now(UTC) - rotated).days == 8


def test_reset_forgets_every_account(clean_aws: AwsLab, there: Aws) -> None:
    create_some_of_everything(there)
    clean_aws.control("reset")
    assert set(what_is_seen(there.clients.__getitem__).values()) == {0}
