"""The local connection under another name: a host that is somewhere else as far as Ansible knows."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: elsewhere
short_description: The local connection under another name
description: For tests of what must not run in the worker.
extends_documentation_fragment: [connection_pipelining]
"""


class Connection(Local):
    transport = "example.toys.elsewhere"
