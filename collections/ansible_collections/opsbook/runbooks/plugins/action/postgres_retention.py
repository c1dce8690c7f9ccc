# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the module of the same name inside the Ansible worker."""

from __future__ import annotations

from ansible_collections.opsbook.runbooks.plugins.plugin_utils.direct import DirectActionModule


class ActionModule(DirectActionModule):
    services = ()
    changes_things = True
