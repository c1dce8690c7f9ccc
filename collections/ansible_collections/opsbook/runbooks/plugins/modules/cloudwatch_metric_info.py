#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatch_metric_info
version_added: 0.1.0
short_description: Read CloudWatch metrics, rates, and how they compare with before
description:
  - Reduces each metric to one number over one window with GetMetricData, computes rates of them, and holds both
    against bounds and against an earlier result.
  - An average is the window's own, its sum over its number of samples, never an average of averages. A percentile is
    asked for with one period over the whole window, since percentiles cannot be joined.
  - A rate has numerator and denominator of the same window. A denominator of 0 means that there is no rate.
options:
  metrics:
    description:
      - The numbers to read.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the number is called in the result.
        type: str
        required: true
      namespace:
        description: The metric's namespace.
        type: str
        required: true
      metric:
        description: The metric's name in CloudWatch.
        type: str
        required: true
      dimensions:
        description:
          - The exact set of dimensions, as published. CloudWatch answers any other set with no data, not with an error;
            C(AWS/ECS) needs ClusterName and ServiceName.
        type: dict
        default: {}
      stat:
        description:
          - V(Average), V(Sum), V(Maximum), V(Minimum), V(SampleCount), or a percentile as V(p95) or V(p99.9).
        type: str
        required: true
      missing:
        description:
          - What it means that there is no data point. V(zero) suits counts that are reported only when something
            happens (requests, errors), and only those; wrong dimensions then read as zero too.
        type: str
        choices: [unknown, zero]
        default: unknown
      maximum:
        description: It is unhealthy above this.
        type: float
      minimum:
        description: It is unhealthy below this.
        type: float
      at_most_times:
        description:
          - Compared with O(baseline), it may be at most so many times as large, and O(metrics[].plus) more. 1 where only
            O(metrics[].plus) is given.
        type: float
      plus:
        description:
          - Compared with O(baseline), how much may come on top of O(metrics[].at_most_times). 0 where only that is given.
        type: float
  rates:
    description:
      - Ratios of two numbers that count something (V(Sum) or V(SampleCount)).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What the rate is called in the result.
        type: str
        required: true
      numerator:
        description: Name of the metric above the line.
        type: str
        required: true
      denominator:
        description: Name of the metric below the line.
        type: str
        required: true
      maximum:
        description: It is unhealthy above this ratio; 0.05 is 5 %.
        type: float
      minimum:
        description: It is unhealthy below this ratio.
        type: float
      idle:
        description:
          - What it means when both are 0, so that there is no rate. A numerator above 0 with a denominator of 0 is
            unknown in any case.
        type: str
        choices: [unknown, healthy]
        default: unknown
      at_most_times:
        description:
          - Compared with O(baseline), it may be at most so many times as large, and O(rates[].plus) more. 1 where only
            O(rates[].plus) is given.
        type: float
      plus:
        description:
          - Compared with O(baseline), how much may come on top of O(rates[].at_most_times). 0 where only that is given.
        type: float
  window:
    description:
      - How far back the window goes from its end, as V(15m), V(1h), V(7d). Rounded up to whole periods.
    type: str
    default: 15m
  period:
    description:
      - Length in seconds of the periods that are asked for and then joined, a multiple of 60.
      - CloudWatch keeps only periods of 300 s beyond 15 days and of 3600 s beyond 63 days; older windows use those.
    type: int
    default: 60
  end:
    description:
      - The window's end, ISO 8601, UTC where it names no zone. Without it, now. Rounded down to the minute.
    type: str
  baseline:
    description:
      - An earlier result of this module, or its RV(measured). Metrics and rates with C(at_most_times) or C(plus) are
        compared with it; without it they are not.
      - A whole result must be of a O(window) of the same length, since sums of different lengths do not compare.
      - Where there was no value before, only a number within C(plus) is right; anything above it is unknown.
    type: dict
notes:
  - A O(window) that reaches back before a change holds numbers of both sides of it. Compare over one that began after.
  - The newest minute may not be complete yet, since services report with a delay. Give an O(end) some minutes ago, or a
    longer O(window), where that matters.
  - CloudWatch rounds the start of a window down to the minute (5 minutes beyond 15 days, an hour beyond 63), and its
    periods begin at the start. A percentile is believed only when its one point begins there; otherwise it is a gap.
  - A number without any bound is right when there is one, and unknown when there is none.
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read load and errors before the change
  opsbook.runbooks.cloudwatch_metric_info:
    metrics: "{{ shop_metrics }}"
    rates: "{{ shop_rates }}"
  register: before
  vars: &shop
    shop_metrics:
      - name: cpu
        namespace: AWS/ECS
        metric: CPUUtilization
        dimensions: {ClusterName: shop, ServiceName: api}
        stat: Average
        maximum: 80
        at_most_times: 1.5
        plus: 5
      - name: requests
        namespace: AWS/ApplicationELB
        metric: RequestCount
        dimensions: {LoadBalancer: app/shop/50dc6c495c0c9188}
        stat: Sum
        missing: zero
      - name: errors
        namespace: AWS/ApplicationELB
        metric: HTTPCode_Target_5XX_Count
        dimensions: {LoadBalancer: app/shop/50dc6c495c0c9188}
        stat: Sum
        missing: zero
    shop_rates:
      - name: error rate
        numerator: errors
        denominator: requests
        maximum: 0.05
        plus: 0.01

- name: Compare load and errors with before the change
  opsbook.runbooks.cloudwatch_metric_info:
    metrics: "{{ shop_metrics }}"
    rates: "{{ shop_rates }}"
    baseline: "{{ before }}"
  vars: *shop
"""

RETURN = r"""
measured:
  description: Each metric's and each rate's number by name, null where there is none. An O(baseline) for later.
  returned: always
  type: dict
  sample: {"cpu": 41.7, "requests": 27011.0, "errors": 12.0, "error rate": 0.00044}
window:
  description: The window that was read.
  returned: always
  type: dict
  contains:
    start:
      description: Its start, included, ISO 8601.
      type: str
    end:
      description: Its end, not included, ISO 8601.
      type: str
    period:
      description: Length of its periods in seconds.
      type: int
metrics:
  description: The metrics that could be read, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The number's name.
      type: str
    query:
      description: What was asked, in one line.
      type: str
      sample: Average of AWS/ECS CPUUtilization {ClusterName=shop, ServiceName=api}
    value:
      description: The number over the window, in the metric's own unit; null where there is no data.
      type: float
    points:
      description: How many data points it was computed from; 1 for a percentile.
      type: int
rates:
  description: The rates, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The rate's name.
      type: str
    value:
      description: The ratio, null where there is none.
      type: float
    reason:
      description: Why there is none, empty where there is one.
      type: str
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: What each bound expects and what was seen, with query, window and number of data points.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metric_rates import (
    baseline_of,
    describe_metrics,
    evaluate_metrics,
    rates_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metrics import collect_metrics, metric_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.durations import parse_duration
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT

NAME = {"type": "str", "required": True}
BOUNDS = {bound: {"type": "float"} for bound in ("maximum", "minimum", "at_most_times", "plus")}


def reading(options, run):
    metrics = [metric_of(given) for given in options["metrics"]]
    length = parse_duration(options["window"])
    rates, baseline = rates_of(options["rates"], metrics), baseline_of(options["baseline"], length)
    return Reading(
        collect=lambda: collect_metrics(connector(options), run, metrics, options["end"], length, options["period"]),
        evaluate=lambda collected: evaluate_metrics(collected, rates, baseline),
        describe=lambda collected: describe_metrics(collected, rates),
    )


def main():
    run_reading(
        options=[AWS, WAIT, {
            "metrics": {"type": "list", "elements": "dict", "required": True, "options": {
                "name": NAME, "namespace": NAME, "metric": NAME, "stat": NAME, **BOUNDS,
                "dimensions": {"type": "dict", "default": {}},
                "missing": {"type": "str", "choices": ["unknown", "zero"], "default": "unknown"},
            }},
            "rates": {"type": "list", "elements": "dict", "default": [], "options": {
                "name": NAME, "numerator": NAME, "denominator": NAME, **BOUNDS,
                "idle": {"type": "str", "choices": ["unknown", "healthy"], "default": "unknown"},
            }},
            "window": {"type": "str", "default": "15m"},
            "period": {"type": "int", "default": 60},
            "end": {"type": "str"},
            "baseline": {"type": "dict"},
        }],
        reading=reading,
    )


if __name__ == "__main__":
    main()
