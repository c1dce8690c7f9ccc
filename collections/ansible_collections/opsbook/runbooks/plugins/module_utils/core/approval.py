# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan, approve, apply: a run that carries an approved plan applies exactly that and refuses what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .change import Plan, canonical_json
from .errors import Refused


def refuse_unapproved(plan: Plan, approved: Mapping[str, Any] | None) -> None:
    """Compare a plan with the entries approved for this task.

    :param approved: `{"changes": [{resource, action, before, after}, ...]}`, or None when no approval is asked for
    :raises Refused: naming every difference; nothing has changed then
    """
    if approved is None:
        return
    allowed = Counter(canonical_json(_bound(entry)) for entry in approved.get("changes", []))
    planned = Counter(canonical_json(change.entry()) for change in plan.changes)
    beyond = planned - allowed
    differing = sorted({_key(change.entry()) for change in plan.changes if canonical_json(change.entry()) in beyond})
    if differing:
        raise Refused(
            "apply the plan", ", ".join(differing), "it differs from the approved plan",
            "Run with --check, have the new plan approved, and pass it as approved_plan.",
        )


def _key(entry: Mapping[str, Any]) -> str:
    return f"{entry['resource']} ({entry['action']})"


def _bound(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry.get(name) for name in ("resource", "action", "before", "after")}
