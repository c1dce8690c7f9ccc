#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_function_info
version_added: 0.1.0
short_description: Read the state of Lambda functions
description:
  - Reads state, last update and configuration of AWS Lambda functions, each asked on its own, since a listing never
    tells a function's state.
  - Environment variables are not read.
options:
  function_names:
    description:
      - The functions, by name or shell-style pattern. An empty list means every function of the region.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - opsbook.runbooks.aws
  - opsbook.runbooks.wait
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

- name: Stop unless every function can run
  ansible.builtin.assert:
    that: functions.verdict == "healthy"
"""

RETURN = r"""
functions:
  description: The functions that could be read, sorted by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The function's name.
      type: str
    state:
      description: Its state, V(Active) when it can run.
      type: str
    state_reason:
      description: Why it is in that state, empty when Active.
      type: str
    last_update:
      description: State of the last update, V(Successful) when it is in force.
      type: str
    last_update_reason:
      description: Why the last update failed, empty when it did not.
      type: str
    runtime:
      description: The runtime.
      type: str
    timeout:
      description: Time-out in seconds.
      type: int
    memory:
      description: Memory in MiB.
      type: int
    last_modified:
      description: When configuration or code last changed, ISO 8601.
      type: str
    code_sha256:
      description: SHA-256 of the code, base64.
      type: str
verdict:
  description: V(healthy), V(unhealthy), or V(unknown) where something could not be read.
  returned: always
  type: str
evidence:
  description: Expected and actual state, an entry per function.
  returned: always
  type: list
  elements: dict
coverage:
  description: What was read and what could not be.
  returned: always
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lambda_functions import (
    collect_functions,
    describe_functions,
    evaluate_functions,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import WAIT


def main():
    run_reading(
        options=[AWS, WAIT, {"function_names": {"type": "list", "elements": "str", "default": []}}],
        reading=lambda options, run: Reading(
            collect=lambda: collect_functions(connector(options), run, options["function_names"]),
            evaluate=evaluate_functions,
            describe=describe_functions,
        ),
    )


if __name__ == "__main__":
    main()
