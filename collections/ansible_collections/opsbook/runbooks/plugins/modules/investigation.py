#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: investigation
version_added: 0.1.0
short_description: Run an investigation and return its findings
description:
  - Runs a notebook as C(python -m opsbook investigate) does, with the same record, and returns what it concluded.
  - An investigation only reads, so it runs in check mode as well. A dry run whose later tasks decide by the findings
    would else decide by nothing.
  - Fails when the investigation does not conclude (a cell failed, took too long, its kernel died), when its record cannot be
    stored or had to be withheld, and when the verdict is one of O(fail_on).
  - Runs where Ansible runs, in the Python that runs Ansible, with the package C(opsbook) and its C(notebooks) extra
    installed.
options:
  name:
    description: Name of the investigation as C(python -m opsbook list) says it, or the path of a notebook.
    type: str
    required: true
  system:
    description: The system to look at, a host of the inventory's group C(systems).
    type: str
    required: true
  parameters:
    description:
      - Further parameters by name; C(python -m opsbook describe NAME) says which there are.
      - Secret ones are references to where the value is kept, V(env:NAME), V(file:/path) or V(secretsmanager:NAME#field).
    type: dict
    default: {}
  record:
    description:
      - Folder that a folder for the record is made in, or C(s3://bucket/prefix).
      - By default where the ledger keeps the records of procedures.
    type: str
  fail_on:
    description: Verdicts that fail the task.
    type: list
    elements: str
    choices: [suspects, nothing_wrong, insufficient_evidence]
    default: []
  inventory:
    description:
      - Inventories that the system is looked up in.
      - By default those of the running playbook, which the action plugin fills in.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds after which the investigation is ended from outside. Its own deadline is usually shorter.
    type: int
    default: 3600
extends_documentation_fragment:
  - opsbook.runbooks.result
  - opsbook.runbooks.result.reading
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Find out why the shop answers with errors
  opsbook.runbooks.investigation:
    name: high-error-rate
    system: commerce
    parameters:
      window: 30m
  register: errors

- name: Say what to do next
  ansible.builtin.debug:
    msg: "{{ errors.next_steps | map(attribute='title') | list }}"

- name: Stop the release while anything is suspected
  opsbook.runbooks.investigation:
    name: high-latency
    system: commerce
    fail_on: [suspects, insufficient_evidence]
"""

RETURN = r"""
status:
  description:
    - V(ok) when it concluded, else V(failed), V(timed_out), V(kernel_died), V(interrupted), V(inconclusive) or V(refused).
  returned: always
  type: str
verdict:
  description: V(suspects), V(nothing_wrong) or V(insufficient_evidence).
  returned: when it concluded
  type: str
summary:
  description: The verdict in a sentence or two.
  returned: when it began
  type: str
suspects:
  description: Ranked suspects, each with reasons for and against.
  returned: when it began
  type: list
  elements: dict
next_steps:
  description: What to do, the suspects' in their order, with complete commands.
  returned: when it began
  type: list
  elements: dict
not_seen:
  description: What could not be looked at, with why.
  returned: when it began
  type: list
  elements: dict
findings:
  description: The whole content of C(findings.json).
  returned: when it concluded
  type: dict
record:
  description: The folder of the record.
  returned: when it began
  type: str
run:
  description: The id of the run.
  returned: when it began
  type: str
ansible_facts:
  description: The findings as the fact C(opsbook_findings).
  returned: when it concluded
  type: dict
"""

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import run_program
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.investigation_run import investigate


def main():
    run_program(
        options=[{
            "name": {"type": "str", "required": True},
            "system": {"type": "str", "required": True},
            "parameters": {"type": "dict", "default": {}},
            "record": {"type": "str"},
            "fail_on": {"type": "list", "elements": "str", "default": [],
                        "choices": ["suspects", "nothing_wrong", "insufficient_evidence"]},
            "inventory": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 3600},
        }],
        work=investigate,
    )


if __name__ == "__main__":
    main()
