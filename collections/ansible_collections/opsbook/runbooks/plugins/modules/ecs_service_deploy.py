#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_service_deploy
version_added: 0.1.0
short_description: Deploy ECS services, wait until it is done, and go back where it fails
description:
  - Starts a new deployment of Amazon ECS services, several at once, and waits until each is completed. What is deployed
    is what the service has (its images are resolved anew), a given task definition, or what an earlier service revision
    ran.
  - A deployment of the wanted kind that is in progress already is waited for and not started again, so that a run that
    was killed can simply be repeated. One that failed or was rolled back is not done, and starts again.
  - A deployment counts as completed only when it is itself the one that AWS completed. One that the circuit breaker
    took back also leaves a stable service, and is reported as failed.
  - When a deployment fails, the service is brought back to its last completed deployment with the images that ran then,
    and the task fails, saying what runs now.
  - The number of tasks wanted is never changed.
options:
  cluster:
    description:
      - The cluster, by name or ARN.
    type: str
    required: true
  services:
    description:
      - The services, by name or shell-style pattern. An empty list is refused.
    type: list
    elements: str
    required: true
  task_definition:
    description:
      - Deploy this task definition, as C(family:revision) or ARN. Only for one service.
      - Where the service runs it already, nothing happens, unless O(force_new_deployment=true).
    type: str
  service_revision:
    description:
      - Return to what this service revision (an ARN) ran. Only for one service.
      - The revision's task definition is deployed. Where that would not give the images that ran then, as with a tag
        that has been moved since, a copy of it with every image pinned by its digest is registered and deployed.
      - The task definition is what is returned to; settings of the service itself (network, load balancers) stay.
    type: str
  force_new_deployment:
    description:
      - Start a deployment also where the wanted task definition runs already, so that images are resolved anew.
      - The default is V(true) when neither O(task_definition) nor O(service_revision) is given, and V(false) otherwise.
    type: bool
  not_within:
    description:
      - Leave a service alone whose last deployment was of the wanted kind and was completed less than this long ago,
        such as V(20h). Without it every run starts a deployment.
      - The time is that in the deployment history. Where AWS keeps none, the start of the deployment counts.
    type: str
  rollback:
    description:
      - Whether a service whose deployment fails is brought back to its last completed deployment.
      - A deployment in progress is stopped with a rollback; where a circuit breaker goes back by itself, that is waited
        for; otherwise the earlier task definition, or a copy of it with the images pinned, is deployed.
      - A deployment that is only slow when time is up goes on; run again to wait for it.
    type: bool
    default: true
  max_affected:
    description:
      - How many services one run may deploy, as a count or as a percentage of the chosen services. Counted over the
        whole run, so that a loop does not defeat it.
    type: str
    default: "10"
notes:
  - Without a circuit breaker, a deployment is taken for failed after as many failed tasks as the breaker would allow
    (half of those wanted, at least 3, at most 200).
  - AWS keeps service revisions for deployments since October 2024. Where there is none, the undo entry names the
    earlier task definition, or the reason why there is no way back.
  - Deployments by CodeDeploy or an external controller are refused.
  - A copy of a task definition with pinned images is drift to whatever manages the service (Terraform); deploy a new
    revision from there when the cause is found.
seealso:
  - module: opsbook.runbooks.ecs_service_info
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
- name: Start the tasks of the shop anew, unless that was done today
  opsbook.runbooks.ecs_service_deploy:
    cluster: production
    services: ["shop-*"]
    not_within: 20h

- name: Deploy a revision, and go back if it does not come up within five minutes
  opsbook.runbooks.ecs_service_deploy:
    cluster: production
    services: [shop-orders]
    task_definition: shop-orders:17
    wait_timeout: 300

- name: Return to what ran before
  opsbook.runbooks.ecs_service_deploy:
    cluster: production
    services: [shop-orders]
    service_revision: arn:aws:ecs:us-east-1:123456789012:service-revision/production/shop-orders/1485800978477494678
"""

RETURN = r"""
services:
  description: The chosen services as they were before.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The service's name.
      type: str
    task_definition:
      description: ARN of the task definition that it had.
      type: str
    desired:
      description: How many tasks were wanted.
      type: int
    running:
      description: How many tasks ran.
      type: int
    service_revision:
      description: ARN of the service revision of its last completed deployment, null where AWS keeps none.
      type: str
changes:
  description: The deployments started, or that would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The service, as C(ecs-service:cluster/name).
      type: str
      sample: ecs-service:production/shop-orders
    action:
      description: What is done to it.
      type: str
      sample: deploy
    before:
      description: Its C(task_definition), and the C(service_revision) of its last completed deployment.
      type: dict
    after:
      description: The C(task_definition) deployed, C(deployment=new), and C(images) where they are pinned by digest.
      type: dict
    summary:
      description: The change in one line.
      type: str
    undo:
      description: This module with the service revision, or else the task definition, of the last completed deployment.
      type: dict
    applied:
      description: Whether the deployment was started.
      type: bool
kept:
  description: The services where none is started, each with its reason.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "ecs-service:production/shop-orders", "reason": "runs shop-orders:17 already"}]
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description:
    - The deployment expected and the one seen, an entry per service. For one that is not completed also why its tasks
      stopped and the last events. After a rollback also what runs then. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: Services whose deployment could not be started, each with its reason.
  returned: always
  type: list
  elements: dict
recovery:
  description: How each service whose deployment failed was brought back and what runs now, or why it was not.
  returned: when a deployment failed and O(rollback=true)
  type: str
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_deployments import deploy
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_requests import request_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected


def main():
    run_operation(
        options=[AWS, LIMITS, WAIT, max_affected("10"), {
            "cluster": {"type": "str", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "task_definition": {"type": "str"},
            "service_revision": {"type": "str"},
            "force_new_deployment": {"type": "bool"},
            "not_within": {"type": "str"},
            "rollback": {"type": "bool", "default": True},
        }],
        operation=lambda options, run: deploy(
            connector(options), connector(options, attempts=1), run, request_of(options)),
        mutually_exclusive=[("task_definition", "service_revision")],
    )


if __name__ == "__main__":
    main()
