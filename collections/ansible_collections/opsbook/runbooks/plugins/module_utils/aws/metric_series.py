# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CloudWatch metrics period by period, as they were published: what `metrics` reduces to one number, kept whole.

A percentile of each period is right for that period, and says nothing of the whole: percentiles cannot be joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..core.run import Run
from .client import Connect
from .metrics import Metric, Series, Window, ask


@dataclass(frozen=True)
class MetricSeries:
    """One metric over a window.

    :param points: by the start of their period, UTC, in time order; empty where nothing was published
    :param trouble: why they could not be read whole; empty where they could
    """

    metric: Metric
    points: Mapping[datetime, float] = field(default_factory=dict)
    trouble: str = ""


def collect_series(connect: Connect, run: Run, metrics: Sequence[Metric], window: Window) -> list[MetricSeries]:
    """Read all metrics over the window, 500 a call and all pages; answers come in the metrics' order.

    :param metrics: their `name` and `missing` do not matter here
    :param window: whole periods, as `metrics.window_of` makes them
    """
    answers, failures = ask(connect, run, [_query(number, metric, window) for number, metric in enumerate(metrics)], window)
    return [_series(metric, answers.get(f"m{number}"), failures.get(f"m{number}", ""))
            for number, metric in enumerate(metrics)]


def _query(number: int, metric: Metric, window: Window) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in sorted(metric.dimensions.items())]
    return {
        "Id": f"m{number}",
        "MetricStat": {
            "Metric": {"Namespace": metric.namespace, "MetricName": metric.metric, "Dimensions": dimensions},
            "Period": window.period,
            "Stat": metric.stat,
        },
    }


def _series(metric: Metric, answer: Series | None, failure: str) -> MetricSeries:
    if failure or answer is None:
        return MetricSeries(metric, trouble=failure or "CloudWatch gave no answer for it")
    trouble = "" if answer.status == "Complete" else f"CloudWatch's answer was not complete ({answer.status or 'no status'})"
    return MetricSeries(metric, dict(sorted(answer.points.items())), trouble)
