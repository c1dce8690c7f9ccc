#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: health_gate
version_added: 0.1.0
short_description: Go on only if every check is healthy
description:
  - Takes the registered results of information modules and gives one verdict over them.
  - Among them may be results of changing modules that were told not to fail (C(failed_when=false)), so that a procedure goes
    on with what does not depend on them. They are unhealthy when anything of their work failed.
  - Fails unless all of them are healthy, naming each fault. A check that was skipped, since the system does not declare
    what it looks at, does not count. One that failed or could not see everything is V(unknown), and V(unknown) does not
    pass.
options:
  checks:
    description: Results by the names that a person knows the checks by.
    type: dict
    required: true
  purpose:
    description: What the gate stands before, for the message.
    type: str
    default: going on
  advice:
    description: What to do when it does not open.
    type: str
    default: Look at the faults, then start again.
extends_documentation_fragment:
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Read the functions of the shop
  opsbook.runbooks.lambda_function_info:
    function_names: ["shop-*"]
  register: functions

- name: Go on only if the shop is healthy
  opsbook.runbooks.health_gate:
    purpose: the maintenance of the shop
    checks:
      Lambda functions: "{{ functions }}"
"""

RETURN = r"""
verdict:
  description: V(healthy) when the gate opened, else V(unhealthy) or V(unknown).
  returned: always
  type: str
lines:
  description: A line a check.
  returned: always
  type: list
  elements: str
  sample: ["Lambda functions: healthy", "DNS: not declared"]
checks:
  description: The verdict of each check by its name, or V(not declared).
  returned: always
  type: dict
  sample: {"Lambda functions": "healthy", "DNS": "not declared"}
faults:
  description: What is wrong, or could not be told.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_gate
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.gate import judge


def main():
    run_gate(
        options=[{
            "checks": {"type": "dict", "required": True},
            "purpose": {"type": "str", "default": "going on"},
            "advice": {"type": "str", "default": "Look at the faults, then start again."},
        }],
        judge=lambda options: judge(options["checks"]),
    )


if __name__ == "__main__":
    main()
