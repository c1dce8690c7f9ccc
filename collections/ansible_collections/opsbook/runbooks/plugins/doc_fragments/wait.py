# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options on time and parallelism, written once."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait_timeout:
    description:
      - Seconds the operation may take in all, its waits included.
      - When they have passed nothing new is started, and what was seen so far is returned.
      - A task's own C(timeout) bounds it too, less two seconds.
    type: float
    default: 600.0
  parallel:
    description:
      - How many resources are worked on at once.
    type: int
    default: 8
"""
