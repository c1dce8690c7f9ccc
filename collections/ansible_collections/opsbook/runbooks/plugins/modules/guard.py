#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: guard
version_added: 0.1.0
short_description: Let a changing procedure begin, or refuse it
description:
  - The first task of every changing procedure, through the role P(opsbook.runbooks.guard#role).
  - Checks the procedure's front matter and the command line's variables against it, the confirmation that production
    asks for, the AWS account, the maintenance window and change freezes, and that the ledger keeps a journal.
  - Takes the run lock, a lease in a DynamoDB table or in PostgreSQL, and leaves a receipt for the changing modules of
    this run. While another run holds the lock it waits as long as a lease lasts, and says so, then refuses.
  - The machines of a system share its lock in one run; the last of them gives it back.
  - An emergency whose lock cannot be asked for goes on without it, with a warning, and its record says so. It may take a
    lock over by naming the run that holds it.
  - A procedure that changes nothing needs no confirmation, no window and no lock.
  - In check mode the lock is read and not taken.
options:
  system:
    description: The system that the procedure works on, an inventory host.
    type: str
    required: true
  procedure:
    description: The playbook's front matter, C(opsbook_procedure).
    type: dict
    required: true
  environment_name:
    description: What the inventory calls its environment. V(production) asks for a confirmation.
    type: str
    default: production
  expected_account_id:
    description: The AWS account that the credentials must belong to. Empty asks nothing.
    type: str
    default: ""
  windows:
    description: Maintenance windows, each with C(days), C(start), C(end) and C(timezone). An empty list means any time.
    type: list
    elements: dict
    default: []
  freezes:
    description:
      - Change freezes, each with C(name) and either C(start) and C(end) (dates, both included) or
        C(last_days_of_quarter).
    type: list
    elements: dict
    default: []
  lock:
    description:
      - The run lock, C(table) for one in DynamoDB or C(postgres) with the options of a connection, and C(lease_seconds).
      - Empty means no lock.
    type: dict
    default: {}
  connection:
    description: Options of the AWS connection, as the C(opsbook.runbooks.aws) doc fragment names them.
    type: dict
    default: {}
extends_documentation_fragment:
  - opsbook.runbooks.result
attributes:
  check_mode:
    support: full
    details: The lock is read, not taken.
  diff_mode:
    support: N/A
    details: The lock is no part of the estate.
  direct:
    support: full
notes:
  - AWS does not check fencing numbers, so the lock is check-then-act. A call that was under way when a lease was lost
    still arrives.
seealso:
  - module: opsbook.runbooks.guard_release
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Guard the procedure
  ansible.builtin.import_role:
    name: opsbook.runbooks.guard
  tags: [always]
"""

RETURN = r"""
run:
  description: Id of the run that holds the lock.
  returned: success
  type: str
opening:
  description: Why the procedure may run now.
  returned: success
  type: str
overridden:
  description: Whether a window or a freeze was put aside.
  returned: success
  type: bool
lock:
  description: The lock as taken, or as read in check mode. Null where none is declared.
  returned: success
  type: dict
without_lock:
  description: Why an emergency goes on without the lock; empty where it is held or none is declared.
  returned: success
  type: str
parameters:
  description:
    - The procedure's parameters, checked, with their defaults. The role makes them C(opsbook_parameters).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.guard_options import GUARD


def main():
    module = AnsibleModule(argument_spec=GUARD, supports_check_mode=True)
    module.fail_json(msg="The guard is an action plugin and works on the controller only.")


if __name__ == "__main__":
    main()
