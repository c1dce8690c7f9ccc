#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: log_group_retention
version_added: 0.1.0
short_description: Set how long CloudWatch log groups keep their events
description:
  - Gives log groups a retention policy by rules on their names, all groups at once.
  - Without further options only groups that have no policy get one; a policy that is there stays.
options:
  rules:
    description:
      - Which groups keep events for how long. The first rule whose pattern matches a group's name counts; groups that
        no rule matches are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      pattern:
        description:
          - A group's name or a shell-style pattern of names.
        type: str
        required: true
      days:
        description:
          - How many days events are kept, one of the values that AWS accepts. V(0) means for ever, without a policy.
        type: int
        required: true
        choices: [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
  change_existing:
    description:
      - Whether a policy that a group has already is changed to what the rule says.
    type: bool
    default: false
  allow_shorter:
    description:
      - Whether a policy that a group has already may become shorter, upon which AWS deletes the events beyond it.
        Otherwise such a group keeps its policy, and RV(kept) says so.
    type: bool
    default: false
  max_affected:
    description:
      - How many groups one run may change, as a count or as a percentage of the groups that a rule matches. Counted over
        the whole run, so that a loop does not defeat it.
    type: str
    default: "50"
notes:
  - AWS deletes events older than the new policy, also in groups that had none, usually within 72 hours. Undo restores
    the policy, not the events.
  - Groups whose retention an account-level policy decides, and groups of the delivery class, are left alone.
  - Needs C(logs:DescribeLogGroups), C(logs:PutRetentionPolicy), and for V(0) C(logs:DeleteRetentionPolicy).
seealso:
  - module: opsbook.runbooks.log_group_prune
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.limits
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.changing
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Keep audit logs for a year and all others for 30 days, where no policy is set
  opsbook.runbooks.log_group_retention:
    rules:
      - {pattern: "/shop/audit*", days: 365}
      - {pattern: "*", days: 30}

- name: See which policies would become longer
  opsbook.runbooks.log_group_retention:
    rules:
      - {pattern: "/ecs/shop-*", days: 90}
    change_existing: true
  check_mode: true
  diff: true
"""

RETURN = r"""
changes:
  description: The log groups whose retention was set, or would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The log group, as C(log-group:name).
      type: str
      sample: log-group:/ecs/shop-orders
    action:
      description: What is done to it.
      type: str
      sample: set_retention
    before:
      description: Days that events were kept, 0 for ever.
      type: dict
      sample: {"retention_days": 0}
    after:
      description: Days that events are kept, 0 for ever.
      type: dict
      sample: {"retention_days": 30}
    summary:
      description: The change in one line.
      type: str
    undo:
      description: This module with the former value.
      type: dict
    applied:
      description: Whether it has been done.
      type: bool
kept:
  description: The log groups that keep their retention, each with its reason.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "log-group:/ecs/shop-orders", "reason": "is 30 d already"}]
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: Days expected and seen afterwards, an entry per log group. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: The log groups that could not be changed, each with its reason.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_groups import NEVER, RETENTION_DAYS
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_retention import retain, wishes_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected


def main():
    run_operation(
        options=[AWS, LIMITS, WAIT, max_affected("50"), {
            "rules": {
                "type": "list", "elements": "dict", "required": True,
                "options": {
                    "pattern": {"type": "str", "required": True},
                    "days": {"type": "int", "required": True, "choices": [NEVER, *RETENTION_DAYS]},
                },
            },
            "change_existing": {"type": "bool", "default": False},
            "allow_shorter": {"type": "bool", "default": False},
        }],
        operation=lambda options, run: retain(connector(options), run, wishes_of(options)),
    )


if __name__ == "__main__":
    main()
