#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dynamodb_table_info
version_added: 0.1.0
short_description: Read state and use of DynamoDB tables
description:
  - Reads status and throughput of Amazon DynamoDB tables and their global secondary indexes, how much of the throughput was
    used over a window, and how much was throttled.
  - A table is healthy when it can be used, in the busiest five minutes of the window little enough of what is provisioned
    (or what an on-demand table may use) was used, and nothing was throttled. So is each of its indexes.
  - A table that is named and does not exist is unhealthy.
options:
  tables:
    description:
      - The tables, by name or shell-style pattern. An empty list means every table of the region.
    type: list
    elements: str
    default: []
  maximum_used:
    description:
      - How much of the throughput may be used, in per cent, reads and writes each.
    type: int
    default: 80
  maximum_throttle_events:
    description:
      - How many reads and writes together may be throttled in the window, of a table and of each index.
    type: int
    default: 0
  window:
    description:
      - The time that the metrics are read over, as V(15m), V(1h); rounded up to whole periods of five minutes.
    type: str
    default: 15m
  end:
    description:
      - When the window ends, ISO 8601, in UTC unless it names a zone. Without it the window ends now.
    type: str
  on_demand_limit:
    description:
      - Units per second that an on-demand table, or an index of one, may use where it has no maximum of its own. The default
        is the quota of AWS in most regions.
    type: int
    default: 40000
  idle:
    description:
      - What it means when CloudWatch has no data point of consumption in the window, as of a table or an index that nobody
        uses for a while.
      - Where there are reads only or writes only, there was nothing of the other, whatever this says. What may not be read
        is V(unknown) all the same.
    type: str
    choices: [unknown, healthy]
    default: unknown
notes:
  - The permissions needed are C(dynamodb:DescribeTable), C(cloudwatch:GetMetricData), and C(dynamodb:ListTables) for
    patterns.
  - Auto scaling is not looked at; what is provisioned at the moment counts.
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the tables of the shop over the last hour
  opsbook.runbooks.dynamodb_table_info:
    tables: ["shop-*"]
    window: 1h
    idle: healthy
  register: tables

- name: Stop where a table is used too much
  ansible.builtin.assert:
    that: tables.verdict == "healthy"
    fail_msg: "{{ tables.evidence | rejectattr('ok') | list }}"
"""

RETURN = r"""
tables:
  description: The tables that could be read. Those chosen by pattern are sorted by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The table's name.
      type: str
    status:
      description: Its status. V(ACTIVE) and V(UPDATING) can be used.
      type: str
    billing_mode:
      description: V(PROVISIONED) or V(PAY_PER_REQUEST).
      type: str
    items:
      description: How many items it has, as DynamoDB counts every six hours.
      type: int
    size_bytes:
      description: Its size in bytes, as DynamoDB measures every six hours.
      type: int
    capacity:
      description: Throughput and use of the table itself, then of each global secondary index.
      type: list
      elements: dict
      contains:
        index:
          description: Name of the index, null for the table itself.
          type: str
        status:
          description: Status of the table or the index.
          type: str
        read:
          description: Of reads.
          type: dict
          contains: &use
            limit:
              description: Units per second that may be used.
              type: int
            limit_source:
              description: V(provisioned), V(maximum) where an on-demand table has one of its own, or V(quota).
              type: str
            consumed_per_second:
              description: Units per second over the window, null where CloudWatch had no data.
              type: float
            used_percent:
              description: Per cent of the limit in the busiest five minutes, null where CloudWatch had no data.
              type: float
            throttle_events:
              description: How many were throttled in the window, null where that could not be read.
              type: int
        write:
          description: Of writes.
          type: dict
          contains: *use
window:
  description: The window of the metrics.
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
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Status, use of reads and writes, and throttle events of each table and index, in words.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.dynamodb_tables import collect_tables
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.dynamodb_usage import (
    Allowed,
    describe_tables,
    evaluate_tables,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.durations import parse_duration
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT


def reading(options, run):
    length = parse_duration(options["window"])
    allowed = Allowed(options["maximum_used"], options["maximum_throttle_events"], options["idle"])
    return Reading(
        collect=lambda: collect_tables(connector(options), run, options["tables"], options["end"], length,
                                       options["on_demand_limit"]),
        evaluate=lambda collected: evaluate_tables(collected, allowed),
        describe=describe_tables,
    )


def main():
    run_reading(
        options=[AWS, WAIT, {
            "tables": {"type": "list", "elements": "str", "default": []},
            "maximum_used": {"type": "int", "default": 80},
            "maximum_throttle_events": {"type": "int", "default": 0},
            "window": {"type": "str", "default": "15m"},
            "end": {"type": "str"},
            "on_demand_limit": {"type": "int", "default": 40000},
            "idle": {"type": "str", "choices": ["unknown", "healthy"], "default": "unknown"},
        }],
        reading=reading,
    )


if __name__ == "__main__":
    main()
