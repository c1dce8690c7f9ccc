"""Seed what watches: log groups, alarms, and the metrics of everything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lab.estate.connection import Aws
from lab.estate.metrics import metrics_of
from lab.estate.model import Estate, LogGroup, Metric


def seed_log_groups(aws: Aws, estate: Estate) -> None:
    """Create the log groups with the ages, retention and events that they are described with."""
    if estate.log_groups:
        aws.control("bulk/log-groups", groups=[_described(group) for group in estate.log_groups])


def _described(group: LogGroup) -> dict[str, Any]:
    described = {
        "retention": group.retention,
        "created_days": group.created,
        "last_event_days": group.last_event,
        # Asked for, events are made: a group that was never written to does not ask.
        "events": None if group.last_event is None else group.events,
    }
    return {"name": group.name, **{name: value for name, value in described.items() if value is not None}}


def seed_alarms(aws: Aws, estate: Estate) -> None:
    """Create the alarms, in state OK."""
    cloudwatch = aws.clients["cloudwatch"]
    for alarm in estate.alarms:
        cloudwatch.put_metric_alarm(
            AlarmName=alarm.name,
            Namespace=alarm.namespace,
            MetricName=alarm.metric,
            Dimensions=_dimensions(alarm.dimensions),
            Statistic=alarm.statistic,
            Period=60,
            EvaluationPeriods=5,
            Threshold=alarm.threshold,
            ComparisonOperator=alarm.comparison,
            TreatMissingData="notBreaching",
        )
        cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="OK", StateReason="Threshold not crossed.")


def _dimensions(pairs: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in pairs.items()]


def seed_metrics(aws: Aws, estate: Estate) -> None:
    """Publish the metrics of everything, each in the region in which its service publishes it."""
    by_region: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for metric in metrics_of(estate):
        by_region[metric.region or aws.region].append(signal(metric))
    for region, signals in by_region.items():
        aws.control("metrics/signals", region=region, signals=signals)


def signal(metric: Metric) -> dict[str, Any]:
    """A metric as the control route `metrics/signals` takes it."""
    return {name: value for name, value in asdict(metric).items() if name != "region"}
