"""The PetShop data set (Hardt et al., "The PetShop Dataset", CLeaR 2024, CC-BY-4.0) as service maps and series.

Real incidents of an application on ECS, Lambda, DynamoDB, RDS, SQS and API Gateway, as AWS X-Ray saw them. The library knows
nothing of it; what is decided here is decided by X-Ray's node types alone:

* `_client` nodes are where traces begin and `_remote` nodes are callees that send no traces: both are other components'
  views of something, without telemetry of their own, and so not ours to look into.
* A type of two parts (`AWS::SSM`) is a service of AWS as its client sees it: not ours. Of three parts (`AWS::ECS::Fargate`)
  it is a resource in the account: ours. So is a database (`Database::SQL`), and what has no type: instrumented code.
* A two-part node that itself calls something is the front of a resource of ours (`AWS::Lambda` before its function): ours.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from opsbook.diagnosis.metrics import ERRORS, LATENCY
from opsbook.diagnosis.series import COUNT, GAUGE, Series
from opsbook.diagnosis.service_map import Component, ServiceMap
from opsbook.evidence.pieces import Span

PERIOD = 300
FAMILIES = {"latency": LATENCY, "availability": ERRORS}
KINDS = {"DynamoDB": "dynamodb_table", "ECS": "ecs_service", "Lambda": "lambda_function", "SQS": "sqs_queue",
         "ApiGateway": "http_api", "SQL": "rds_instance"}


@dataclass(frozen=True, eq=False)
class Incident:
    """A labelled incident.

    :param group: the traffic scenario that it belongs to
    :param alarmed: where the alarm rang
    :param family: latency or errors
    :param cause: the component that was broken
    :param series: baseline and window, the baseline moved to end where the window begins
    """

    group: str
    name: str
    service_map: ServiceMap
    alarmed: str
    family: str
    cause: str
    series: tuple[Series, ...]
    window: Span
    baseline: Span


def owned(name: str, calls: Iterable[str]) -> bool:
    """Whether a node is ours to look into, see above."""
    if name.endswith(("_remote", "_client")):
        return False
    parts = _type(name).split("::") if _type(name) else []
    return len(parts) != 2 or parts[0] != "AWS" or bool(list(calls))


def _type(name: str) -> str:
    """X-Ray's type of a node: what follows the last underscore, where it is written like one."""
    if "::" not in name:
        return ""
    return name.rsplit("_", 1)[-1]


def service_map(path: Path) -> ServiceMap:
    """The call graph of a file: each row calls the columns that are not 0."""
    with path.open(encoding="utf-8", newline="") as lines:
        header, *rows = list(csv.reader(lines))
    calls = {row[0]: tuple(name for name, value in zip(header[1:], row[1:], strict=True) if float(value)) for row in rows}
    called = {callee for callees in calls.values() for callee in callees}
    return ServiceMap(tuple(
        Component(name, _kind(name), name, callees, name not in called, owned(name, callees))
        for name, callees in calls.items()))


def _kind(name: str) -> str:
    return next((kind for part, kind in KINDS.items() if part in _type(name).split("::")), "external")


@cache
def read_series(path: Path) -> tuple[Series, ...]:
    """The mean latency in ms, the requests and the failed requests of each node."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="") as lines:
        nodes, metrics, statistics, *rows = list(csv.reader(lines))
    rows = [row for row in rows if row[0] != "unix_timestamp"]
    moments = [datetime.fromtimestamp(float(row[0]), UTC) for row in rows]
    wanted = {("latency", "Average"), ("requests", "Sum"), ("availability", "Average")}
    points: dict[tuple[str, str], dict[datetime, float]] = {}
    for column, (node, metric, statistic) in enumerate(zip(nodes, metrics, statistics, strict=True)):
        if (metric, statistic) in wanted:
            points[node, metric] = {moment: float(row[column]) for moment, row in zip(moments, rows, strict=True)
                                    if row[column] != ""}
    return tuple(series for node in dict.fromkeys(node for node, _metric in points) for series in _of_node(node, points))


def _of_node(node: str, points: dict[tuple[str, str], dict[datetime, float]]) -> tuple[Series, ...]:
    """Failures are counted from availability and requests, as a counter would have."""
    asked = points.get((node, "requests"), {})
    failed = {moment: asked[moment] * (1 - available / 100)
              for moment, available in points.get((node, "availability"), {}).items() if moment in asked}
    slow = {moment: 1000 * seconds for moment, seconds in points.get((node, "latency"), {}).items()}
    return (Series(node, "latency_avg", "ms", GAUGE, tuple(sorted(slow.items())), PERIOD),
            Series(node, "requests", "requests", COUNT, tuple(sorted(asked.items())), PERIOD),
            Series(node, "errors", "requests", COUNT, tuple(sorted(failed.items())), PERIOD))


def span_of(series: Iterable[Series]) -> Span:
    """From the first to the end of the last period of all of them."""
    moments = [moment for one in series for moment, _value in one.points]
    return Span(min(moments), max(moments) + timedelta(seconds=PERIOD))


def joined(baseline: tuple[Series, ...], window: tuple[Series, ...]) -> tuple[tuple[Series, ...], Span, Span]:
    """A window with a baseline that was recorded at another time: moved so that it ends where the window begins.

    :returns: the series, the window and the baseline
    """
    begun, before = span_of(window), span_of(baseline)
    moved = begun.start - before.end
    known = {(one.component, one.metric): one for one in baseline}
    series = [replace(one, points=(*((moment + moved, value) for moment, value in
                                     known[one.component, one.metric].points), *one.points))
              if (one.component, one.metric) in known else one for one in window]
    return tuple(series), begun, Span(before.start + moved, begun.start)


def noissue_of(folder: Path, group: str) -> Path | None:
    """The stretch with nothing wrong that a group is compared with: its own, else the only other one there is."""
    own = sorted((folder / group).glob("noissue/metrics.csv*"))
    return next(iter([*own, *sorted(folder.glob("*/noissue/metrics.csv*"))]), None)


def incidents(folder: Path, group: str) -> list[Incident]:
    """The labelled incidents of a group, of whatever split is there; none where there is no baseline."""
    quiet = noissue_of(folder, group)
    if quiet is None:
        return []
    graph = service_map(folder / group / "graph.csv")
    return [_incident(group, path.parent, graph, read_series(quiet))
            for path in sorted((folder / group).glob("*/*/target.json"))]


def _incident(group: str, folder: Path, graph: ServiceMap, quiet: tuple[Series, ...]) -> Incident:
    told = json.loads((folder / "target.json").read_text(encoding="utf-8"))
    series, window, baseline = joined(quiet, read_series(next(folder.glob("metrics.csv*"))))
    target = told["target"]
    return Incident(group, f"{folder.parent.name}/{folder.name}", graph, target["node"], FAMILIES[target["metric"]],
                    told["root_cause"]["node"], series, window, baseline)
