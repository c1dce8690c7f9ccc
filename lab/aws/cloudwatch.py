"""CloudWatch metrics as AWS has them: exact dimensions, namespaces that count, percentiles, pages.

Sources: CloudWatch API reference (GetMetricData, GetMetricStatistics, ListMetrics).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterCombination, InvalidParameterValue, ValidationError
from moto.cloudwatch.models import cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from lab.aws import cloudwatch_alarms
from lab.aws.backends import regional
from lab.aws.chance import seed
from lab.aws.cloudwatch_alarms import invalid_token
from lab.aws.control import ControlError, ControlRoutes
from lab.aws.metric_math import Series, UnsupportedExpression, evaluate
from lab.aws.metric_statistics import is_known, statistic
from lab.aws.metric_store import Bucket, Window, buckets, known_series, series_key, signals
from lab.aws.overlays import SeriesKey
from lab.aws.paging import BadToken, page_of
from lab.aws.signals import parse_signal

_MOST_POINTS = 100_800
_MOST_QUERIES = 500
_MOST_STATISTICS_POINTS = 1440
_METRICS_PAGE = 500
_SHORT_PERIODS = (1, 5, 10, 20, 30)


def install(control: ControlRoutes) -> None:
    """Rebind moto's CloudWatch."""
    CloudWatchResponse.get_metric_data = _get_metric_data
    CloudWatchResponse.get_metric_statistics = _get_metric_statistics
    CloudWatchResponse.list_metrics = _list_metrics
    cloudwatch_alarms.install()
    control.route("metrics/signals")(_add_signals)


# --- signals ---------------------------------------------------------------------------------------------------------


def _add_signals(body: Mapping[str, Any]) -> dict[str, Any]:
    """`metrics/signals` {"signals": [...]}: series of this account and region that are evaluated when read."""
    known = signals(regional(cloudwatch_backends))
    try:
        for item in body["signals"]:
            dimensions = frozenset((str(name), str(value)) for name, value in item.get("dimensions", {}).items())
            known[str(item["namespace"]), str(item["name"]), dimensions] = parse_signal(item)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ControlError(f"signals is a list of objects with namespace, name and level: {error!r}") from error
    return {"signals": len(known)}


# --- GetMetricData ---------------------------------------------------------------------------------------------------


def _get_metric_data(self: CloudWatchResponse) -> ActionResult:
    request = self._get_params()
    queries: list[dict[str, Any]] = request.get("MetricDataQueries", [])
    _check_queries(request, queries)
    series: dict[str, Series] = {}
    for query in [query for query in queries if "MetricStat" in query]:
        series[query["Id"]] = _metric_stat(self, query["MetricStat"], request["StartTime"], request["EndTime"])
    for query in [query for query in queries if "MetricStat" not in query]:
        try:
            series[query["Id"]] = evaluate(query["Expression"], series)
        except UnsupportedExpression as error:
            raise ValidationError(f"Error in expression '{query['Id']}': {error}") from error
    newest_first = (request.get("ScanBy") or "TimestampDescending") == "TimestampDescending"
    shown = [
        (query["Id"], _label(query), sorted(series[query["Id"]].items(), reverse=newest_first))
        for query in queries
        if query.get("ReturnData", True)
    ]
    return ActionResult(_data_page(shown, int(request.get("MaxDatapoints") or _MOST_POINTS), request.get("NextToken")))


def _check_queries(request: Mapping[str, Any], queries: list[dict[str, Any]]) -> None:
    if request["StartTime"] >= request["EndTime"]:
        raise ValidationError("The parameter EndTime must be greater than StartTime.")
    if len(queries) > _MOST_QUERIES:
        raise ValidationError(f"The collection MetricDataQueries must not have a size greater than {_MOST_QUERIES}.")
    ids = [query["Id"] for query in queries]
    if len(set(ids)) < len(ids):
        raise ValidationError("The values for parameter Id in MetricDataQueries are not unique.")
    for number, query in enumerate(queries, 1):
        if ("MetricStat" in query) == ("Expression" in query):
            raise ValidationError(
                f"MetricDataQueries.member.{number} must have either MetricStat or Expression, and not both."
            )


def _metric_stat(self: CloudWatchResponse, wanted: Mapping[str, Any], start: datetime, end: datetime) -> Series:
    metric, period = wanted["Metric"], int(wanted["Period"])
    _check_period(period)
    _check_statistic(wanted["Stat"])
    key = series_key(metric["Namespace"], metric["MetricName"], metric.get("Dimensions"))
    window = Window.asked(start, end, period)
    values = {
        bucket.start: statistic(wanted["Stat"], bucket)
        for bucket in buckets(self.cloudwatch_backend, key, window, wanted.get("Unit"), seed())
    }
    return {moment: value for moment, value in values.items() if value is not None}


def _label(query: Mapping[str, Any]) -> str:
    if query.get("Label"):
        return str(query["Label"])
    return str(query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"])


def _data_page(
    shown: list[tuple[str, str, list[tuple[datetime, float]]]], size: int, token: str | None
) -> dict[str, Any]:
    """At most `size` points of all queries together; a result whose points go on in a later page is PartialData.

    One without any point is whole on the first page, wherever it stands.
    """
    if token is not None and not token.isdigit():
        raise invalid_token()
    start, position = int(token or 0), 0
    results = []
    for query_id, label, points in shown:
        first, last = position, position + len(points)
        position = last
        page = points[max(start - first, 0) : max(start + size - first, 0)]
        if not page and (points or start):
            continue
        results.append({
            "Id": query_id,
            "Label": label,
            "Timestamps": [moment for moment, _ in page],
            "Values": [value for _, value in page],
            "StatusCode": "Complete" if not points or last <= start + size else "PartialData",
        })
    answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    return answer if position <= start + size else {**answer, "NextToken": str(start + size)}


# --- GetMetricStatistics ---------------------------------------------------------------------------------------------


def _get_metric_statistics(self: CloudWatchResponse) -> ActionResult:
    request = self._get_params()
    simple, extended = request.get("Statistics") or [], request.get("ExtendedStatistics") or []
    start, end, period = request["StartTime"], request["EndTime"], int(request["Period"])
    _check_statistics(bool(simple), bool(extended), start, end, period)
    for name in [*simple, *extended]:
        _check_statistic(name)
    key = series_key(request["Namespace"], request["MetricName"], request.get("Dimensions"))
    found = buckets(
        self.cloudwatch_backend, key, Window.asked(start, end, period), request.get("Unit"), seed()
    )
    points = [_point(bucket, simple, extended) for bucket in found]
    # AWS gives the points in no particular order; a client that relies on one must fail here as well.
    random.Random(len(points)).shuffle(points)
    return ActionResult({"Label": request["MetricName"], "Datapoints": points})


def _check_statistics(simple: bool, extended: bool, start: datetime, end: datetime, period: int) -> None:
    if simple == extended:
        raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics, and not both")
    if start >= end:
        raise InvalidParameterValue("The parameter StartTime must be less than the parameter EndTime.")
    _check_period(period)
    points = int((end - start).total_seconds() / period)
    if points > _MOST_STATISTICS_POINTS:
        raise InvalidParameterCombination(
            f"You have requested up to {points:,} datapoints, which exceeds the limit of {_MOST_STATISTICS_POINTS:,}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        )


def _point(bucket: Bucket, simple: list[str], extended: list[str]) -> dict[str, Any]:
    point: dict[str, Any] = {"Timestamp": bucket.start, "Unit": bucket.unit or "None"}
    point |= {name: statistic(name, bucket) for name in simple}
    percentiles = {name: statistic(name, bucket) for name in extended}
    known = {name: value for name, value in percentiles.items() if value is not None}
    return {**point, "ExtendedStatistics": known} if known else point


# --- both ------------------------------------------------------------------------------------------------------------


def _check_statistic(name: str) -> None:
    if not is_known(name):
        raise InvalidParameterValue(f"The value {name} for parameter Stat is not supported by the lab.")


def _check_period(period: int) -> None:
    if period not in _SHORT_PERIODS and (period < 60 or period % 60):
        raise InvalidParameterValue("The parameter Period must be 1, 5, 10, 20, 30, or any multiple of 60.")


# --- ListMetrics -----------------------------------------------------------------------------------------------------


def _list_metrics(self: CloudWatchResponse) -> ActionResult:
    request = self._get_params()
    found = sorted(
        (key for key in known_series(self.cloudwatch_backend) if _is_listed(key, request)),
        key=_sortable,
    )
    try:
        page, token = page_of(found, _METRICS_PAGE, request.get("NextToken"), _sortable)
    except BadToken as error:
        raise invalid_token() from error
    metrics = [
        {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in sorted(dimensions)],
        }
        for namespace, name, dimensions in page
    ]
    return ActionResult({"Metrics": metrics, "NextToken": token})


def _is_listed(key: SeriesKey, request: Mapping[str, Any]) -> bool:
    """By namespace, name, and dimensions that may be a part of the metric's, with or without values."""
    namespace, name, dimensions = key
    names = {item for item, _ in dimensions}
    return (
        request.get("Namespace") in (None, namespace)
        and request.get("MetricName") in (None, name)
        and all(
            (wanted["Name"], wanted["Value"]) in dimensions if "Value" in wanted else wanted["Name"] in names
            for wanted in request.get("Dimensions") or []
        )
    )


def _sortable(key: SeriesKey) -> str:
    namespace, name, dimensions = key
    return repr((namespace, name, sorted(dimensions)))
