#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatch_trend_info
version_added: 0.1.0
short_description: Tell when a CloudWatch gauge will be full
description:
  - Reads gauges such as free storage or used space hour by hour, and says how much they change a day and when nothing will
    be left if that goes on.
  - The change a day is the median of the slopes between all pairs of points (Theil and Sen), so that one clean-up or one
    night does not turn it.
  - A gauge with less than 24 points, and one that was not reported for three hours, is V(unknown).
options:
  metrics:
    description:
      - The gauges to read.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the gauge is called in the result.
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
        description: The exact set of dimensions, as published.
        type: dict
        default: {}
      stat:
        description:
          - V(Minimum) of what is free, which runs down to O(metrics[].full), V(Maximum) of what is used, which runs up to
            it.
        type: str
        choices: [Minimum, Maximum]
        required: true
      full:
        description:
          - Its value when nothing is left, V(0) for free bytes, V(100) for per cent used.
        type: float
        required: true
      minimum_days:
        description: It is unhealthy when fewer days are left.
        type: float
        default: 7
      minimum_left:
        description:
          - And when no more than this is left, in the metric's own unit, as V(10) of per cent. A gauge that stands still
            just before O(metrics[].full) has all the days there are.
        type: float
        default: 0
  window:
    description:
      - How far back is looked, as V(7d). Whole weeks, or a week-end looks like a trend.
    type: str
    default: 14d
notes:
  - The permission needed is C(cloudwatch:GetMetricData).
seealso:
  - module: opsbook.runbooks.cloudwatch_metric_info
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Tell when the storage of the shop's database is full
  opsbook.runbooks.cloudwatch_trend_info:
    metrics:
      - name: free storage
        namespace: AWS/RDS
        metric: FreeStorageSpace
        dimensions: {DBInstanceIdentifier: shop-orders}
        stat: Minimum
        full: 0
        minimum_days: 14
        minimum_left: 10737418240
"""

RETURN = r"""
trends:
  description: The gauges that could be read.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The gauge's name.
      type: str
    query:
      description: What was asked, in one line.
      type: str
      sample: Minimum of AWS/RDS FreeStorageSpace {DBInstanceIdentifier=shop-orders}
    points:
      description: How many data points there were.
      type: int
    newest:
      description: The last value, in the metric's own unit; null where there is no data.
      type: float
    left:
      description: How far it is from O(metrics[].full), below 0 where it is past that; null where that could not be told.
      type: float
    a_day:
      description: How much it changes a day; null where that could not be told.
      type: float
    days_left:
      description: Days until nothing is left; null where it does not get nearer, or could not be told.
      type: float
      sample: 41.5
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: What was expected of each gauge and what was seen.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.trends import (
    GAUGES,
    collect_trends,
    describe_trends,
    evaluate_trends,
    targets_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.durations import parse_duration
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT

NAME = {"type": "str", "required": True}


def reading(options, run):
    targets, length = targets_of(options["metrics"]), parse_duration(options["window"])
    return Reading(
        collect=lambda: collect_trends(connector(options), run, options["metrics"], length),
        evaluate=lambda collected: evaluate_trends(collected, targets),
        describe=lambda collected: describe_trends(collected, targets),
    )


def main():
    run_reading(
        options=[AWS, WAIT, {
            "metrics": {"type": "list", "elements": "dict", "required": True, "options": {
                "name": NAME, "namespace": NAME, "metric": NAME,
                "dimensions": {"type": "dict", "default": {}},
                "stat": {"type": "str", "choices": list(GAUGES), "required": True},
                "full": {"type": "float", "required": True},
                "minimum_days": {"type": "float", "default": 7},
                "minimum_left": {"type": "float", "default": 0},
            }},
            "window": {"type": "str", "default": "14d"},
        }],
        reading=reading,
    )


if __name__ == "__main__":
    main()
