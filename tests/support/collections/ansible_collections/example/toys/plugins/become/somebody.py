"""Becomes nobody else: the shell runs the command as it is."""

from __future__ import annotations

from ansible.plugins.become import BecomeBase

DOCUMENTATION = """
name: somebody
short_description: Become nobody else
description: For tests of what must not run in the worker.
options:
  become_user:
    description: Ignored.
    default: root
    vars: [{name: ansible_become_user}]
  become_exe:
    description: Ignored.
    vars: [{name: ansible_become_exe}]
  become_flags:
    description: Ignored.
    default: ""
    vars: [{name: ansible_become_flags}]
  become_pass:
    description: Ignored.
    vars: [{name: ansible_become_password}]
"""


class BecomeModule(BecomeBase):
    name = "example.toys.somebody"

    def build_become_command(self, cmd, shell):
        super().build_become_command(cmd, shell)
        return self._build_success_command(cmd, shell) if cmd else cmd
