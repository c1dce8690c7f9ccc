#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: terraform_apply
version_added: 0.1.0
short_description: Apply a Terraform configuration, exactly as planned
description:
  - Plans a Terraform (or OpenTofu) configuration, shows the plan with a change per resource address, and applies exactly
    that saved plan. Afterwards it plans again, to prove that nothing is left to change.
  - What would be deleted or replaced is refused unless O(allow_destroy) names it.
  - Planning leaves nothing in the project's folder, takes no lock and never rewrites the dependency lock file. The
    apply takes the state's lock, and Terraform itself refuses a plan whose state has changed since.
  - Without C(terraform) and C(tofu) the task is skipped and says so, unless O(required) is set.
options:
  project_path:
    description:
      - The folder of the configuration.
    type: path
    required: true
  variables:
    description:
      - Values of input variables. They are shown; what is secret belongs in O(secret_variables).
      - A variable that the configuration does not declare is refused, since a mistyped name would leave a default in
        force.
    type: dict
    default: {}
  secret_variables:
    description:
      - Values of input variables that are never shown.
    type: dict
    default: {}
  variable_files:
    description:
      - Files of values (C(.tfvars)), relative to O(project_path). O(variables) win over them.
      - They hold for the plan and, since the saved plan is applied, for the apply.
    type: list
    elements: str
    default: []
  workspace:
    description:
      - The workspace. It must exist.
      - Without it the one counts that C(TF_WORKSPACE) or C(terraform workspace select) in the folder has chosen, else
        V(default).
    type: str
    default: ''
  backend_config:
    description:
      - Settings of the state's backend that the configuration leaves open. They are shown; credentials belong in the
        environment or in one of O(backend_config_files).
    type: dict
    default: {}
  backend_config_files:
    description:
      - Files of such settings, relative to O(project_path).
    type: list
    elements: str
    default: []
  targets:
    description:
      - Addresses to restrict the plan to. Terraform advises against making a habit of it.
    type: list
    elements: str
    default: []
  allow_destroy:
    description:
      - Addresses of resources that may be deleted or replaced. An address without index stands for all its instances;
        V(*) and V(?) stand for any characters, brackets for themselves.
    type: list
    elements: str
    default: []
  lock_timeout:
    description:
      - Seconds that the apply waits for the state's lock.
    type: int
    default: 30
  binary_path:
    description:
      - The program to run. Without it C(terraform), else C(tofu), on PATH.
    type: path
  plugin_dir:
    description:
      - A folder of providers to use instead of downloading them. Without it C(.terraform/providers) of the project
        where C(terraform init) has filled it, else what Terraform's own configuration says.
    type: path
  required:
    description:
      - Whether the task fails, instead of being skipped, where neither C(terraform) nor C(tofu) is found.
    type: bool
    default: false
  max_affected:
    description:
      - How many addresses one run may change, as a count or as a percentage of the resources of the configuration.
        All output values together count as one. Counted over the whole run, so that a loop does not defeat it.
    type: str
    default: '20'
notes:
  - There is no undo. Apply the former revision of the configuration and its variables.
  - Values that the configuration calls sensitive are masked, as Terraform itself does. So a plan's digest does not tell
    two sensitive values apart.
  - O(parallel) is Terraform's C(-parallelism).
  - O(protected) takes addresses as O(allow_destroy) does.
  - When the run is stopped, Terraform is interrupted once and waited for, so that it writes what it has made into the
    state. The result names each address that was applied.
  - A configuration with providers needs its C(.terraform.lock.hcl) beside it, since nothing here writes one.
  - Needs a backend that applies saved plans where it runs; remote operations of HCP Terraform are not supported.
requirements:
  - terraform >= 1.4, or tofu >= 1.6
extends_documentation_fragment:
  - opsbook.runbooks.limits
  - opsbook.runbooks.wait
  - opsbook.runbooks.result
  - opsbook.runbooks.result.changing
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Apply the security groups of the shop
  opsbook.runbooks.terraform_apply:
    project_path: /srv/infrastructure/shop
    variable_files: [production.tfvars]

- name: See what would change, without changing
  opsbook.runbooks.terraform_apply:
    project_path: /srv/infrastructure/shop
    variable_files: [production.tfvars]
  check_mode: true
  diff: true

- name: Let two rules go
  opsbook.runbooks.terraform_apply:
    project_path: /srv/infrastructure/shop
    variable_files: [production.tfvars]
    allow_destroy:
      - aws_vpc_security_group_ingress_rule.partner["old"]
      - aws_vpc_security_group_ingress_rule.trial
    secret_variables:
      partner_token: "{{ vaulted_partner_token }}"
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode, an entry per resource address.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: The resource, as C(terraform:address); C(terraform:output values) for all outputs together.
      type: str
      sample: terraform:aws_vpc_security_group_ingress_rule.web["https"]
    action:
      description: V(create), V(update), V(delete), V(replace), V(forget), V(import) or V(move).
      type: str
      sample: update
    before:
      description: The attributes as they are; of an update only those that differ. Sensitive values are masked.
      type: dict
    after:
      description: The attributes wanted, likewise; V((known after apply)) where only the apply tells.
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
  description: Always empty; what stays as it is, is not listed.
  returned: always
  type: list
  elements: dict
plan_digest:
  description: SHA-256 of the canonical plan.
  returned: always
  type: str
workspace:
  description: The workspace that was planned.
  returned: unless skipped
  type: str
  sample: default
terraform_version:
  description: The program's version.
  returned: unless skipped
  type: str
  sample: 1.11.4
drift:
  description: Resources that were changed outside Terraform since the last apply, each with its address and the action
    seen. An apply sets them back.
  returned: unless skipped
  type: list
  elements: dict
  sample: [{"address": "aws_ecs_service.api", "action": "update"}]
evidence:
  description: What was left to change afterwards. Empty in check mode.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
failed_resources:
  description: What could not be applied, each with its reason.
  returned: always
  type: list
  elements: dict
skipped:
  description: Set when neither C(terraform) nor C(tofu) was found; RV(msg) says so.
  returned: when skipped
  type: bool
msg:
  description: Why the task was skipped or failed.
  returned: when skipped or failed
  type: str
"""

import os

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_operation
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected
from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.apply import apply_configuration
from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.project import Wanted


def main():
    run_operation(
        options=[LIMITS, WAIT, max_affected("20"), {
            "project_path": {"type": "path", "required": True},
            "variables": {"type": "dict", "default": {}},
            "secret_variables": {"type": "dict", "default": {}, "no_log": True},
            "variable_files": {"type": "list", "elements": "str", "default": []},
            "workspace": {"type": "str", "default": ""},
            "backend_config": {"type": "dict", "default": {}},
            "backend_config_files": {"type": "list", "elements": "str", "default": []},
            "targets": {"type": "list", "elements": "str", "default": []},
            "allow_destroy": {"type": "list", "elements": "str", "default": []},
            "lock_timeout": {"type": "int", "default": 30},
            "binary_path": {"type": "path"},
            "plugin_dir": {"type": "path"},
            "required": {"type": "bool", "default": False},
        }],
        operation=lambda options, run: apply_configuration(
            run, wanted(options), options["allow_destroy"], os.environ, options["binary_path"] or "",
            options["required"], options["lock_timeout"], options["parallel"]),
    )


def wanted(options):
    return Wanted(
        options["project_path"], options["variables"], options["secret_variables"], options["variable_files"],
        options["workspace"], options["backend_config"], options["backend_config_files"], options["targets"],
        options["plugin_dir"] or "")


if __name__ == "__main__":
    main()
