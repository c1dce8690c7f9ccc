#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatch_alarm_info
version_added: 0.1.0
short_description: Read the state of CloudWatch alarms
description:
  - Reads metric alarms and composite alarms, all pages, and tells which are in state V(ALARM), why and since when.
  - An alarm that CloudWatch could not evaluate whole is unknown, whatever state it shows.
  - Where no alarm was found there is nothing to conclude from, and the verdict is unknown.
options:
  alarm_names:
    description:
      - The alarms, by name or shell-style pattern. An empty list means every alarm of the region, or all that begin
        with O(alarm_name_prefix).
      - A name that no metric or composite alarm has is missing from the coverage, and the verdict is unknown at best.
    type: list
    elements: str
    default: []
  alarm_name_prefix:
    description:
      - Only alarms whose names begin with this. Patterns are then chosen among those, which is cheaper than among all.
    type: str
  insufficient_data:
    description:
      - What state C(INSUFFICIENT_DATA) means. V(healthy) suits alarms on errors that nothing reports when there are none.
    type: str
    choices: [unknown, healthy]
    default: unknown
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the alarms of production
  opsbook.runbooks.cloudwatch_alarm_info:
    alarm_name_prefix: production-
  register: alarms

- name: Stop when one is in alarm
  ansible.builtin.assert:
    that: alarms.verdict != "unhealthy"
"""

RETURN = r"""
alarms:
  description: The alarms found, sorted by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The alarm's name.
      type: str
    type:
      description: V(metric) or V(composite).
      type: str
    state:
      description: V(OK), V(ALARM) or V(INSUFFICIENT_DATA).
      type: str
    state_reason:
      description: CloudWatch's explanation of the state.
      type: str
    since:
      description: When it came into that state, ISO 8601.
      type: str
    evaluation:
      description: Why CloudWatch could not evaluate it whole, as V(PARTIAL_DATA) or V(EVALUATION_ERROR); usually empty.
      type: str
    actions_enabled:
      description: Whether it tells anybody. An alarm with disabled actions has a state all the same.
      type: bool
    arn:
      description: Its ARN.
      type: str
    description:
      description: Its description.
      type: str
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Expected and actual state, an entry per alarm.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.alarms import (
    collect_alarms,
    describe_alarms,
    evaluate_alarms,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT


def main():
    run_reading(
        options=[AWS, WAIT, {
            "alarm_names": {"type": "list", "elements": "str", "default": []},
            "alarm_name_prefix": {"type": "str"},
            "insufficient_data": {"type": "str", "choices": ["unknown", "healthy"], "default": "unknown"},
        }],
        reading=lambda options, run: Reading(
            collect=lambda: collect_alarms(
                connector(options), run, options["alarm_names"], options["alarm_name_prefix"] or ""),
            evaluate=lambda collected: evaluate_alarms(collected, options["insufficient_data"]),
            describe=describe_alarms,
        ),
    )


if __name__ == "__main__":
    main()
