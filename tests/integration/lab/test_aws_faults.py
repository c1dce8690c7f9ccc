"""Faults: in the service's own words and protocol, as often as asked, and with the effect they claim."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from .conftest import AwsLab

CALLS = {
    "ecs": ("list_clusters", {}),
    "dynamodb": ("get_item", {"TableName": "t", "Key": {"k": {"S": "v"}}}),
    "lambda": ("list_functions", {}),
    "iam": ("list_users", {}),
    "cloudwatch": ("describe_alarms", {}),
    "ec2": ("describe_instances", {}),
    "s3": ("list_buckets", {}),
    "route53": ("list_hosted_zones", {}),
    "secretsmanager": ("list_secrets", {}),
}


@pytest.fixture
def lab(clean_aws: AwsLab) -> Iterator[AwsLab]:
    """A clean server, without faults afterwards."""
    yield clean_aws
    clean_aws.control("faults", faults=[])


def error_of(lab: AwsLab, service: str) -> dict:
    """The error with which the service's example call ends."""
    method, arguments = CALLS[service]
    with pytest.raises(ClientError) as error:
        getattr(lab.client(service), method)(**arguments)
    return error.value.response


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("ecs", "ThrottlingException", 400),
        ("dynamodb", "ProvisionedThroughputExceededException", 400),
        ("lambda", "TooManyRequestsException", 429),
        ("iam", "Throttling", 400),
        ("cloudwatch", "Throttling", 400),
        ("ec2", "RequestLimitExceeded", 503),
        ("s3", "SlowDown", 503),
        ("route53", "ThrottlingException", 400),
        ("secretsmanager", "ThrottlingException", 400),
    ],
)
def test_throttles_with_the_services_own_code(lab: AwsLab, service: str, code: str, status: int) -> None:
    lab.control("faults", faults=[{"kind": "throttle", "service": service}])
    response = error_of(lab, service)
    assert response["Error"]["Code"] == code
    assert response["Error"]["Message"] == "Rate exceeded"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    (line,) = lab.audit()
    assert (line["outcome"], line["injected"]) == (code, True)


@pytest.mark.parametrize(
    ("service", "code", "permission"),
    [
        ("ecs", "AccessDeniedException", "ecs:ListClusters"),
        ("lambda", "AccessDeniedException", "lambda:ListFunctions"),
        ("iam", "AccessDenied", "iam:ListUsers"),
        ("cloudwatch", "AccessDenied", "cloudwatch:DescribeAlarms"),
        ("ec2", "UnauthorizedOperation", "ec2:DescribeInstances"),
        ("s3", "AccessDenied", "s3:ListAllMyBuckets"),
    ],
)
def test_denials_name_who_and_what(lab: AwsLab, service: str, code: str, permission: str) -> None:
    lab.control("faults", faults=[{"kind": "deny"}])
    error = error_of(lab, service)["Error"]
    assert error["Code"] == code
    assert f"user/LABOPERATOR is not authorized to perform: {permission}" in error["Message"]


def test_throttled_calls_are_not_carried_out(lab: AwsLab) -> None:
    lab.control("faults", faults=[{"kind": "throttle", "action": "CreateCluster", "times": 1}])
    ecs = lab.client("ecs")
    with pytest.raises(ClientError):
        ecs.create_cluster(clusterName="c")
    assert ecs.list_clusters()["clusterArns"] == []
    ecs.create_cluster(clusterName="c")
    assert len(ecs.list_clusters()["clusterArns"]) == 1


@pytest.mark.parametrize(("when", "carried_out"), [("before", False), ("after", True)])
def test_dropped_connections_have_no_reply(lab: AwsLab, when: str, carried_out: bool) -> None:
    lab.control("faults", faults=[{"kind": "drop", "when": when, "action": "CreateCluster"}])
    ecs = lab.client("ecs")
    with pytest.raises(ConnectionClosedError):
        ecs.create_cluster(clusterName="c")
    assert bool(ecs.list_clusters()["clusterArns"]) is carried_out
    line = lab.audit()[0]
    assert (line["outcome"], line["injected"]) == ("ok" if carried_out else "ConnectionDropped", True)


def test_latency_delays_and_executes(lab: AwsLab) -> None:
    lab.control("faults", faults=[{"kind": "latency", "seconds": 0.3}])
    started = time.perf_counter()
    lab.client("ecs").create_cluster(clusterName="c")
    assert time.perf_counter() - started >= 0.3
    assert lab.audit()[0]["outcome"] == "ok"


def test_probability_is_about_right_and_repeatable(lab: AwsLab) -> None:
    def outcomes(seed: int) -> list[str]:
        lab.control("faults", faults=[{"kind": "throttle", "probability": 0.3}], seed=seed)
        lab.control("audit/reset")
        for _ in range(100):
            try:
                lab.client("ecs").list_clusters()
            except ClientError:
                continue
        return [line["outcome"] for line in lab.audit()]

    first = outcomes(7)
    assert 15 <= first.count("ThrottlingException") <= 45
    assert outcomes(7) == first
    assert outcomes(8) != first


def test_control_calls_can_be_spared(lab: AwsLab) -> None:
    lab.client("s3").create_bucket(Bucket="opsbook-records")
    lab.control("faults", faults=[{"kind": "deny", "except_purpose": "control"}])
    lab.client("s3").put_object(Bucket="opsbook-records", Key="k", Body=b"")
    assert error_of(lab, "s3")["Error"]["Code"] == "AccessDenied"


def test_seeding_meets_no_faults(lab: AwsLab) -> None:
    lab.control("faults", faults=[{"kind": "deny"}])
    assert "clusterArns" in lab.client("ecs", "LABSEEDER").list_clusters()


def test_a_code_of_ones_own_is_sent(lab: AwsLab) -> None:
    lab.control("faults", faults=[{"kind": "throttle", "code": "ServiceUnavailable"}])
    assert error_of(lab, "ecs")["Error"]["Code"] == "ServiceUnavailable"


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"kind": "tease"}, "kind must be one of"),
        ({"kind": "deny", "probability": 2}, "probability is within"),
        ({"kind": "deny", "when": "later"}, "when must be"),
        ({"kind": "deny", "servcie": "ecs"}, "has no servcie"),
        ({"kind": "latency", "seconds": "long"}, "numbers"),
        ("deny", "is an object"),
    ],
)
def test_malformed_faults_are_refused_and_change_nothing(lab: AwsLab, fault: object, complaint: str) -> None:
    assert complaint in lab.control("faults", faults=[fault])["error"]
    lab.client("ecs").list_clusters()
