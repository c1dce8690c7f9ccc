"""Measurements of a system's components from CloudWatch, minute by minute, over the baseline and the window.

What no data point means is decided here, since AWS publishes many counts only when there is something to count: of a
component that published anything under the same dimensions there was none. Under dimensions that published nothing at all
nobody knows: it may be idle, or its id may be wrong, which CloudWatch does not tell apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metric_series import MetricSeries, collect_series
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metrics import COUNTS, MINUTE, Metric, Window, window_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap
from opsbook.diagnosis.series import COUNT, GAUGE, Series
from opsbook.diagnosis.service_map import Component, ServiceMap
from opsbook.evidence.metric_table import (
    HOST_WORDS,
    MEASURES,
    NAMESPACES,
    OPERATIONS,
    TARGETS_OF,
    Measure,
    published_as,
)
from opsbook.evidence.pieces import Piece, Span
from opsbook.evidence.sources import Source, attempt, aws_in, undeclared, whole

SETTLING = timedelta(minutes=2)
"""How long the newest points are not believed yet: services publish a minute's metrics within the next ones."""

CLOUDFRONT_REGION = "us-east-1"
"""Where CloudFront publishes, wherever the system is."""

SEVERAL = 4
"""From how many components on a reason that all have is said for all together."""


@dataclass(frozen=True)
class Wanted:
    """One series that is wanted.

    :param where: namespace and dimensions without the operation: what is published together or not at all
    :param metrics: what it is made of
    """

    component: Component
    measure: Measure
    where: tuple[str, tuple[tuple[str, str], ...]]
    metrics: tuple[Metric, ...]


def component_series(
    case: Source, kinds: Sequence[str] | None = None, metrics: Sequence[str] | None = None, name: str = "metrics"
) -> Piece[Series]:
    """The series of the components of the service map.

    :param kinds: kinds of components; None means all that CloudWatch knows
    :param metrics: our names of metrics ("requests", "errors"); None means all
    :param name: what the piece is called
    """
    span = whole(case)
    chosen = [component for component in case.service_map.components if kinds is None or component.kind in kinds]
    wanted = [one for component in chosen for one in wanted_of(component, case.service_map, case.declared)
              if metrics is None or one.measure.metric in metrics]
    query = (f"GetMetricData by the minute: {', '.join(metrics) if metrics else 'all metrics'} of "
             f"{', '.join(kinds) if kinds else 'all kinds'} ({sum(len(one.metrics) for one in wanted)} queries)")
    blank: Piece[Series] = Piece(name, "cloudwatch", query, span)
    if not wanted:
        return undeclared(blank, f"{' or '.join(kinds or ('component',))} in its service map that CloudWatch measures")
    return attempt(blank, lambda piece: _read(case, piece, wanted))


def _read(case: Source, blank: Piece[Series], wanted: Sequence[Wanted]) -> Piece[Series]:
    span = whole(case)
    end = min(span.end, case.now - SETTLING)
    window = window_of(case.now, end.isoformat(), end - span.start, MINUTE)
    answers: dict[int, list[MetricSeries]] = {}
    for region in sorted({_region(case, one) for one in wanted}):
        there = [number for number, one in enumerate(wanted) if _region(case, one) == region]
        asked = [metric for number in there for metric in wanted[number].metrics]
        connect = aws_in(case, region) if region else case.aws()
        found = iter(collect_series(connect, case.run, asked, window))
        answers.update({number: [next(found) for _metric in wanted[number].metrics] for number in there})
    series, coverage = assembled(wanted, [answers[number] for number in range(len(wanted))], window)
    return Piece(blank.name, blank.source, blank.query, Span(window.start, window.end), series, coverage,
                 {"metrics_read": sum(len(one.metrics) for one in wanted)})


def _region(case: Source, wanted: Wanted) -> str:
    """The region that a series is read in where it is not the system's own."""
    return CLOUDFRONT_REGION if wanted.component.kind == "distribution" else ""


def wanted_of(component: Component, service_map: ServiceMap, declared: Mapping[str, Any]) -> list[Wanted]:
    """What is to be read of a component.

    :param declared: the inventory's keys: the cluster of its services, and what its hosts publish
    """
    found = _declared_of(component, declared)
    if component.kind == "host":
        known = {one.measure.metric for one in found}
        return [*found, *(one for one in _of_host(component, declared) if one.measure.metric not in known)]
    dimensions = dimensions_of(component, declared)
    if dimensions:
        found += _published(component, published_as(component), dimensions)
    if component.target_group:
        for balancer in service_map.of_kind("load_balancer"):
            if component.name in balancer.calls:
                found += _published(component, TARGETS_OF[published_as(balancer)],
                                    {"TargetGroup": component.target_group, "LoadBalancer": balancer.id})
    return found


def _published(component: Component, key: str, dimensions: Mapping[str, str]) -> list[Wanted]:
    return [_wanted(component, measure, NAMESPACES[key], dimensions) for measure in MEASURES[key]]


def dimensions_of(component: Component, declared: Mapping[str, Any]) -> dict[str, str]:
    """The exact dimensions of a component's own metrics; none where CloudWatch does not know its kind."""
    one = component.id
    return {
        "load_balancer": {"LoadBalancer": one},
        "ecs_service": {"ClusterName": str(declared.get("ecs_cluster") or "").rpartition("/")[2], "ServiceName": one},
        "lambda_function": {"FunctionName": one},
        "dynamodb_table": {"TableName": one},
        "http_api": {"ApiId": one},
        "sqs_queue": {"QueueName": one},
        "rds_instance": {"DBInstanceIdentifier": one},
        # A cluster of one node, or the member of a replication group that the map names.
        "elasticache_cluster": {"CacheClusterId": one, "CacheNodeId": "0001"},
        "distribution": {"DistributionId": one, "Region": "Global"},
    }.get(component.kind, {})


def assembled(
    wanted: Sequence[Wanted], answers: Sequence[Sequence[MetricSeries]], window: Window
) -> tuple[tuple[Series, ...], Coverage]:
    """Our series of CloudWatch's, and what is known of each component.

    :param answers: those of each wanted one's metrics, in the same order
    """
    alive = {one.where for one, answer in zip(wanted, answers, strict=True) for each in answer if each.points}
    series = []
    for one, answer in zip(wanted, answers, strict=True):
        known = [each for each in answer if not each.trouble]
        silent_entry = one.component.entry and one.where not in alive
        if known and len(known) == len(answer) and (one.where in alive or silent_entry):
            points = _joined(one.measure, known)
            if points or one.measure.kind == COUNT:
                series.append(Series(one.component.name, one.measure.metric, one.measure.unit, one.measure.kind, points,
                                     window.period, one.measure.kind == COUNT))
    return tuple(series), _coverage(wanted, answers, alive)


def _joined(measure: Measure, answers: Sequence[MetricSeries]) -> tuple[tuple[datetime, float], ...]:
    joined: dict[datetime, float] = {}
    for answer in answers:
        for moment, value in answer.points.items():
            before = joined.get(moment)
            joined[moment] = value if before is None else before + value if measure.kind == COUNT else max(before, value)
    return tuple((moment, round(value * measure.scale, 6)) for moment, value in sorted(joined.items()))


def _coverage(
    wanted: Sequence[Wanted], answers: Sequence[Sequence[MetricSeries]], alive: set[Any]
) -> Coverage:
    """One entry a component: read, or why not; a gap that all its metrics have is said once."""
    read: list[str] = []
    missing: list[Gap] = []
    silent: list[Gap] = []
    for component in dict.fromkeys(one.component for one in wanted):
        of_it = [(one, each) for one, answer in zip(wanted, answers, strict=True) if one.component is component
                 for each in answer]
        troubles: dict[str, list[str]] = {}
        for one, each in of_it:
            if each.trouble:
                troubles.setdefault(each.trouble, []).append(one.measure.metric)
        resource = f"metrics of {component.name}"
        missing += [Gap(resource if len(troubles) == 1 and len(names) == len(of_it) else
                        f"{resource}: {', '.join(dict.fromkeys(names))}", why) for why, names in troubles.items()]
        if not troubles:
            read.append(resource)
            (missing if component.entry else silent).extend(_silence(resource, of_it, alive))
    return Coverage(tuple(read), _said_once(missing), tuple(silent))


def _said_once(gaps: Sequence[Gap]) -> tuple[Gap, ...]:
    """Gaps of several components with one reason are one: a permission that is missing is missing for all."""
    alike: dict[str, list[str]] = {}
    for gap in gaps:
        alike.setdefault(gap.reason, []).append(gap.resource)
    return tuple(Gap("; ".join(resources) if len(resources) < SEVERAL else
                     f"metrics of {len(resources)} components, {resources[0].removeprefix('metrics of ')} first", reason)
                 for reason, resources in alike.items())


def _silence(resource: str, of_it: Sequence[tuple[Wanted, MetricSeries]], alive: set[Any]) -> Iterator[Gap]:
    for where in dict.fromkeys(one.where for one, _each in of_it):
        if where not in alive:
            dimensions = ", ".join(f"{name}={value}" for name, value in where[1])
            yield Gap(resource, f"{where[0]} has no data point under {dimensions}: it did nothing, or its id is another")


def _wanted(component: Component, measure: Measure, namespace: str, dimensions: Mapping[str, str]) -> Wanted:
    sets = [{**dimensions, "Operation": operation} for operation in OPERATIONS] if measure.by_operation else [dimensions]
    metrics = tuple(Metric(measure.metric, namespace, name, each, measure.stat) for name in measure.names for each in sets)
    return Wanted(component, measure, (namespace, tuple(sorted(dimensions.items()))), metrics)


def _declared_of(component: Component, declared: Mapping[str, Any]) -> list[Wanted]:
    """What the inventory says that a component publishes by itself (`component_metrics`)."""
    return [
        _wanted(component, Measure(given["metric"], given["unit"], _kind_of(given["stat"]), (given["name"],), given["stat"],
                                   float(given.get("scale") or 1)), given["namespace"], given["dimensions"])
        for given in declared.get("component_metrics") or () if given["component"] == component.name]


def _kind_of(stat: str) -> str:
    return COUNT if stat in COUNTS else GAUGE


def _of_host(component: Component, declared: Mapping[str, Any]) -> list[Wanted]:
    """What an agent publishes of a host: the declared checks and gauges that have it among their dimensions."""
    checks = declared.get("metric_checks") or {}
    words = {rate[part]: word for rate in reversed(checks.get("rates") or [])
             for part, word in (("numerator", "errors"), ("denominator", "requests"))}
    found: dict[str, Wanted] = {}
    for given in (*(checks.get("metrics") or ()), *(declared.get("storage_trends") or ())):
        if component.id in given["dimensions"].values():
            measure = _measure_of(given, words)
            found.setdefault(measure.metric, _wanted(component, measure, given["namespace"], given["dimensions"]))
    return list(found.values())


def _measure_of(given: Mapping[str, Any], words: Mapping[str, str]) -> Measure:
    own = re.sub(r"\W+", "_", str(given["name"]).lower()).strip("_")
    metric, unit = HOST_WORDS.get(str(given["metric"]).lower(), (words.get(given["name"], own), ""))
    kind = _kind_of(given["stat"])
    return Measure(metric, unit or ("events" if kind == COUNT else "value"), kind, (given["metric"],), given["stat"])
