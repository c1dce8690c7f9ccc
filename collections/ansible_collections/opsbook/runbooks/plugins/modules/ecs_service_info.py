#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_service_info
version_added: 0.1.0
short_description: Read the state of ECS services
description:
  - Reads what runs and what is being deployed of Amazon ECS services, their last events, and why tasks of theirs
    stopped within the last hour.
  - A service is healthy when it is active, as many tasks run as are wanted, and one completed deployment is all there
    is. A second deployment means that one is under way, or failed, even where the number of tasks is right.
options:
  cluster:
    description:
      - The cluster, by name or ARN.
    type: str
    required: true
  services:
    description:
      - The services, by name or shell-style pattern. An empty list means every service of the cluster.
    type: list
    elements: str
    default: []
  wait_for_deployments:
    description:
      - Wait until no deployment is under way, at most O(wait_timeout) seconds. Without it such a service is unhealthy.
    type: bool
    default: false
  events:
    description:
      - How many of the last events of each service are returned.
    type: int
    default: 5
notes:
  - The permissions needed are C(ecs:DescribeServices), C(ecs:ListTasks) and C(ecs:DescribeTasks), and
    C(ecs:ListServices) for patterns.
seealso:
  - module: opsbook.runbooks.ecs_service_deploy
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read all services of the shop
  opsbook.runbooks.ecs_service_info:
    cluster: production
    services: ["shop-*"]
  register: shop

- name: Stop unless everything runs and nothing is being deployed
  ansible.builtin.assert:
    that: shop.verdict == "healthy"
    fail_msg: "{{ shop.evidence | rejectattr('ok') | list }}"
"""

RETURN = r"""
services:
  description: The services that could be read. Those chosen by pattern are sorted by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The service's name.
      type: str
    arn:
      description: Its ARN.
      type: str
    status:
      description: V(ACTIVE) or V(DRAINING).
      type: str
    desired:
      description: How many tasks are wanted.
      type: int
    running:
      description: How many tasks run.
      type: int
    pending:
      description: How many tasks are starting.
      type: int
    task_definition:
      description: ARN of the task definition that the service has.
      type: str
    controller:
      description: Who makes its deployments, V(ECS), V(CODE_DEPLOY) or V(EXTERNAL).
      type: str
    breaker:
      description: Whether the deployment circuit breaker is on.
      type: bool
    breaker_rollback:
      description: Whether the circuit breaker goes back by itself.
      type: bool
    service_deployment:
      description: ARN of the newest entry of the deployment history, empty where AWS keeps none.
      type: str
    deployments:
      description: The deployments, the one that leads first.
      type: list
      elements: dict
      contains:
        id:
          description: Its id.
          type: str
          sample: ecs-svc/1485800978477494678
        status:
          description: V(PRIMARY), or V(ACTIVE) for one that is being replaced.
          type: str
        rollout_state:
          description: V(COMPLETED), V(IN_PROGRESS) or V(FAILED); empty where AWS does not tell.
          type: str
        rollout_reason:
          description: AWS's words on that state.
          type: str
        task_definition:
          description: ARN of the task definition that it runs.
          type: str
        desired:
          description: How many tasks it is to have.
          type: int
        running:
          description: How many of its tasks run.
          type: int
        pending:
          description: How many of its tasks are starting.
          type: int
        failed_tasks:
          description: How many tasks failed one after the other.
          type: int
        created_at:
          description: When it was started, ISO 8601.
          type: str
        updated_at:
          description: When it last changed, ISO 8601.
          type: str
        service_revision:
          description: ARN of what it runs, empty for deployments from before October 2024.
          type: str
    events:
      description: The last events, the newest first.
      type: list
      elements: dict
      contains:
        at:
          description: When, ISO 8601.
          type: str
        message:
          description: What happened.
          type: str
    stopped_tasks:
      description: The tasks that stopped within the last hour, the newest first.
      type: list
      elements: dict
      contains:
        task:
          description: The task's id.
          type: str
        task_definition:
          description: ARN of its task definition.
          type: str
        deployment:
          description: Id of the deployment that started it.
          type: str
        stop_code:
          description: The kind of reason, such as V(EssentialContainerExited).
          type: str
        reason:
          description: Why it stopped.
          type: str
        stopped_at:
          description: When, ISO 8601; empty while it is stopping.
          type: str
        containers:
          description: How its containers ended, with C(name), C(exit_code) (null where it never ran) and C(reason).
          type: list
          elements: dict
    why_stopped:
      description: The failures among the stopped tasks, a line for each kind, the commonest first.
      type: list
      elements: str
      sample: ["3 tasks: Essential container in task exited; container app: exit code 137, OutOfMemoryError"]
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read.
  returned: always
  type: str
evidence:
  description: Expected and actual tasks and deployments, two entries per service.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_services import (
    await_deployments,
    collect_services,
    describe_services,
    evaluate_services,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT


def collect(options, run):
    connect = connector(options)
    if options["wait_for_deployments"]:
        await_deployments(connect, run, options["cluster"], options["services"])
    return collect_services(connect, run, options["cluster"], options["services"])


def main():
    run_reading(
        options=[AWS, WAIT, {
            "cluster": {"type": "str", "required": True},
            "services": {"type": "list", "elements": "str", "default": []},
            "wait_for_deployments": {"type": "bool", "default": False},
            "events": {"type": "int", "default": 5},
        }],
        reading=lambda options, run: Reading(
            collect=lambda: collect(options, run),
            evaluate=lambda collected: evaluate_services(collected, options["cluster"]),
            describe=lambda collected: describe_services(collected, options["events"]),
        ),
    )


if __name__ == "__main__":
    main()
