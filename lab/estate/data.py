"""Seed what stores and what watches: tables, backups, log groups, alarms, metrics, the record bucket."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from lab.estate.connection import Aws
from lab.estate.model import Estate, LogGroup, Metric, Table
from lab.estate.signals import points

_MOST_POINTS_A_CALL = 1000
_STREAM = "main"


def seed_tables(aws: Aws, estate: Estate, now: datetime) -> None:
    """Create the tables with an item each, and their daily backups."""
    for table in estate.tables:
        _create_table(aws, table.name, table.key)
        aws.clients["dynamodb"].put_item(TableName=table.name, Item={table.key: {"S": "demo"}})
        _seed_backups(aws, table, now)


def seed_stores(aws: Aws, lock_table: str, record_bucket: str) -> None:
    """Create what the tool itself needs: the lock table and the record bucket."""
    _create_table(aws, lock_table, "system")
    aws.clients["s3"].create_bucket(Bucket=record_bucket)


def _create_table(aws: Aws, name: str, key: str) -> None:
    aws.clients["dynamodb"].create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _seed_backups(aws: Aws, table: Table, now: datetime) -> None:
    for day in range(table.backups):
        age = timedelta(days=day, hours=table.newest_hours)
        details = aws.clients["dynamodb"].create_backup(
            TableName=table.name, BackupName=f"daily-backup-{now - age:%Y%m%d}"
        )["BackupDetails"]
        aws.backdate("backup", details["BackupArn"], age / timedelta(days=1))


def seed_log_groups(aws: Aws, estate: Estate, now: datetime) -> None:
    """Create the log groups with the ages, retention and last events that they are described with."""
    for group in estate.log_groups:
        _seed_log_group(aws, group, now)


def _seed_log_group(aws: Aws, group: LogGroup, now: datetime) -> None:
    logs = aws.clients["logs"]
    logs.create_log_group(logGroupName=group.name)
    if group.retention:
        logs.put_retention_policy(logGroupName=group.name, retentionInDays=group.retention)
    if group.created:
        aws.backdate("log-group", group.name, group.created)
    if group.last_event is None:
        return
    logs.create_log_stream(logGroupName=group.name, logStreamName=_STREAM)
    # Logs refuses events older than 14 days: an old stream is written to now and then made older.
    recent = group.last_event <= 1
    logs.put_log_events(
        logGroupName=group.name,
        logStreamName=_STREAM,
        logEvents=_events(group.name, now - timedelta(days=group.last_event) if recent else now),
    )
    if not recent:
        aws.backdate("log-stream", f"{group.name}:{_STREAM}", group.last_event)


def _events(group: str, last: datetime) -> list[dict[str, Any]]:
    """Three events, a minute apart, the last one at `last`."""
    source = group.rsplit("/", 1)[-1]
    return [
        {
            "timestamp": int((last - timedelta(minutes=minutes)).timestamp() * 1000),
            "message": json.dumps({"level": "INFO", "source": source, "message": "request served", "duration": 41}),
        }
        for minutes in (2, 1, 0)
    ]


def seed_alarms(aws: Aws, estate: Estate) -> None:
    """Create the alarms, in state OK."""
    cloudwatch = aws.clients["cloudwatch"]
    for alarm in estate.alarms:
        cloudwatch.put_metric_alarm(
            AlarmName=alarm.name,
            Namespace=alarm.namespace,
            MetricName=alarm.metric,
            Dimensions=_dimensions(alarm.dimensions.items()),
            Statistic=alarm.statistic,
            Period=60,
            EvaluationPeriods=5,
            Threshold=alarm.threshold,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )
        cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="OK", StateReason="Threshold not crossed.")


def seed_metrics(aws: Aws, namespace: str, metrics: Iterable[Metric], now: datetime) -> None:
    """Publish the metrics of one namespace, in calls as large as CloudWatch takes."""
    data = (
        {
            "MetricName": metric.name,
            "Dimensions": _dimensions(metric.dimensions.items()),
            "Timestamp": time,
            "Value": value,
            "Unit": metric.unit,
        }
        for metric in metrics
        for time, value in points(metric, now)
    )
    while batch := list(itertools.islice(data, _MOST_POINTS_A_CALL)):
        aws.clients["cloudwatch"].put_metric_data(Namespace=namespace, MetricData=batch)


def _dimensions(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in pairs]
