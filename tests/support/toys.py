"""A toy operation over a dictionary of switches: small enough that a test of the engine or the adapter shows all of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import Change, Plan, Undo, one_step
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.evidence import Evidence
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Operation, Outcome

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def change(resource: str = "switch:a", action: str = "turn_on", **given: Any) -> Change:
    fields: dict[str, Any] = {
        "before": "off", "after": "on", "summary": f"Turn on {resource}", "undo": Undo("ns.col.switch", {"on": False})}
    return Change(resource, action, **{**fields, **given})


class Switches:
    """Switches that can be turned on, and that remember what was done to them.

    :param on_apply: called before a switch is turned on; raises to let it fail
    """

    def __init__(self, names: Iterable[str], on_apply: Callable[[Change], None] = lambda change: None) -> None:
        self.states = dict.fromkeys(names, "off")
        self.applied: list[str] = []
        self._on_apply = on_apply
        self._lock = threading.Lock()

    def operation(self, **replaced: Any) -> Operation[Mapping[str, str]]:
        steps: dict[str, Any] = {
            "collect": self.collect, "plan": self.plan, "apply": self.apply, "verify": self.verify,
            "describe": lambda collected: {"switches": dict(collected.state)}}
        return Operation(**{**steps, **replaced})

    def collect(self) -> Collected[Mapping[str, str]]:
        return Collected(dict(self.states), NOW, Coverage(tuple(f"switch:{name}" for name in self.states)))

    def plan(self, collected: Collected[Mapping[str, str]]) -> Plan:
        off = [change(f"switch:{name}") for name, state in collected.state.items() if state == "off"]
        return one_step(off, [], len(collected.state), "switches")

    def apply(self, wanted: Change) -> Outcome:
        self._on_apply(wanted)
        with self._lock:
            self.applied.append(wanted.resource)
            self.states[wanted.resource.partition(":")[2]] = "on"
        return Outcome(wanted.resource)

    def verify(self, collected: Collected[Mapping[str, str]], plan: Plan) -> list[Evidence]:
        return [Evidence("state", f"switch:{name}", "on", state, state == "on") for name, state in self.states.items()]
