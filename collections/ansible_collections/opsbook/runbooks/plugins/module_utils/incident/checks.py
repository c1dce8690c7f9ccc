# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run found about the health of its systems: a verdict a system, a line a check, and every fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNKNOWN, NOT_DECLARED = "unknown", "not declared"


@dataclass(frozen=True)
class Health:
    """The health of the systems of a run.

    :param verdicts: by system; unknown where no verdict was reached
    :param checks: by check, then by system; a system that does not declare what is looked at is left out
    :param faults: by system, what is wrong or could not be told
    """

    verdicts: Mapping[str, str]
    checks: Mapping[str, Mapping[str, str]]
    faults: Mapping[str, Sequence[str]]

    def count(self, verdict: str) -> int:
        """How many systems have this verdict."""
        return sum(given == verdict for given in self.verdicts.values())


def health_of(record: Mapping[str, Any]) -> Health:
    """What the last gate of each system saw."""
    gates = {task["system"]: task for task in record["tasks"] if task.get("checks")}
    verdicts: dict[str, str] = {}
    checks: dict[str, dict[str, str]] = {}
    faults: dict[str, Sequence[str]] = {}
    for system in record["systems"]:
        gate = gates.get(system)
        verdicts[system] = str(gate["verdict"] or UNKNOWN) if gate else UNKNOWN
        faults[system] = [str(fault) for fault in gate["faults"]] if gate else [*_failures(record, system)]
        for name, verdict in gate["checks"].items() if gate else ():
            mine = checks.setdefault(str(name), {})
            if verdict != NOT_DECLARED:
                mine[system] = str(verdict)
    return Health(verdicts, {name: seen for name, seen in checks.items() if seen}, faults)


def _failures(record: Mapping[str, Any], system: str) -> list[str]:
    """Why a system came to no verdict."""
    return [f"{task['task']}: {task['message']}" for task in record["tasks"]
            if task["system"] == system and task["status"] in ("failed", "unreachable")] or ["it was not looked at"]
