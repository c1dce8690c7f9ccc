# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One verdict over many checks: healthy only if each of them was made and each of them is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .evidence import HEALTHY, UNHEALTHY, UNKNOWN, in_words


@dataclass(frozen=True)
class Judgement:
    """What a gate decides.

    :param verdict: healthy, unhealthy or unknown
    :param lines: a line a check, for a person
    :param faults: what is wrong or could not be told, each on its resource
    """

    verdict: str
    lines: tuple[str, ...]
    faults: tuple[str, ...]


def judge(checks: Mapping[str, Mapping[str, Any]]) -> Judgement:
    """Judge the registered results of information operations.

    A skipped check (the system does not declare what it looks at) does not count, and says so. A check that failed,
    or that carries no verdict, is unknown: nothing was learned from it. No check at all is unknown too.
    """
    verdicts: list[str] = []
    lines: list[str] = []
    faults: list[str] = []
    for name, result in checks.items():
        if isinstance(result, Mapping) and result.get("skipped"):
            lines.append(f"{name}: not declared")
            continue
        verdict, found = _one(result)
        verdicts.append(verdict)
        lines.append(f"{name}: {verdict}")
        faults.extend(f"{name}: {fault}" for fault in found)
    return Judgement(_overall(verdicts), tuple(lines), tuple(faults))


def _one(result: Any) -> tuple[str, list[str]]:
    if not isinstance(result, Mapping):
        return UNKNOWN, ["there is no result of it"]
    if result.get("failed"):
        return UNKNOWN, [f"the check itself failed: {result.get('msg', 'no message')}"]
    faults = [
        f"{item.get('resource')}: {item.get('check')}: {in_words(item.get('actual'))} "
        f"(expected: {in_words(item.get('expected'))})"
        for item in result.get("evidence", []) if item.get("ok") is not True
    ]
    gaps = (result.get("coverage") or {}).get("missing", [])
    faults += [f"{gap.get('resource')}: not seen ({gap.get('reason')})" for gap in gaps]
    verdict = result.get("verdict", UNKNOWN)
    if verdict not in (HEALTHY, UNHEALTHY) or (verdict == HEALTHY and faults):
        return UNKNOWN, faults or ["nothing was seen"]
    return str(verdict), faults


def _overall(verdicts: list[str]) -> str:
    for verdict in (UNHEALTHY, UNKNOWN):
        if verdict in verdicts:
            return verdict
    return HEALTHY if verdicts else UNKNOWN
