# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes and plans: frozen data, ordered, with a digest that two runs over the same state share."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Undo:
    """How a change is reversed: a module with its arguments, or the reason why it cannot be.

    :param module: fully qualified module name; empty where there is no way back
    :param arguments: the module's arguments
    :param reason: why there is none, or what to know before using it
    """

    module: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The undo entry as plain data; `module` is null where there is no way back."""
        return {"module": self.module or None, "arguments": dict(self.arguments), "reason": self.reason}


def no_undo(reason: str) -> Undo:
    """An undo entry for what cannot be reversed."""
    return Undo(reason=reason)


@dataclass(frozen=True)
class Change:
    """One atomic change.

    :param resource: what changes, as `<kind>:<name>` ("lambda-version:parser:3")
    :param action: the verb ("delete", "force_new_deployment")
    :param before: the state that changes, plain JSON values; no ages, times, counts or request ids
    :param after: the state wanted, likewise
    :param summary: one line for a person
    :param undo: how to reverse it, or why that is impossible
    :param handle: what `apply` needs beside; not shown, not part of the digest
    """

    resource: str
    action: str
    before: Any
    after: Any
    summary: str
    undo: Undo
    handle: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def entry(self) -> dict[str, Any]:
        """What the digest covers and an approval binds: resource, action, before, after."""
        return {"resource": self.resource, "action": self.action, "before": self.before, "after": self.after}

    def as_dict(self) -> dict[str, Any]:
        """The change as plain data for a module's result and the record."""
        return {**self.entry(), "summary": self.summary, "undo": self.undo.as_dict()}


@dataclass(frozen=True)
class Kept:
    """A resource that was considered and stays, with the reason."""

    resource: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Ordered steps of independent changes: the changes of a step may run at once, the steps run in order.

    :param steps: the steps; empty when there is nothing to do
    :param kept: what was considered and stays as it is, each with its reason
    :param considered: how many resources the plan chose from, the denominator of a percentage limit
    :param considered_as: what those are, for messages ("published versions")
    """

    steps: tuple[tuple[Change, ...], ...] = ()
    kept: tuple[Kept, ...] = ()
    considered: int = 0
    considered_as: str = "resources"

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes in order."""
        return tuple(change for step in self.steps for change in step)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical plan, as 64 hexadecimal digits."""
        return digest_of([[change.entry() for change in step] for step in self.steps])


def one_step(changes: list[Change], kept: list[Kept], considered: int, considered_as: str) -> Plan:
    """A plan whose changes are all independent, sorted by resource so that its digest is stable."""
    once = {canonical_json(change.entry()): change for change in reversed(changes)}
    ordered = tuple(sorted(once.values(), key=lambda change: (natural_order(change.resource), change.action)))
    return Plan((ordered,) if ordered else (), tuple(kept), considered, considered_as)


def natural_order(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sorting key under which version 2 comes before version 10; the name itself decides between 7 and 07."""
    parts = enumerate(re.split(r"([0-9]+)", name))
    return [(0, int(part), "") if number % 2 else (1, 0, part) for number, part in parts if part], name


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no blanks, no non-finite numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def diff_of(changes: tuple[Change, ...]) -> list[dict[str, str]]:
    """Ansible's diff, an entry a change, so that `--diff` shows each resource under its own name."""
    return [
        {
            "before_header": f"{change.resource} ({change.action})",
            "after_header": f"{change.resource} ({change.action})",
            "before": _as_text(change.before),
            "after": _as_text(change.after),
        }
        for change in changes
    ]


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n"
