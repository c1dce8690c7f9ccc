"""dynamodb_table_info against the lab's AWS: use, throttling, indexes, idle, missing, denied, many pages, elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing
from tests.support.elsewhere import Elsewhere

UNITS = {"ReadCapacityUnits": 10, "WriteCapacityUnits": 10}


def make(client: Any, name: str, on_demand: bool = False, index: str = "") -> None:
    """A table of 10 reads and writes a second, or on demand; an index has 5 each."""
    more: dict[str, Any] = {"BillingMode": "PAY_PER_REQUEST"} if on_demand else {"ProvisionedThroughput": UNITS}
    if index:
        more["GlobalSecondaryIndexes"] = [
            {"IndexName": index, "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
             "Projection": {"ProjectionType": "ALL"},
             "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}}]
    client.create_table(TableName=name, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], **more)


def publish(client: Any, table: str, metric: str, *values: float, index: str = "", operation: str = "") -> None:
    """A value a minute, the last two minutes ago."""
    dimensions = [{"Name": "TableName", "Value": table}]
    dimensions += [{"Name": "GlobalSecondaryIndexName", "Value": index}] if index else []
    dimensions += [{"Name": "Operation", "Value": operation}] if operation else []
    now = datetime.now(UTC) - timedelta(minutes=1)
    client.put_metric_data(Namespace="AWS/DynamoDB", MetricData=[
        {"MetricName": metric, "Dimensions": dimensions, "Timestamp": now - timedelta(minutes=len(values) - place),
         "Value": value} for place, value in enumerate(values)])


def use(client: Any, table: str, reads: float, writes: float, index: str = "") -> None:
    """So many units a second, for 14 minutes."""
    publish(client, table, "ConsumedReadCapacityUnits", *[reads * 60] * 14, index=index)
    publish(client, table, "ConsumedWriteCapacityUnits", *[writes * 60] * 14, index=index)


@pytest.fixture
def table(aws: Aws, unique: str) -> str:
    """A table whose reads are at half of what is provisioned, its writes at a fifth."""
    make(aws.client("dynamodb"), unique)
    use(aws.client("cloudwatch"), unique, 5, 2)
    return unique


def faults(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["check"], item["resource"]) for item in result["evidence"] if item["ok"] is not True]


def test_reads_a_table_also_in_check_mode(aws: Aws, operate: Operate, table: str) -> None:
    with aws.calls() as calls:
        checked = operate("dynamodb_table_info", check_mode=True, tables=[table])
    result = operate("dynamodb_table_info", tables=[table])

    assert changing(calls) == []
    assert calls.names() == ["dynamodb:DescribeTable", "cloudwatch:GetMetricData"]
    assert (checked["verdict"], result["verdict"], result["changed"]) == ("healthy", "healthy", False)
    [seen] = result["tables"]
    assert (seen["name"], seen["status"], seen["billing_mode"]) == (table, "ACTIVE", "PROVISIONED")
    [capacity] = seen["capacity"]
    assert (capacity["index"], capacity["read"]["limit"], capacity["read"]["limit_source"]) == (None, 10, "provisioned")
    assert capacity["read"]["used_percent"] == pytest.approx(50, abs=1)
    assert capacity["write"]["used_percent"] == pytest.approx(20, abs=1)
    # The minute now running has no data point yet.
    assert 4 <= capacity["read"]["consumed_per_second"] <= 5
    assert capacity["read"]["throttle_events"] == 0


def test_more_used_than_may_be_is_unhealthy(operate: Operate, table: str) -> None:
    result = operate("dynamodb_table_info", tables=[table], maximum_used=40)
    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("read throughput used", f"dynamodb-table:{table}")]


@pytest.mark.parametrize("direction", ["Read", "Write"])
def test_throttling_is_unhealthy_whatever_was_used(aws: Aws, operate: Operate, table: str, direction: str) -> None:
    publish(aws.client("cloudwatch"), table, f"{direction}ThrottleEvents", 3, 4)
    result = operate("dynamodb_table_info", tables=[table])
    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("throttle events", f"dynamodb-table:{table}")]
    assert result["tables"][0]["capacity"][0][direction.lower()]["throttle_events"] == 7
    assert operate("dynamodb_table_info", tables=[table], maximum_throttle_events=7)["verdict"] == "healthy"


def test_older_throttling_is_seen_in_a_longer_window_only(aws: Aws, operate: Operate, table: str) -> None:
    publish(aws.client("cloudwatch"), table, "ReadThrottleEvents", 3, *[0] * 30)
    assert operate("dynamodb_table_info", tables=[table])["verdict"] == "healthy"
    assert operate("dynamodb_table_info", tables=[table], window="1h")["verdict"] == "unhealthy"
    earlier = (datetime.now(UTC) - timedelta(minutes=25)).isoformat()
    assert ("throttle events", f"dynamodb-table:{table}") in faults(
        operate("dynamodb_table_info", tables=[table], end=earlier, idle="healthy"))


def test_an_index_is_judged_by_its_own_throughput_and_metrics(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws.client("dynamodb"), unique, index="by-date")
    use(aws.client("cloudwatch"), unique, 5, 5)
    use(aws.client("cloudwatch"), unique, 1, 4.5, index="by-date")
    result = operate("dynamodb_table_info", tables=[unique])

    assert faults(result) == [("write throughput used", f"dynamodb-index:{unique}/by-date")]
    assert [part["index"] for part in result["tables"][0]["capacity"]] == [None, "by-date"]


def test_an_on_demand_table_is_judged_by_what_it_may_use(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws.client("dynamodb"), unique, on_demand=True)
    use(aws.client("cloudwatch"), unique, 5000, 1)
    result = operate("dynamodb_table_info", tables=[unique])
    assert result["verdict"] == "healthy"
    assert result["tables"][0]["capacity"][0]["read"]["limit_source"] == "quota"

    assert operate("dynamodb_table_info", tables=[unique], on_demand_limit=6000)["verdict"] == "unhealthy"


def test_no_data_point_is_unknown_unless_it_may_be_idle(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws.client("dynamodb"), unique)
    # Of a single operation, which is another metric: nothing is known of the table from it.
    publish(aws.client("cloudwatch"), unique, "ConsumedReadCapacityUnits", 60, operation="Query")
    result = operate("dynamodb_table_info", tables=[unique])
    assert result["verdict"] == "unknown"
    assert [check for check, _ in faults(result)] == ["read throughput used", "write throughput used"]

    assert operate("dynamodb_table_info", tables=[unique], idle="healthy")["verdict"] == "healthy"


def test_an_index_that_is_only_written_is_healthy_and_one_that_nobody_uses_where_that_was_said(
    aws: Aws, operate: Operate, unique: str
) -> None:
    make(aws.client("dynamodb"), unique, index="by-date")
    use(aws.client("cloudwatch"), unique, 5, 5)
    result = operate("dynamodb_table_info", tables=[unique])
    index = f"dynamodb-index:{unique}/by-date"
    assert faults(result) == [("read throughput used", index), ("write throughput used", index)]
    assert operate("dynamodb_table_info", tables=[unique], idle="healthy")["verdict"] == "healthy"

    publish(aws.client("cloudwatch"), unique, "ConsumedWriteCapacityUnits", *[60.0] * 14, index="by-date")
    assert operate("dynamodb_table_info", tables=[unique])["verdict"] == "healthy"


def test_metrics_of_all_tables_are_one_call(aws: Aws, operate: Operate, unique: str) -> None:
    for number in range(6):
        make(aws.client("dynamodb"), f"{unique}-{number}")
    with aws.calls() as calls:
        operate("dynamodb_table_info", tables=[f"{unique}-*"])

    assert calls.names().count("cloudwatch:GetMetricData") == 1
    assert calls.names().count("dynamodb:DescribeTable") == 6


def test_a_missing_table_is_unhealthy_and_a_pattern_without_any_is_unknown(operate: Operate, table: str) -> None:
    for wanted in ([table, f"no-{table}"], [f"{table}*", f"no-{table}"]):
        result = operate("dynamodb_table_info", tables=wanted)
        assert result["verdict"] == "unhealthy"
        assert faults(result) == [("existence", f"dynamodb-table:no-{table}")]
        assert [seen["name"] for seen in result["tables"]] == [table]

    assert operate("dynamodb_table_info", tables=[f"no-{table}-*"])["verdict"] == "unknown"


@pytest.mark.parametrize(("service", "action"), [
    ("dynamodb", "DescribeTable"), ("dynamodb", "ListTables"), ("cloudwatch", "GetMetricData"),
])
def test_denied_is_unknown_and_named(aws: Aws, operate: Operate, table: str, service: str, action: str) -> None:
    aws.control("faults", {"faults": [{"service": service, "action": action, "kind": "deny"}]})
    result = operate("dynamodb_table_info", tables=[f"{table}*" if action == "ListTables" else table], idle="healthy")

    assert result["verdict"] == "unknown"
    assert "AccessDenied" in result["coverage"]["missing"][0]["reason"]
    assert table in result["coverage"]["missing"][0]["resource"]
    assert aws.connection["secret_key"] not in str(result)


def test_sees_the_same_under_throttling(aws: Aws, operate: Operate, table: str) -> None:
    aws.control("faults", {"seed": 3, "faults": [{"service": "*", "action": "*", "kind": "throttle", "probability": 0.3}]})
    assert operate("dynamodb_table_info", tables=[f"{table}*"])["verdict"] == "healthy"


def test_reads_all_pages(aws: Aws, operate: Operate, unique: str) -> None:
    for number in range(104):
        make(aws.client("dynamodb"), f"{unique}-{number:03}", on_demand=True)
    result = operate("dynamodb_table_info", tables=[f"{unique}-*"], idle="healthy")

    assert (len(result["tables"]), result["verdict"]) == (104, "healthy")


def test_reads_the_account_and_region_of_its_role(aws: Aws, operate: Operate, unique: str) -> None:
    place = Elsewhere(aws.endpoint)
    make(place.client("dynamodb"), unique)
    use(place.client("cloudwatch"), unique, 5, 2)

    assert operate("dynamodb_table_info", tables=[unique], **place.options)["verdict"] == "healthy"
    assert operate("dynamodb_table_info", tables=[unique])["verdict"] == "unhealthy"
