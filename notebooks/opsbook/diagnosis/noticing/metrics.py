"""Signs in the metrics of components: unusual against the baseline, or beyond what the procedures allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from opsbook.diagnosis.anomaly import TOGETHER, Anomaly, anomalies_of, requests_of
from opsbook.diagnosis.change_point import STEP, change_point
from opsbook.diagnosis.metrics import DENOMINATORS, direction_of
from opsbook.diagnosis.rates import silence_of
from opsbook.diagnosis.robust import DOWN, UP
from opsbook.diagnosis.saturation import leak_of
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.series import Series
from opsbook.diagnosis.signs import Sign
from opsbook.diagnosis.survey import per_usual
from opsbook.evidence.pieces import Span

UNUSUAL = {
    "errors": "errors-up", "error_percent": "errors-up", "balancer_errors": "errors-up", "latency_p95": "latency-up",
    "throttles": "throttled", "throttled_requests": "throttled", "unhealthy_hosts": "targets-unhealthy",
    "queue_depth": "queue-up", "age_of_oldest": "queue-up", "evictions": "evicting",
}
"""Metrics that are a sign where they are unusual, some of them only beyond a limit as well (`_matters`)."""

TWICE, AT_ONCE = 2.0, 1.4
"""How much more or less traffic is news: a day's wave moves it by less than twice from the middle of a baseline of hours to
the window, and by less than that at once. Latency goes with it, and is news from there on or beyond its limit."""

IDLE_CAPACITY = 0.5
"""Below this part of what is provisioned a table as a whole is not short of capacity: one partition of it may be."""

SILENT_PERIODS = 3
"""A service may publish a minute late or two: fewer silent periods are no silence."""

LEAST_BEFORE = timedelta(minutes=30)
"""What must be left of a baseline when the trouble began in it: half an hour shows what is usual."""

Known = Mapping[tuple[str, str], Series]


def metric_signs(scene: Scene, series: Sequence[Series], evidence: str) -> list[Sign]:
    """The signs in components' metrics.

    :param series: of all components
    :param evidence: the name of the piece that they are from
    """
    known = {(one.component, one.metric): one for one in series}
    anomalies = [_before_it_began(scene, known, one) for one in anomalies_of(known.values(), scene.window, scene.baseline)]
    unusual = [_unusual(scene, known, anomaly, evidence) for anomaly in anomalies
               if anomaly.unusual and anomaly.metric in UNUSUAL and anomaly.direction == UP and _matters(scene, anomaly)]
    return [
        *unusual,
        *_beyond(scene, known, {(sign.component, sign.kind) for sign in unusual}, evidence),
        *_surges(scene, known, anomalies, evidence),
        *_silences(scene, known, evidence),
        *_losses(scene, known, anomalies, evidence),
        *_limits(scene, known, evidence),
        *_capacities(scene, known, evidence),
        *_leaks(scene, known, evidence),
    ]


def _matters(scene: Scene, anomaly: Anomaly) -> bool:
    """Whether anybody would feel it: a latency can surely be a fifth higher, and fast; a queue is there to fill."""
    if anomaly.metric == "latency_p95":
        return anomaly.actual >= AT_ONCE * anomaly.usual or anomaly.actual > scene.limits.latency_p95_ms
    if anomaly.metric in ("queue_depth", "age_of_oldest"):
        return anomaly.actual > scene.queue_limit(anomaly.component, anomaly.metric)
    return True


def _before_it_began(scene: Scene, known: Known, anomaly: Anomaly) -> Anomaly:
    """The anomaly, held against the stretch before the trouble began where that was in the baseline already.

    A baseline of which the end is trouble calls the trouble usual, and an outage of two hours would look like health.
    """
    if anomaly.unusual or anomaly.metric not in (*UNUSUAL, "requests"):
        return anomaly
    onset = onset_of(scene, known, anomaly.component, anomaly.metric)
    if onset is None or not scene.baseline.start + LEAST_BEFORE <= onset < scene.window.start:
        return anomaly
    mine = [known[anomaly.component, metric] for metric in (anomaly.metric, *DENOMINATORS)
            if (anomaly.component, metric) in known]
    found = anomalies_of(mine, scene.window, Span(scene.baseline.start, onset))
    return next((one for one in found if one.metric == anomaly.metric), anomaly)


def _beyond(scene: Scene, known: Known, said: set[tuple[str, str]], evidence: str) -> Iterator[Sign]:
    """Failures and latency beyond what the procedures allow, whatever was usual before: always bad is bad."""
    users = {one.name for one in scene.service_map.components if one.entry}
    for (component, metric), one in known.items():
        if component not in users or (component, UNUSUAL.get(metric, "")) in said:
            continue
        if metric == "latency_p95":
            worst, limit, unit = _worst(one, scene), scene.limits.latency_p95_ms, "ms"
        elif metric == "errors":
            worst, limit, unit = _worst_share(scene, known, component), scene.limits.error_rate_percent, "% of requests"
        else:
            continue
        if worst is not None and worst > limit:
            told = f"{metric.replace('_', ' ')} {worst:,.1f} {unit}, and the limit is {limit:g}; it was no better before."
            yield Sign(component, UNUSUAL[metric], told, (evidence,), None, {"at_most": limit}, {metric: round(worst, 2)})


def _worst_share(scene: Scene, known: Known, component: str) -> float | None:
    """The greatest per cent of failed requests in three periods together; None where too few are known."""
    errors, requests = known.get((component, "errors")), known.get((component, "requests"))
    if errors is None or requests is None:
        return None
    failed = dict(errors.points)
    pairs = [(min(failed.get(moment, 0.0), asked), asked)
             for moment, asked in requests.within(scene.window.start, scene.window.end)]
    stretches = [pairs[first:first + TOGETHER] for first in range(len(pairs) - TOGETHER + 1)]
    shares = [100 * sum(had for had, _of in some) / total for some in stretches if (total := sum(of for _had, of in some))]
    return max(shares, default=None)


def onset_of(scene: Scene, known: Known, component: str, metric: str) -> datetime | None:
    """When a metric changed; of failures, as many as there would be at the usual number of requests."""
    one, requests = known[component, metric], requests_of(known, component, metric)
    measured = per_usual(one, requests, scene.baseline) if requests else one
    found = change_point(measured, scene.window, scene.baseline, direction_of(metric))
    return found.onset if found and found.believable else None


def _unusual(scene: Scene, known: Known, anomaly: Anomaly, evidence: str) -> Sign:
    onset = onset_of(scene, known, anomaly.component, anomaly.metric)
    usual, actual = ((f"{anomaly.usual:.2%}", f"{anomaly.actual:.2%} of requests") if anomaly.share
                     else (said_number(anomaly.usual), f"{said_number(anomaly.actual)} {anomaly.unit}"))
    text = f"{anomaly.metric.replace('_', ' ')} {actual}, usually {usual}."
    return Sign(anomaly.component, UNUSUAL[anomaly.metric], text, (evidence,), onset,
                _level(anomaly, anomaly.usual), _level(anomaly, anomaly.actual))


def _level(anomaly: Anomaly, value: float) -> dict[str, object]:
    if anomaly.share:
        return {"percent_of_requests": round(100 * value, 3)}
    return {anomaly.metric: round(value, 3), "unit": anomaly.unit}


def _surges(scene: Scene, known: Known, anomalies: Sequence[Anomaly], evidence: str) -> Iterator[Sign]:
    """Many more requests than before."""
    for one in anomalies:
        times = one.actual / max(one.usual, 1.0)
        if one.metric == "requests" and one.unusual and one.direction == UP and _is_no_wave(scene, known, one, times):
            yield _of_requests(scene, known, one, "requests-up", evidence)


def _losses(scene: Scene, known: Known, anomalies: Sequence[Anomaly], evidence: str) -> Iterator[Sign]:
    """Requests of which a good part stopped: one of few clients is gone, or one of few ways in."""
    for one in anomalies:
        times = one.usual / max(one.actual, 1.0)
        if one.metric == "requests" and one.unusual and one.direction == DOWN and _is_no_wave(scene, known, one, times):
            yield _of_requests(scene, known, one, "requests-gone", evidence)


def _is_no_wave(scene: Scene, known: Known, one: Anomaly, times: float) -> bool:
    """Whether traffic moved by more than evenings and mornings move it: twice, or half as much again at once."""
    if times >= TWICE:
        return True
    change = change_point(known[one.component, "requests"], scene.window, scene.baseline, one.direction)
    return times >= AT_ONCE and change is not None and change.believable and change.shape == STEP


def _of_requests(scene: Scene, known: Known, one: Anomaly, kind: str, evidence: str) -> Sign:
    onset = onset_of(scene, known, one.component, one.metric)
    return Sign(one.component, kind, f"{one.actual:,.0f} requests a minute, usually {one.usual:,.0f}.", (evidence,), onset,
                {"requests": round(one.usual)}, {"requests": round(one.actual)})


def _silences(scene: Scene, known: Known, evidence: str) -> Iterator[Sign]:
    """Requests that stopped altogether."""
    for (component, metric), one in known.items():
        if metric != "requests":
            continue
        silence = silence_of(one, scene.window, scene.baseline)
        lasted = (scene.window.end - silence.since).total_seconds() / one.period if silence else 0.0
        if silence and silence.believable and lasted >= SILENT_PERIODS:
            yield Sign(component, "requests-gone", f"No request since {silence.since:%H:%M} UTC; {silence.expected:,.0f} "
                       "would have come in that time.", (evidence,), silence.since, {"requests": round(silence.expected)},
                       {"requests": 0})


def _limits(scene: Scene, known: Known, evidence: str) -> Iterator[Sign]:
    """Gauges beyond their limit, in the median of three periods, and more than they were before."""
    limits = scene.limits
    for metrics, kind, limit in (
        (("cpu_percent", "cpu_percent_max"), "cpu-high", limits.cpu_percent),
        (("memory_percent", "memory_percent_max"), "memory-high", limits.memory_percent),
        (("disk_percent",), "disk-filling", limits.disk_percent),
    ):
        for (component, metric), one in known.items():
            worst = _worst(one, scene) if metric in metrics else None
            if worst is None or worst <= limit:
                continue
            before = [value for _moment, value in one.within(scene.baseline.start, scene.baseline.end)]
            if before and median(before) > limit:
                continue  # as busy as every day: that is no news, and no cause of something new
            usual = f"{median(before):.1f} %" if before else "unknown"
            yield Sign(component, kind, f"{metric.replace('_', ' ')} reached {worst:.1f} %, usually {usual}; the limit is "
                       f"{limit:g} %.", (evidence,), onset_of(scene, known, component, metric),
                       {"at_most_percent": limit}, {"percent": round(worst, 1)})


def _worst(one: Series, scene: Scene) -> float | None:
    """The greatest median of three periods in the window; None where there are fewer."""
    values = [value for _moment, value in one.within(scene.window.start, scene.window.end)]
    stretches = [values[first:first + TOGETHER] for first in range(len(values) - TOGETHER + 1)]
    return max((median(some) for some in stretches), default=None)


def _capacities(scene: Scene, known: Known, evidence: str) -> Iterator[Sign]:
    """Of tables with provisioned throughput: how much of it was used while requests were refused, else at the busiest."""
    for (component, metric), consumed in known.items():
        if not metric.startswith("consumed_"):
            continue
        way = metric.removeprefix("consumed_")
        provisioned = known.get((component, f"provisioned_{way}"))
        refused = known.get((component, f"{way}_throttles"))
        used = _used(scene, consumed, provisioned) if provisioned else {}
        if not used:
            continue
        throttled = [moment for moment, count in (refused.within(scene.window.start, scene.window.end) if refused else ())
                     if count > 0 and moment in used]
        share = median(used[moment] for moment in throttled) if throttled else max(used.values())
        when = " in the minutes that throttle" if throttled else ""
        text = f"{way}: {share:.0%} of the provisioned capacity is used{when}."
        expected, actual = {"at_most_percent": scene.limits.capacity_percent}, {"percent": round(100 * share, 1)}
        if share * 100 >= scene.limits.capacity_percent:
            onset = onset_of(scene, known, component, metric)
            yield Sign(component, "near-capacity", text, (evidence,), onset, expected, actual)
        elif throttled and share < IDLE_CAPACITY:
            yield Sign(component, "below-capacity", text, (evidence,), None, expected, actual)


def _used(scene: Scene, consumed: Series, provisioned: Series) -> dict[datetime, float]:
    """By minute, which part of the provisioned capacity was used; consumption is a sum, capacity is by the second."""
    capacity = dict(provisioned.points)
    newest = provisioned.points[-1][1] if provisioned.points else 0.0
    return {moment: units / consumed.period / (capacity.get(moment) or newest)
            for moment, units in consumed.within(scene.window.start, scene.window.end) if capacity.get(moment) or newest}


def _leaks(scene: Scene, known: Known, evidence: str) -> Iterator[Sign]:
    """Memory that keeps rising through baseline and window."""
    span = Span(scene.baseline.start, scene.window.end)
    for (component, metric), one in known.items():
        leak = leak_of(one, span, 100.0) if metric == "memory_percent" else None
        if leak:
            yield Sign(component, "memory-rising", f"Its memory rises by {leak.an_hour:.1f} % an hour and is at "
                       f"{leak.newest:.0f} %: full in {leak.hours_left:.1f} h.", (evidence,), None, {"rising": False},
                       {"percent_an_hour": round(leak.an_hour, 2), "hours_left": round(leak.hours_left, 1)})


def said_number(value: float) -> str:
    """A number as a person reads it: thousands apart, no more digits than matter."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
