#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_rotate
version_added: 0.1.0
short_description: Rotate secrets now and wait until the new versions are in force
description:
  - Starts the rotation of AWS Secrets Manager secrets with the rotation that each has, several secrets at once, and
    waits until the new version is C(AWSCURRENT), the former one C(AWSPREVIOUS), and none is left C(AWSPENDING).
  - The values are never read, and the rotation rules are not changed.
  - A run that was killed is finished by the next, without a second rotation. The new version's id is derived from the
    present one, so that a repeated request asks for the same version; a rotation under way is waited for; one that has
    been pending for five minutes counts as failed and is attempted again, as AWS does on a repeated request.
options:
  secrets:
    description:
      - The secrets, by name, ARN, or shell-style pattern of names. An empty list means none; V(*) means every secret of
        the region.
    type: list
    elements: str
    required: true
  not_within:
    description:
      - An age, as V(20h) or V(7d). A secret whose last rotation is younger, and complete, is left alone.
      - Without it each run rotates, also one that repeats a run whose rotation is complete.
    type: str
  max_affected:
    description:
      - How many secrets one run may rotate, as a count or as a percentage of the chosen secrets. Counted over the whole
        run, so that a loop does not defeat it.
    type: str
    default: "5"
notes:
  - There is no undo. The old value stays as C(AWSPREVIOUS) until the next rotation; moving C(AWSCURRENT) back to it is
    possible by hand only while the system that the secret opens still accepts the old value.
  - Secrets without a rotation, with their rotation turned off, scheduled for deletion, or replicated from another region
    are refused by name before anything changes. Put those that a pattern should not catch into O(protected).
  - AWS tells nobody that a rotation failed, so a failure shows as a time-out. C(AWSCURRENT) is unchanged then.
  - The date of the next scheduled rotation moves, as with any rotation.
  - Needs C(secretsmanager:DescribeSecret), C(secretsmanager:ListSecretVersionIds), C(secretsmanager:RotateSecret),
    C(lambda:InvokeFunction) on the rotation function, and for patterns C(secretsmanager:ListSecrets).
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
- name: Rotate the secrets of the shop unless they were rotated today
  opsbook.runbooks.secret_rotate:
    secrets: ["shop/*"]
    not_within: 20h

- name: Rotate one secret now, as after a leak
  opsbook.runbooks.secret_rotate:
    secrets: [shop/api-keys]
    wait_timeout: 300
"""

RETURN = r"""
changes:
  description: The secrets rotated, or that would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The secret, as C(secret:name).
      type: str
      sample: secret:shop/api-keys
    action:
      description: What is done to it.
      type: str
      sample: rotate
    before:
      description: Id of the version that is current.
      type: dict
      sample: {"current": "9f4f7c0e-31b2-4a5c-8a39-0f5f6c5a1d11"}
    after:
      description: That a new version is current; its id is in RV(evidence).
      type: dict
      sample: {"current": "new version"}
    summary:
      description: The change in one line.
      type: str
    undo:
      description: Why there is no way back.
      type: dict
    applied:
      description: Whether the rotation was started, or found under way. Whether it is complete is in RV(evidence).
      type: bool
kept:
  description: The secrets left alone, each with its reason.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "secret:shop/webhook", "reason": "rotated within the last 20 h"}]
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
evidence:
  description:
    - The stages expected and seen afterwards, an entry per secret, as version ids with the time of the last rotation.
      Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: The secrets whose rotation could not be started, each with its reason.
  returned: always
  type: list
  elements: dict
recovery:
  description: What a failed rotation leaves behind, and what to do.
  returned: when a rotation failed
  type: str
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.secret_rotation import rotate
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected


def main():
    run_operation(
        options=[AWS, LIMITS, WAIT, max_affected("5"), {
            "secrets": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "not_within": {"type": "str"},
        }],
        operation=lambda options, run: rotate(connector(options), run, options["secrets"], options["not_within"]),
    )


if __name__ == "__main__":
    main()
