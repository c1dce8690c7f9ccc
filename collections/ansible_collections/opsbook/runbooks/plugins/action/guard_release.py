# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the run lock back; never turns a failure into a success, never hides one."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import warm
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.guard_options import RELEASE
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.lock import give_back
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.receipt import load_receipt, lock_store

warm(("dynamodb",))
display = Display()


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=RELEASE)
        try:
            return {**result, "changed": False, "released": self._release(options["system"], task_vars or {})}
        except OperationError as error:
            return {**result, "failed": True, "msg": error.message()}

    def _release(self, system: str, task_vars: dict[str, Any]) -> bool:
        store = lock_store(task_vars, self._templar)
        if store is None or load_receipt(system) is None:
            return False
        released = give_back(store, system, str(task_vars.get("inventory_hostname", "")))
        if released is False:
            display.warning(f"The run lock of {system} is no longer ours and is left alone.")
        return bool(released)
