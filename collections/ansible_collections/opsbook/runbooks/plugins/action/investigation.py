# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the module of the same name inside the Ansible worker, with the inventory of the running playbook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import context

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident import journal
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.direct import DirectActionModule


class ActionModule(DirectActionModule):
    services = ()
    changes_things = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fill in the inventory and the folder of records unless the task names them."""
        if not self._task.args.get("inventory"):
            self._task.args["inventory"] = [str(source) for source in context.CLIARGS.get("inventory") or ()]
        if not self._task.args.get("record") and journal.active is not None:
            self._task.args["record"] = str(Path(journal.active.path).parent.parent)
        return super().run(tmp, task_vars)
