#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: log_group_prune
version_added: 0.1.0
short_description: Delete CloudWatch log groups that nothing uses any more
description:
  - Deletes log groups that never had an event, and groups whose newest event is past the group's own retention, when
    they are older than O(min_age).
  - Kept are groups written to within their retention, groups with events and without a retention policy, groups that a
    subscription filter or metric filter reads, groups of Lambda functions that exist, and groups with deletion
    protection. A group of which anything could not be read is kept too, and RV(coverage) names it.
  - Each group is looked at once more right before it is deleted. One that is used by then is not deleted, and the module
    fails, naming it.
options:
  log_groups:
    description:
      - The log groups, by name or shell-style pattern. An empty list means none; V(*) means every group of the region.
    type: list
    elements: str
    required: true
  min_age:
    description:
      - The least age of a group since its creation, as V(12h) or V(30d).
    type: str
    default: 30d
  max_affected:
    description:
      - How many groups one run may delete, as a count or as a percentage of the chosen groups. Counted over the whole
        run, so that a loop does not defeat it.
    type: str
    default: "5"
notes:
  - There is no undo. A deleted group is gone with its settings.
  - AWS updates the times of a stream's last event usually within an hour, in rare situations later. A day is allowed for
    that beyond the retention, and the events of the last 15 days are searched directly. Their text is not kept.
  - A task definition whose C(awslogs) driver names a deleted group, and does not create it, can no longer start tasks.
    That cannot be seen here; protect the groups of what rarely runs, or give them a longer O(min_age).
  - Where a procedure uses both, prune before M(opsbook.runbooks.log_group_retention). A group that has just been given
    a policy may have no event within it, and would be deleted at once.
  - Needs C(logs:DescribeLogGroups), C(logs:DescribeLogStreams), C(logs:FilterLogEvents),
    C(logs:DescribeSubscriptionFilters), C(logs:DeleteLogGroup), and for the groups of Lambda functions
    C(lambda:GetFunctionConfiguration).
seealso:
  - module: opsbook.runbooks.log_group_retention
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
- name: Delete what is left of services that are gone
  opsbook.runbooks.log_group_prune:
    log_groups: ["/ecs/shop-*"]
    min_age: 90d

- name: See which groups of the region nothing uses, without deleting
  opsbook.runbooks.log_group_prune:
    log_groups: ["*"]
    max_affected: 100%
  check_mode: true
  diff: true
"""

RETURN = r"""
changes:
  description: The log groups deleted, or that would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The log group, as C(log-group:name).
      type: str
      sample: log-group:/ecs/shop-canary
    action:
      description: What is done to it.
      type: str
      sample: delete
    before:
      description: Days that events were kept (0 for ever), and whether there ever were any.
      type: dict
      sample: {"events": "expired", "retention_days": 30}
    after:
      description: Nothing; the group is gone.
      type: dict
    summary:
      description: The change in one line.
      type: str
    undo:
      description: Why there is no way back.
      type: dict
    applied:
      description: Whether it has been done.
      type: bool
kept:
  description: The log groups that stay, each with its reason.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "log-group:/ecs/shop-orders", "reason": "no retention policy, and it has events"}]
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description: Whether each log group is there afterwards, an entry per group that is old enough. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: The log groups that could not be deleted, each with its reason.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_prune import prune
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected


def main():
    run_operation(
        options=[AWS, LIMITS, WAIT, max_affected("5"), {
            "log_groups": {"type": "list", "elements": "str", "required": True},
            "min_age": {"type": "str", "default": "30d"},
        }],
        operation=lambda options, run: prune(
            connector(options), connector(options, attempts=1), run, options["log_groups"], options["min_age"]),
    )


if __name__ == "__main__":
    main()
