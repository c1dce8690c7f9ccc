# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a saved plan says (`terraform show -json PLAN`): pure reading, with sensitive values masked.

Format: https://developer.hashicorp.com/terraform/internals/json-format, "Plan representation".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .messages import leaves

SENSITIVE = "(sensitive value)"
UNKNOWN = "(known after apply)"

DESTROYING = frozenset({"delete", "replace"})

_ACTIONS = {
    ("create",): "create",
    ("update",): "update",
    ("delete",): "delete",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
    ("forget",): "forget",
    ("create", "forget"): "replace",
}


@dataclass(frozen=True)
class Entry:
    """What the plan does to one resource.

    :param address: the resource's address ("terraform_data.rule[\\"web\\"]"); "output values" for all outputs together
    :param action: create, update, delete, replace, forget (leaves the state, stays in the world), import or move
    :param before: masked values; of an update or a replacement only the attributes that differ
    :param after: likewise
    :param deposed: key of a left-over object of an interrupted replacement; empty for the resource itself
    """

    address: str
    action: str
    before: Any
    after: Any
    deposed: str = ""

    @property
    def resource(self) -> str:
        """The resource as a change names it."""
        return f"terraform:{self.address}" + (f" (deposed {self.deposed})" if self.deposed else "")


@dataclass(frozen=True)
class PlanFile:
    """A saved plan.

    :param entries: what it does, sorted by address
    :param considered: how many managed resources the configuration and the state have, changed outputs being one more
    :param secrets: values that the configuration calls sensitive, to keep out of messages; never shown
    """

    entries: tuple[Entry, ...] = ()
    considered: int = 0
    secrets: tuple[str, ...] = field(default=(), repr=False)


OUTPUTS = "output values"


def read_plan(document: Mapping[str, Any]) -> PlanFile:
    """Read the plan's JSON."""
    managed = [item for item in document.get("resource_changes") or () if item.get("mode") == "managed"]
    entries = [entry for entry in map(_entry, managed) if entry]
    outputs = tuple(_outputs(document.get("output_changes") or {}))
    ordered = sorted(entries, key=lambda entry: (entry.address, entry.deposed))
    considered = len({item["address"] for item in managed}) + len(outputs)
    return PlanFile((*ordered, *outputs), considered, tuple(_secrets(document)))


def mask(value: Any, sensitive: Any, unknown: Any = False) -> Any:
    """A value without what is sensitive, and with a word where it is known only after the apply.

    :param sensitive: true, or a structure like the value with true where it is sensitive
    :param unknown: likewise for what is not known yet; such attributes are missing in the value
    """
    if sensitive is True:
        return SENSITIVE
    if unknown is True:
        return UNKNOWN
    if isinstance(value, Mapping) or (value is None and isinstance(unknown, Mapping) and unknown):
        own = value or {}
        names = {*own, *(name for name, later in _mapping(unknown).items() if later is True)}
        return {name: mask(own.get(name), _mapping(sensitive).get(name), _mapping(unknown).get(name))
                for name in sorted(names)}
    if isinstance(value, list):
        return [mask(item, _at(sensitive, index), _at(unknown, index)) for index, item in enumerate(value)]
    return value


def _entry(item: Mapping[str, Any]) -> Entry | None:
    change = item["change"]
    action = _ACTIONS.get(tuple(change["actions"]), "")
    address, deposed = str(item["address"]), str(item.get("deposed") or "")
    if action:
        before, after = _both(change, action in ("update", "replace"))
        return Entry(address, action, before, after, deposed)
    if change.get("importing"):
        return Entry(address, "import", None, {"id": str(change["importing"].get("id", ""))})
    if item.get("previous_address"):
        return Entry(address, "move", {"address": str(item["previous_address"])}, {"address": address})
    # "no-op", and "read" of what is only known during the apply: nothing changes.
    return None


def _both(change: Mapping[str, Any], only_differing: bool) -> tuple[Any, Any]:
    before, after = change.get("before"), change.get("after")
    unknown = change.get("after_unknown")
    masked_before = mask(before, change.get("before_sensitive"))
    masked_after = mask(after, change.get("after_sensitive"), unknown if after is not None else False)
    if not (only_differing and isinstance(before, Mapping) and isinstance(after, Mapping)):
        return masked_before, masked_after
    names = [name for name in sorted({*masked_before, *masked_after})
             if before.get(name) != after.get(name) or masked_before.get(name) != masked_after.get(name)]
    return ({name: masked_before.get(name) for name in names}, {name: masked_after.get(name) for name in names})


def _outputs(changes: Mapping[str, Any]) -> Iterable[Entry]:
    """All output values as one entry: they are no resources, and a limit on those should not count each."""
    changed = {name: change for name, change in sorted(changes.items()) if change["actions"] != ["no-op"]}
    if not changed:
        return ()
    both = {name: _both(change, False) for name, change in changed.items()}
    return (Entry(OUTPUTS, "update", {name: pair[0] for name, pair in both.items()},
                  {name: pair[1] for name, pair in both.items()}),)


def _secrets(document: Mapping[str, Any]) -> set[str]:
    declared = (document.get("configuration") or {}).get("root_module", {}).get("variables") or {}
    given = document.get("variables") or {}
    found = {text for name, variable in declared.items() if variable.get("sensitive")
             for text in leaves((given.get(name) or {}).get("value"))}
    for item in (*(document.get("resource_changes") or ()), *(document.get("resource_drift") or ())):
        for side in ("before", "after"):
            found |= set(_sensitive_leaves(item["change"].get(side), item["change"].get(f"{side}_sensitive")))
    return found


def _sensitive_leaves(value: Any, sensitive: Any) -> list[str]:
    if sensitive is True:
        return leaves(value)
    if isinstance(value, Mapping):
        return [text for name, item in value.items() for text in _sensitive_leaves(item, _mapping(sensitive).get(name))]
    if isinstance(value, list):
        return [text for index, item in enumerate(value) for text in _sensitive_leaves(item, _at(sensitive, index))]
    return []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _at(value: Any, index: int) -> Any:
    return value[index] if isinstance(value, list) and index < len(value) else None
