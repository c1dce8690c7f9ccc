"""What a table's throughput is, which metrics are read of it, and what their numbers mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.dynamodb_tables import (
    Limit,
    Part,
    Table,
    Tables,
    consumed_name,
    metrics_of,
    table_of,
    throttled_name,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.dynamodb_usage import (
    Allowed,
    describe_tables,
    evaluate_tables,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.listings import Found
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metrics import Reading, Window
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(minutes=15), NOW, 300)
PROVISIONED = {"ReadCapacityUnits": 100, "WriteCapacityUnits": 50}


def reply(**rest: Any) -> dict[str, Any]:
    return {"TableName": "orders", "TableStatus": "ACTIVE", **rest}


@pytest.mark.parametrize(
    ("more", "read", "write"),
    [
        pytest.param({"ProvisionedThroughput": PROVISIONED}, Limit(100, "provisioned"), Limit(50, "provisioned"),
                     id="provisioned_needs_no_billing_mode"),
        pytest.param({"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}, "ProvisionedThroughput": {
            "ReadCapacityUnits": 0, "WriteCapacityUnits": 0}}, Limit(40000, "quota"), Limit(40000, "quota"), id="on_demand"),
        pytest.param({"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                      "OnDemandThroughput": {"MaxReadRequestUnits": 500, "MaxWriteRequestUnits": -1}},
                     Limit(500, "maximum"), Limit(40000, "quota"), id="on_demand_with_one_maximum"),
    ],
)
def test_what_may_be_used(more: dict[str, Any], read: Limit, write: Limit) -> None:
    [part] = table_of(reply(**more), 40000).parts

    assert (part.read, part.write) == (read, write)


def test_an_index_has_a_throughput_and_metrics_of_its_own() -> None:
    table = table_of(reply(ProvisionedThroughput=PROVISIONED, GlobalSecondaryIndexes=[
        {"IndexName": "by-date", "IndexStatus": "CREATING",
         "ProvisionedThroughput": {"ReadCapacityUnits": 7, "WriteCapacityUnits": 8}}]), 40000)
    own, index = table.parts

    assert (index.resource, index.status, index.read.units, index.write.units) == (
        "dynamodb-index:orders/by-date", "CREATING", 7, 8)
    assert {metric.metric for metric in metrics_of(own)} == {
        "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents"}
    assert all(dict(metric.dimensions) == {"TableName": "orders"} for metric in metrics_of(own))
    assert all(dict(metric.dimensions) == {"TableName": "orders", "GlobalSecondaryIndexName": "by-date"}
               for metric in metrics_of(index))


def test_only_throttle_events_without_a_data_point_are_none() -> None:
    [part] = table_of(reply(ProvisionedThroughput=PROVISIONED), 40000).parts

    assert {metric.metric: metric.missing for metric in metrics_of(part)} == {
        "ConsumedReadCapacityUnits": "unknown", "ReadThrottleEvents": "zero",
        "ConsumedWriteCapacityUnits": "unknown", "WriteThrottleEvents": "zero"}


def state(status: str = "ACTIVE", **numbers: list[float] | None) -> Tables:
    """A table of 100 reads and writes a second with sums of five minutes each; None: could not be read."""
    part = Part("orders", "", status, Limit(100, "provisioned"), Limit(100, "provisioned"))
    names = {"read": consumed_name(part, "Read"), "write": consumed_name(part, "Write"),
             "read_throttles": throttled_name(part, "Read"), "write_throttles": throttled_name(part, "Write")}
    metrics = {metric.name: metric for metric in metrics_of(part)}
    readings = {}
    for key, sums in {"read": [0.0], "write": [0.0], "read_throttles": [], "write_throttles": [], **numbers}.items():
        if sums is not None:
            series = {WINDOW.start + timedelta(minutes=5 * place): value for place, value in enumerate(sums)}
            value = sum(sums) if sums or "throttles" in key else None
            readings[names[key]] = Reading(metrics[names[key]], value, len(sums), series)
    return Tables(Found((Table("orders", status, "PROVISIONED", 1, 2, (part,)),)), WINDOW, readings)


def answers(tables: Tables, allowed: Allowed | None = None) -> dict[str, bool | None]:
    return {item.check: item.ok for item in evaluate_tables(Collected(tables, NOW), allowed or Allowed())}


@pytest.mark.parametrize(
    ("status", "ok"),
    [("ACTIVE", True), pytest.param("UPDATING", True, id="still_serves"), ("CREATING", False), ("DELETING", False),
     ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", False), ("", False)],
)
def test_judges_the_status(status: str, ok: bool) -> None:
    assert answers(state(status))["status"] is ok


@pytest.mark.parametrize(
    ("sums", "ok", "used"),
    [
        pytest.param([24000, 0, 0], True, 80, id="as_much_as_may_be"),
        pytest.param([24030, 0, 0], False, 80.1, id="too_much"),
        pytest.param([12000, 27000, 0], False, 90, id="the_busiest_period_counts_not_the_average"),
        pytest.param([0], True, 0, id="nothing_used"),
        pytest.param([], None, None, id="no_data_point_is_unknown"),
    ],
)
def test_judges_the_use(sums: list[float], ok: bool | None, used: float | None) -> None:
    tables = state(read=sums, write=[])

    assert answers(tables)["read throughput used"] is ok
    [part] = describe_tables(Collected(tables, NOW))["tables"][0]["capacity"]
    assert part["read"]["used_percent"] == used
    assert part["read"]["consumed_per_second"] == (round(sum(sums) / 900, 3) if sums else None)


@pytest.mark.parametrize(
    ("numbers", "reads", "writes"),
    [
        pytest.param({"read": [], "write": [60.0]}, True, True, id="only_written"),
        pytest.param({"read": [60.0], "write": []}, True, True, id="only_read"),
        pytest.param({"read": [], "write": []}, None, None, id="neither"),
        pytest.param({"read": [], "write": None}, None, "absent", id="writes_could_not_be_read"),
        pytest.param({"read": [], "write": [30000.0]}, True, False, id="written_too_much"),
    ],
)
def test_what_is_only_written_was_not_read(numbers: dict[str, Any], reads: bool | None, writes: bool | str | None) -> None:
    seen = answers(state(**numbers))

    assert (seen["read throughput used"], seen.get("write throughput used", "absent")) == (reads, writes)


def test_an_idle_table_is_healthy_where_that_was_said() -> None:
    assert answers(state(read=[], write=[]), Allowed(idle="healthy")) == {
        "status": True, "read throughput used": True, "write throughput used": True, "throttle events": True}


@pytest.mark.parametrize(
    ("reads", "writes", "most", "ok"),
    [([], [], 0, True), ([1], [], 0, False), ([], [0, 1], 0, False), ([1], [1], 2, True), ([1], [2], 2, False)],
)
def test_judges_throttle_events(reads: list[float], writes: list[float], most: int, ok: bool) -> None:
    seen = answers(state(read_throttles=reads, write_throttles=writes), Allowed(maximum_throttle_events=most))

    assert seen["throttle events"] is ok


@pytest.mark.parametrize("idle", ["unknown", "healthy"])
def test_metrics_that_could_not_be_read_are_no_evidence(idle: str) -> None:
    """The coverage says that they are missing."""
    assert answers(state(read=None, write=None, read_throttles=None, write_throttles=None), Allowed(idle=idle)) == {
        "status": True}


def test_speaks_in_words() -> None:
    evidence = evaluate_tables(Collected(state(read=[27000], read_throttles=[3]), NOW), Allowed())
    limit, when = "at most 80 % of the 100 units per second provisioned", "in the busiest 5 minutes of 15 m"

    assert [(item.expected, item.actual) for item in evidence] == [
        ("ACTIVE", "ACTIVE"),
        (limit, f"90 % (90.0 units per second {when})"),
        (limit, f"0 % (0.0 units per second {when})"),
        ("none in 15 m", "3 reads, 0 writes"),
    ]


@pytest.mark.parametrize(("writes", "said"), [
    ([60.0], "no data point in 15 m, while there is one of writes: none was used"),
    ([], "no data point in 15 m: it may be idle"),
])
def test_says_why_there_is_no_number(writes: list[float], said: str) -> None:
    evidence = evaluate_tables(Collected(state(read=[], write=writes), NOW), Allowed())

    assert [item.actual for item in evidence if item.check == "read throughput used"] == [said]
