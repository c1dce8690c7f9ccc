# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guard: lets a changing procedure begin, or refuses it before anything changes."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import connector, warm
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.errors import explaining
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.guard_options import GUARD
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.guardrails import (
    EMERGENCY,
    READ_ONLY,
    Opening,
    opening_of,
    refuse_foreign_account,
    refuse_unconfirmed,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import utc_now
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident import journal
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.approval import load_plan
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.declared import refuse_unresolved
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.lock import Asked, Held, hold, look_at, shown
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.operator import operator_name
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.procedure import (
    validate_front_matter,
    validate_parameters,
)
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.processes import die_with_parent
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.receipt import extra_vars, stored_lock

warm(("sts", "dynamodb"))
display = Display()


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        die_with_parent()
        _validated, options = self.validate_argument_spec(argument_spec=GUARD)
        try:
            refuse_unresolved(options["system"], task_vars or {}, self._templar.template)
            return {**result, **self._admit(options, str((task_vars or {}).get("inventory_hostname", "")))}
        except OperationError as error:
            return {**result, "failed": True, "msg": error.message()}

    def _admit(self, options: dict[str, Any], host: str) -> dict[str, Any]:
        front = validate_front_matter(options["procedure"])
        given = extra_vars()
        parameters = validate_parameters(front, given)
        if "approved_plan" in given:
            # Read now, not in the middle of the run.
            load_plan(str(given["approved_plan"]))
        system = options["system"]
        _refuse_without_journal(front["changes"], system)
        opening = READ_ONLY
        if front["changes"]:
            refuse_unconfirmed(options["environment_name"], system, parameters["confirm"])
            opening = opening_of(front, utc_now(), options["windows"], options["freezes"], parameters["override_reason"])
        if options["expected_account_id"]:
            refuse_foreign_account(options["expected_account_id"], _account(options["connection"]), system)
        held = self._lock(options, front, parameters["take_over"], host)
        self._write_down(system, opening, held)
        return {
            "changed": False, "run": journal.active.run if journal.active else "", "opening": opening.reason,
            "overridden": opening.overridden, "lock": shown(held.lease), "without_lock": held.without_lock,
            "parameters": parameters,
        }

    def _lock(self, options: dict[str, Any], front: dict[str, Any], take_over: str, host: str) -> Held:
        lock, system = options["lock"], options["system"]
        if not (lock and front["changes"]) or journal.active is None:
            return Held(None)
        emergency = front["class"] == EMERGENCY
        if take_over and not emergency:
            raise Refused("take over the lock", system, "only an emergency procedure may",
                          "Wait for the other run to end.")
        asked = Asked(system, host, journal.active.run, operator_name(extra_vars()), front["title"], emergency, take_over)
        stored = stored_lock(lock, options["connection"])
        held = look_at(stored, asked) if self._task.check_mode else hold(stored, asked, _progress)
        if held.without_lock:
            display.warning(f"This emergency goes on WITHOUT the run lock of {system}: {held.without_lock}")
        return held

    def _write_down(self, system: str, opening: Opening, held: Held) -> None:
        if journal.active is not None:
            journal.active.write("guard_passed", system=system, opening=opening.reason, overridden=opening.overridden,
                                 lock=shown(held.lease), without_lock=held.without_lock,
                                 check_mode=bool(self._task.check_mode))


def _progress(text: str) -> None:
    if text:
        display.display(f"  {text}")


def _refuse_without_journal(changes: bool, system: str) -> None:
    if changes and journal.active is None:
        raise Refused("start a changing procedure", system, "the ledger keeps no journal of this run",
                      "Enable it: callbacks_enabled = opsbook.runbooks.ledger in ansible.cfg.")


def _account(connection: dict[str, Any]) -> str:
    with explaining("ask for the AWS account", "sts:GetCallerIdentity"):
        return str(connector(connection)("sts").get_caller_identity()["Account"])
