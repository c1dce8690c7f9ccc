"""sqs_queue_info against the lab's AWS: deep, old, dead letters, missing, denied, many pages, another region and account."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing
from tests.support.elsewhere import Elsewhere


def make(aws: Aws, name: str, messages: int = 0, dead_letters: str = "", delay: int = 0) -> str:
    """A queue with that many messages, and with a dead-letter queue where one is named."""
    sqs = aws.client("sqs")
    attributes = {}
    if dead_letters:
        arn = f"arn:aws:sqs:us-east-1:123456789012:{dead_letters}"
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})
    url = str(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
    for number in range(messages):
        sqs.send_message(QueueUrl=url, MessageBody=f"canary in message {number}", DelaySeconds=delay)
    return url


def publish_age(aws: Aws, queue: str, *ages: float) -> None:
    """Ages of the oldest message, minute by minute, the last a minute ago."""
    now = datetime.now(UTC)
    aws.client("cloudwatch").put_metric_data(Namespace="AWS/SQS", MetricData=[
        {"MetricName": "ApproximateAgeOfOldestMessage", "Dimensions": [{"Name": "QueueName", "Value": queue}],
         "Timestamp": now - timedelta(minutes=len(ages) - place), "Value": age, "Unit": "Seconds"}
        for place, age in enumerate(ages)])


def faults(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(item["check"], item["resource"].partition(":")[2], item["actual"])
            for item in result["evidence"] if item["ok"] is not True]


def test_reads_queues_by_pattern_also_in_check_mode(aws: Aws, operate: Operate, unique: str) -> None:
    url = make(aws, f"{unique}-a", 3)
    make(aws, f"{unique}-b", 2, delay=600)
    aws.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=1)
    with aws.calls() as calls:
        checked = operate("sqs_queue_info", check_mode=True, queues=[{"name": f"{unique}-*"}])
    result = operate("sqs_queue_info", queues=[{"name": f"{unique}-*"}])

    assert changing(calls) == []
    assert result == checked
    assert (result["verdict"], result["changed"]) == ("healthy", False)
    first, second = result["queues"]
    assert (first["name"], first["visible"], first["in_flight"], first["delayed"]) == (f"{unique}-a", 2, 1, 0)
    assert (second["visible"], second["delayed"]) == (0, 2)
    assert (first["oldest_age_seconds"], first["dead_letter_queue"], first["dead_letters"]) == (None, None, None)
    assert result["evidence"][0]["actual"] == "2 waiting, 1 in flight, 0 delayed"
    assert "canary" not in str(result)


def test_a_deep_queue_is_unhealthy_by_its_own_limit(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws, f"{unique}-a", 3)
    make(aws, f"{unique}-b", 3)
    result = operate("sqs_queue_info", queues=[{"name": f"{unique}-*", "maximum_depth": 2},
                                               {"name": f"{unique}-b", "maximum_depth": 3}])

    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("messages waiting", f"{unique}-a", "3 waiting, 0 in flight, 0 delayed")]


def test_the_age_that_counts_is_the_last(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws, unique, 1)
    publish_age(aws, unique, 4000, 3000, 60)
    wanted = {"name": unique, "maximum_age": "15m"}
    result = operate("sqs_queue_info", queues=[wanted])
    assert (result["verdict"], result["queues"][0]["oldest_age_seconds"]) == ("healthy", 60)
    assert result["evidence"][1]["actual"] == "1 m"

    result = operate("sqs_queue_info", queues=[{**wanted, "maximum_age": "30s"}])
    assert faults(result) == [("age of the oldest message", unique, "1 m")]


def test_no_data_point_is_unknown_unless_the_queue_is_empty(aws: Aws, operate: Operate, unique: str) -> None:
    wanted = [{"name": unique, "maximum_age": "15m"}]
    url = make(aws, unique)
    empty = operate("sqs_queue_info", queues=wanted)
    assert (empty["verdict"], empty["queues"][0]["oldest_age_seconds"]) == ("healthy", 0)

    aws.client("sqs").send_message(QueueUrl=url, MessageBody="one")
    result = operate("sqs_queue_info", queues=wanted)
    assert (result["verdict"], result["queues"][0]["oldest_age_seconds"]) == ("unknown", None)
    assert faults(result) == [("age of the oldest message", unique, "no data point in 15 m, while it holds 1")]


def test_the_age_before_the_queue_was_drained_does_not_count(aws: Aws, operate: Operate, unique: str) -> None:
    url = make(aws, unique, 1)
    publish_age(aws, unique, 7200)
    wanted = [{"name": unique, "maximum_age": "15m"}]
    assert operate("sqs_queue_info", queues=wanted)["verdict"] == "unhealthy"

    aws.client("sqs").purge_queue(QueueUrl=url)
    result = operate("sqs_queue_info", queues=wanted)
    assert (result["verdict"], result["queues"][0]["oldest_age_seconds"]) == ("healthy", 0)
    assert result["evidence"][1]["actual"] == "no message"


def test_ages_of_all_queues_are_one_call(aws: Aws, operate: Operate, unique: str) -> None:
    for number in range(5):
        make(aws, f"{unique}-{number}")
    with aws.calls() as calls:
        operate("sqs_queue_info", queues=[{"name": f"{unique}-*", "maximum_age": "1h"}])

    assert sorted(calls.names()) == ["cloudwatch:GetMetricData", *["sqs:GetQueueAttributes"] * 5, "sqs:ListQueues"]


def test_dead_letters_are_a_fault_unless_allowed(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws, f"dead-{unique}", 2)
    make(aws, unique, dead_letters=f"dead-{unique}")
    result = operate("sqs_queue_info", queues=[{"name": unique}])

    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("dead letters", f"dead-{unique}", f"2 of {unique}")]
    [queue] = result["queues"]
    assert (queue["dead_letter_queue"], queue["dead_letters"], queue["maximum_receives"]) == (f"dead-{unique}", 2, 3)
    assert operate("sqs_queue_info", queues=[{"name": unique}], allow_dead_letters=True)["verdict"] == "healthy"


def test_a_dead_letter_queue_is_known_for_one_when_it_alone_is_named(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws, f"dead-{unique}", 1)
    make(aws, unique, dead_letters=f"dead-{unique}")
    result = operate("sqs_queue_info", queues=[{"name": f"dead-{unique}"}])

    assert faults(result) == [("dead letters", f"dead-{unique}", f"1 of {unique}")]
    assert result["queues"][0]["dead_letter_for"] == [unique]


def test_a_dead_letter_queue_that_was_deleted_is_unhealthy(aws: Aws, operate: Operate, unique: str) -> None:
    gone = make(aws, f"dead-{unique}")
    make(aws, unique, dead_letters=f"dead-{unique}")
    aws.client("sqs").delete_queue(QueueUrl=gone)
    result = operate("sqs_queue_info", queues=[{"name": unique}])

    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("existence", f"dead-{unique}", "does not exist")]


def test_a_missing_queue_is_unhealthy_and_a_pattern_without_any_is_unknown(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws, unique)
    result = operate("sqs_queue_info", queues=[{"name": unique}, {"name": f"no-{unique}"}])
    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("existence", f"no-{unique}", "does not exist")]

    assert operate("sqs_queue_info", queues=[{"name": f"no-{unique}-*"}])["verdict"] == "unknown"


@pytest.mark.parametrize(("service", "action"), [
    ("sqs", "ListQueues"), ("sqs", "GetQueueAttributes"), ("sqs", "ListDeadLetterSourceQueues"),
    ("cloudwatch", "GetMetricData"),
])
def test_denied_is_unknown_and_named(aws: Aws, operate: Operate, unique: str, service: str, action: str) -> None:
    make(aws, unique, 1)
    aws.control("faults", {"faults": [{"service": service, "action": action, "kind": "deny"}]})
    result = operate("sqs_queue_info", queues=[{"name": unique, "maximum_age": "15m"}])

    assert result["verdict"] == "unknown"
    assert "AccessDenied" in result["coverage"]["missing"][0]["reason"]
    assert unique in result["coverage"]["missing"][0]["resource"]
    assert aws.connection["secret_key"] not in str(result)


def test_sees_the_same_under_throttling(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws, unique, 1)
    publish_age(aws, unique, 10)
    aws.control("faults", {"seed": 3, "faults": [{"service": "*", "action": "*", "kind": "throttle", "probability": 0.3}]})
    result = operate("sqs_queue_info", queues=[{"name": unique, "maximum_age": "15m"}])

    assert (result["verdict"], result["coverage"]["complete"]) == ("healthy", True)


def test_reads_all_pages(aws: Aws, operate: Operate, unique: str) -> None:
    sqs = aws.client("sqs")
    for number in range(1005):
        sqs.create_queue(QueueName=f"{unique}-{number:04}")
    with aws.calls() as calls:
        result = operate("sqs_queue_info", queues=[{"name": f"{unique}-1004"}, {"name": f"{unique}-0000"}])

    assert result["verdict"] == "healthy"
    assert calls.names().count("sqs:ListQueues") >= 2


def test_an_age_that_is_no_length_of_time_is_refused(operate: Operate) -> None:
    result = operate("sqs_queue_info", queues=[{"name": "a", "maximum_age": "soon"}])
    assert result["failed"] is True
    assert "soon" in result["msg"]


def test_reads_the_account_and_region_of_its_role(aws: Aws, operate: Operate, unique: str) -> None:
    place = Elsewhere(aws.endpoint)
    place.client("sqs").create_queue(QueueName=unique)

    assert operate("sqs_queue_info", queues=[{"name": unique}], **place.options)["verdict"] == "healthy"
    assert operate("sqs_queue_info", queues=[{"name": unique}])["verdict"] == "unhealthy"
