# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One verdict over many checks: healthy only if each of them was made and each of them is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .evidence import HEALTHY, UNHEALTHY, UNKNOWN, in_words

NOT_DECLARED = "not declared"
WORK = "plan_digest"
"""A key that every changing operation returns, and nothing that only reads."""


@dataclass(frozen=True)
class Judgement:
    """What a gate decides.

    :param verdict: healthy, unhealthy or unknown
    :param lines: a line a check, for a person
    :param faults: what is wrong or could not be told, each on its resource
    :param checks: the verdict of each check by its name, or "not declared"
    """

    verdict: str
    lines: tuple[str, ...]
    faults: tuple[str, ...]
    checks: Mapping[str, str] = field(default_factory=dict)


def judge(checks: Mapping[str, Mapping[str, Any]]) -> Judgement:
    """Judge the registered results of operations.

    A skipped check (the system does not declare what it looks at) does not count, and says so. A check that failed,
    or that carries no verdict, is unknown: nothing was learned from it. No check at all is unknown too. Work that was done
    without a failure is healthy, and unhealthy where a part of it failed.
    """
    verdicts: dict[str, str] = {}
    faults: list[str] = []
    for name, result in checks.items():
        if isinstance(result, Mapping) and result.get("skipped"):
            verdicts[name] = NOT_DECLARED
            continue
        verdicts[name], found = _one(result)
        faults.extend(f"{name}: {fault}" for fault in found)
    lines = tuple(f"{name}: {verdict}" for name, verdict in verdicts.items())
    return Judgement(_overall(verdicts.values()), lines, tuple(faults), verdicts)


def _one(result: Any) -> tuple[str, list[str]]:
    if not isinstance(result, Mapping):
        return UNKNOWN, ["there is no result of it"]
    if "verdict" not in result and WORK in result:
        return (UNHEALTHY, [str(result["msg"])]) if "msg" in result else (HEALTHY, [])
    # A failure that a task was told not to fail for has a message where the verdict would be.
    if result.get("failed") or ("verdict" not in result and "msg" in result):
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


def _overall(verdicts: Iterable[str]) -> str:
    made = [verdict for verdict in verdicts if verdict != NOT_DECLARED]
    for verdict in (UNHEALTHY, UNKNOWN):
        if verdict in made:
            return verdict
    return HEALTHY if made else UNKNOWN
