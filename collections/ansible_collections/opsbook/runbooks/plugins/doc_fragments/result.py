# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of what modules return and support, written once."""

from __future__ import annotations


class ModuleDocFragment:
    # What every changing module returns (a RETURN block cannot use fragments: modules repeat the two that differ).
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and tell what would change, making no changing call at all.
  diff_mode:
    description: Returns what changed (or would change in check mode) under C(--diff), an entry per resource.
  direct:
    description: Runs inside Ansible's own worker process on a local connection, without starting a process of its own.
"""

    CHANGING = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  direct:
    support: full
"""

    READING = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: Nothing ever changes.
  direct:
    support: full
"""
