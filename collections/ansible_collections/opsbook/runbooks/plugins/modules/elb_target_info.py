#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: elb_target_info
version_added: 0.1.0
short_description: Read the health of load balancers' targets
description:
  - Reads the registered targets of Elastic Load Balancing target groups (of application, network and gateway load
    balancers), which are healthy, and why the others are not.
  - A group is healthy when every target is, those that are being deregistered excepted, and there are enough of them.
  - A target that was not checked often enough yet, or whose group has no health checks, is unknown. One that no load
    balancer asks is unhealthy, as is a group that is named and does not exist.
options:
  target_groups:
    description:
      - The target groups, by name or shell-style pattern. An empty list means every target group of the region.
    type: list
    elements: str
    default: []
  minimum_healthy:
    description:
      - How many healthy targets each group must have.
    type: int
    default: 1
notes:
  - The permissions needed are C(elasticloadbalancing:DescribeTargetGroups) and
    C(elasticloadbalancing:DescribeTargetHealth).
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the targets of the shop
  opsbook.runbooks.elb_target_info:
    target_groups: ["shop-*"]
    minimum_healthy: 2
  register: targets

- name: Stop unless all of them answer
  ansible.builtin.assert:
    that: targets.verdict == "healthy"
    fail_msg: "{{ targets.evidence | rejectattr('ok') | map(attribute='actual') | list }}"
"""

RETURN = r"""
target_groups:
  description: The target groups that could be read, sorted by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The group's name.
      type: str
    arn:
      description: Its ARN.
      type: str
    protocol:
      description: The protocol to its targets, empty for functions.
      type: str
    port:
      description: The port targets have unless they say otherwise, null for functions.
      type: int
    target_type:
      description: V(instance), V(ip), V(lambda) or V(alb).
      type: str
    load_balancers:
      description: Names of the load balancers that use it.
      type: list
      elements: str
    healthy:
      description: How many targets are healthy.
      type: int
    unhealthy:
      description: How many are neither healthy nor unknown nor on their way out.
      type: int
    targets:
      description: All its targets.
      type: list
      elements: dict
      contains:
        id:
          description: Instance id, address, or ARN of a function or load balancer.
          type: str
        port:
          description: Its port, null for functions.
          type: int
        zone:
          description: Its availability zone, empty where it is told by none.
          type: str
        state:
          description: V(healthy), V(unhealthy), V(initial), V(draining), V(unhealthy.draining), V(unused) or V(unavailable).
          type: str
        reason:
          description: The code of the reason, empty when healthy.
          type: str
          sample: Target.ResponseCodeMismatch
        description:
          description: The reason in the load balancer's words.
          type: str
          sample: "Health checks failed with these codes: [502]"
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read or told.
  returned: always
  type: str
evidence:
  description: Two entries a group, whether all targets are healthy and whether they are enough, in words.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_targets import (
    collect_target_groups,
    describe_target_groups,
    evaluate_target_groups,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT


def main():
    run_reading(
        options=[AWS, WAIT, {
            "target_groups": {"type": "list", "elements": "str", "default": []},
            "minimum_healthy": {"type": "int", "default": 1},
        }],
        reading=lambda options, run: Reading(
            collect=lambda: collect_target_groups(connector(options), run, options["target_groups"]),
            evaluate=lambda collected: evaluate_target_groups(collected, options["minimum_healthy"]),
            describe=describe_target_groups,
        ),
    )


if __name__ == "__main__":
    main()
