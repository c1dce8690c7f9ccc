#!/usr/bin/python
# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: guard_release
version_added: 0.1.0
short_description: Give the run lock back
description:
  - The last task of every changing procedure, in an C(always) block with the tag C(always), through the role
    P(opsbook.runbooks.guard#role) with C(tasks_from=release).
  - Ends the lease that M(opsbook.runbooks.guard) took, if it still is this run's, and deletes the receipt.
  - Without a receipt (check mode, or a guard that refused) it does nothing. A lock that is no longer ours is left
    alone, with a warning.
options:
  system:
    description: The system whose lock is given back.
    type: str
    required: true
extends_documentation_fragment:
  - opsbook.runbooks.result
attributes:
  check_mode:
    support: full
    details: Does nothing.
  diff_mode:
    support: N/A
    details: The lock is no part of the estate.
  direct:
    support: full
author:
  - opsbook contributors (@opsbook)
"""

EXAMPLES = r"""
- name: Release the run lock
  ansible.builtin.import_role:
    name: opsbook.runbooks.guard
    tasks_from: release
  tags: [always]
"""

RETURN = r"""
released:
  description: Whether a lock was given back.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.guard_options import RELEASE


def main():
    module = AnsibleModule(argument_spec=RELEASE, supports_check_mode=True)
    module.fail_json(msg="guard_release is an action plugin and works on the controller only.")


if __name__ == "__main__":
    main()
