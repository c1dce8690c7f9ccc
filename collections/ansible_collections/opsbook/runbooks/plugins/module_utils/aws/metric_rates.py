# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What metrics mean: bounds, rates with a denominator of the same window, and now compared with before.

A rate needs errors and requests of the same window, and no requests means no rate, not a rate of zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..core.coverage import Collected
from ..core.durations import say_duration
from ..core.errors import Refused
from ..core.evidence import Evidence
from .metrics import COUNTS, KIND, Bounds, Measurements, Metric, Reading, Window, bounds_of

Baseline = Mapping[str, "float | None"]


@dataclass(frozen=True)
class Rate:
    """A ratio of two metrics.

    :param numerator, denominator: names of metrics that count something
    :param idle: what no requests (and no errors) means: "unknown" or "healthy"
    """

    name: str
    numerator: str
    denominator: str
    idle: str = "unknown"
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class RateReading:
    """What a rate was.

    :param value: None where there is none
    :param reason: why there is none
    :param idle: whether that is because nothing happened at all
    """

    rate: Rate
    value: float | None
    reason: str = ""
    idle: bool = False


def rates_of(given: Sequence[Mapping[str, Any]], metrics: Sequence[Metric]) -> tuple[Rate, ...]:
    """Rates from a module's options.

    :raises Refused: for a name used twice, or a rate of what is no count or not read
    """
    rates = tuple(Rate(one["name"], one["numerator"], one["denominator"], one.get("idle") or "unknown", bounds_of(one))
                  for one in given)
    names = [*(metric.name for metric in metrics), *(rate.name for rate in rates)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused("read metrics", ", ".join(twice), "the name is used more than once", "Give each its own.")
    counts = {metric.name for metric in metrics if metric.stat in COUNTS}
    for rate in rates:
        for name in (rate.numerator, rate.denominator):
            if name not in counts:
                raise Refused("compute a rate", rate.name, f"{name!r} is not one of the metrics that count something",
                              f"Read it under `metrics` with stat {' or '.join(COUNTS)}.")
    return rates


def baseline_of(given: Mapping[str, Any] | None, length: timedelta) -> Baseline | None:
    """The numbers of an earlier result, given whole or only its `measured`; None where there is none.

    :param length: of the window they are compared with
    :raises Refused: when it holds anything but numbers and nulls, or is of a window of another length: sums of 15
        minutes and of 5 do not compare
    """
    if given is None:
        return None
    _refuse_other_length(given.get("window"), length)
    numbers = given["measured"] if isinstance(given.get("measured"), Mapping) else given
    try:
        return {str(name): _number(value) for name, value in numbers.items()}
    except (TypeError, ValueError) as error:
        raise Refused("compare with a baseline", "baseline", f"it is no earlier result of this module ({error})",
                      "Give the registered result, or its `measured`.") from error


def _refuse_other_length(window: Any, length: timedelta) -> None:
    if not (isinstance(window, Mapping) and {"start", "end", "period"} <= set(window)):
        return
    earlier = datetime.fromisoformat(str(window["end"])) - datetime.fromisoformat(str(window["start"]))
    # A window is cut to whole periods.
    if abs(earlier - length) > timedelta(seconds=float(window["period"])):
        raise Refused("compare with a baseline", "baseline", f"it is of {say_duration(earlier)}, and the window is of "
                      f"{say_duration(length)}", "Read both with the same `window`.")


def read_rates(measurements: Measurements, rates: Sequence[Rate]) -> list[RateReading]:
    """Compute the rates from what was read."""
    values = {reading.metric.name: reading.value for reading in measurements.readings}
    return [_read_rate(rate, values) for rate in rates]


def evaluate_metrics(
    collected: Collected[Measurements], rates: Sequence[Rate] = (), baseline: Baseline | None = None
) -> list[Evidence]:
    """What each bound says. A number without bounds is right when there is one.

    :param baseline: earlier values by name; None: nothing is compared
    """
    window = collected.state.window
    evidence: list[Evidence] = []
    for reading in collected.state.readings:
        metric = reading.metric
        evidence += _judged(metric.name, f"{KIND}:{metric.name}", metric.bounds, reading.value, None,
                            _seen(reading, window), baseline)
    for one in read_rates(collected.state, rates):
        without = True if one.idle and one.rate.idle == "healthy" else None
        evidence += _judged(one.rate.name, f"rate:{one.rate.name}", one.rate.bounds, one.value, without,
                            _seen_rate(one, window), baseline)
    return evidence


def describe_metrics(collected: Collected[Measurements], rates: Sequence[Rate] = ()) -> Mapping[str, Any]:
    """Window, metrics and rates as plain data, and under `measured` each one's number by name."""
    window, gaps = collected.state.window, collected.coverage.missing
    computed = read_rates(collected.state, rates)
    measured: dict[str, float | None] = {gap.resource.partition(":")[2]: None for gap in gaps}
    measured.update({reading.metric.name: reading.value for reading in collected.state.readings})
    measured.update({one.rate.name: one.value for one in computed})
    return {
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat(), "period": window.period},
        "measured": measured,
        "metrics": [{"name": reading.metric.name, "query": reading.metric.query, "value": reading.value,
                     "points": reading.points} for reading in collected.state.readings],
        "rates": [{"name": one.rate.name, "value": one.value, "reason": one.reason} for one in computed],
    }


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        raise ValueError("it holds true or false")
    return None if value is None else float(value)


def _read_rate(rate: Rate, values: Mapping[str, float | None]) -> RateReading:
    above, below = values.get(rate.numerator), values.get(rate.denominator)
    if above is None or below is None:
        lacking = rate.numerator if above is None else rate.denominator
        return RateReading(rate, None, f"there is no value of {lacking}")
    if below == 0:
        return RateReading(rate, None, f"no rate: {rate.denominator} is 0 ({rate.numerator} is {above:g})", above == 0)
    return RateReading(rate, above / below)


def _judged(
    name: str, resource: str, bounds: Bounds, value: float | None, without: bool | None, seen: Any,
    baseline: Baseline | None,
) -> list[Evidence]:
    """The evidence of one number. `without` is the answer to everything where there is no number."""
    found: list[tuple[str, str, bool | None]] = []
    if bounds.maximum is not None:
        found.append(("maximum", f"at most {bounds.maximum:g}", value is not None and value <= bounds.maximum))
    if bounds.minimum is not None:
        found.append(("minimum", f"at least {bounds.minimum:g}", value is not None and value >= bounds.minimum))
    if bounds.compares and baseline is not None:
        found.append(("compared with before", *_compared(bounds, value, baseline.get(name))))
    if not found:
        found.append(("value", "a value", True))
    return [Evidence(check, resource, expected, seen, without if value is None else ok) for check, expected, ok in found]


def _compared(bounds: Bounds, value: float | None, before: float | None) -> tuple[str, bool | None]:
    times = 1.0 if bounds.at_most_times is None else bounds.at_most_times
    plus = bounds.plus or 0.0
    if before is None:
        # Counts, rates and percentages are never negative: what is within `plus` is right whatever came before.
        return f"at most {plus:g}, since before there was no value", True if value is not None and value <= plus else None
    most = before * times + plus
    return f"at most {most:g} ({before:g} before, times {times:g}, plus {plus:g})", value is not None and value <= most


def _seen(reading: Reading, window: Window) -> dict[str, Any]:
    seen = {"value": reading.value, "points": reading.points, "query": reading.metric.query, "window": _said(window)}
    if not reading.points:
        seen["reason"] = ("no data point, which means zero here" if reading.metric.missing == "zero" else
                          "no data point: it may be idle, or the dimensions are not the exact set published")
    return seen


def _seen_rate(reading: RateReading, window: Window) -> dict[str, Any]:
    seen = {"value": reading.value, "query": f"{reading.rate.numerator} / {reading.rate.denominator}",
            "window": _said(window)}
    return {**seen, "reason": reading.reason} if reading.reason else seen


def _said(window: Window) -> str:
    return f"{window.start.isoformat()}/{window.end.isoformat()}"
