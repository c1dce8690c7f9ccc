# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the ledger writes down of a task's result: short in the journal, whole beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

CAP = 50
"""Evidence kept in one journal event; all of it is in the evidence file."""

MESSAGE_LENGTH = 2000


UNDECLARED = re.compile(r"\s*\w+ is defined(?: or \w+ is defined)*\s*")
"""How a procedure asks whether a system declares what a task works on."""

CHANGE = {"resource": str, "action": str, "summary": str, "undo": Mapping}
EVIDENCE = {"resource": str, "check": str}
FAILURE = {"resource": str, "reason": str}
VERDICTS = ("healthy", "unhealthy", "unknown")


def task_events(status: str, result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One event a result; for a loop one an item."""
    items = result.get("results")
    if not (isinstance(items, list) and items and all(_is_item(item) for item in items)):
        yield _event(status, result, "")
        return
    for item in items:
        item_status = "failed" if item.get("failed") else "skipped" if item.get("skipped") else "ok"
        yield _event(item_status, item, _label(item))


def evidence_of(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All evidence of a result, a loop's too; nothing of what is hidden. Only what has the shape of ours."""
    items = result.get("results")
    parts = items if isinstance(items, list) and all(_is_item(item) for item in items) else [result]
    return [item for part in parts if not _is_hidden(part) for item in _evidence(part)]


def _event(status: str, result: Mapping[str, Any], item: str) -> dict[str, Any]:
    if _is_hidden(result):
        return {"status": status, "item": "", "changed": bool(result.get("changed")), "message": "hidden by no_log"}
    if status == "ok" and result.get("skipped"):
        status = "skipped"
    evidence = _evidence(result)
    coverage = result.get("coverage")
    verdict, recovery = result.get("verdict"), result.get("recovery")
    if verdict is None and _was_tolerated(result):
        verdict = "unknown"
    return {
        "status": status,
        "item": item,
        "changed": bool(result.get("changed")),
        "message": _message(status, result),
        "undeclared": undeclared(result) if status == "skipped" else "",
        "verdict": verdict if isinstance(verdict, str) and verdict in VERDICTS else None,
        "recovery": recovery if isinstance(recovery, str) else "",
        "plan_digest": result.get("plan_digest"),
        "planned": _shaped(result.get("changes"), CHANGE),
        "evidence": evidence[:CAP],
        "evidence_total": len(evidence),
        "kept": len(_shaped(result.get("kept"), FAILURE)),
        "failed_resources": _shaped(result.get("failed_resources"), FAILURE),
        "gaps": _shaped(coverage.get("missing"), FAILURE) if isinstance(coverage, Mapping) else [],
        **_judgement(result),
    }


def _judgement(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a gate found, check by check."""
    checks, faults = result.get("checks"), result.get("faults")
    if not isinstance(checks, Mapping) or not isinstance(faults, list):
        return {}
    return {"checks": {str(name): str(verdict) for name, verdict in checks.items()},
            "faults": [str(fault)[:MESSAGE_LENGTH] for fault in faults]}


def _was_tolerated(result: Mapping[str, Any]) -> bool:
    """Whether a task did not fail only because it was told not to (`failed_when: false`)."""
    return result.get("failed_when_result") is False and "msg" in result


def _message(status: str, result: Mapping[str, Any]) -> str:
    if status == "skipped":
        said = result.get("skip_reason") or result.get("skipped_reason") or result.get("msg") or ""
    else:
        told = status in ("failed", "unreachable") or ("verdict" not in result and _was_tolerated(result))
        said = result.get("msg") or "" if told else ""
    return str(said)[:MESSAGE_LENGTH]


def _evidence(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**item, "ok": item["ok"] if isinstance(item.get("ok"), bool) else None}
            for item in _shaped(result.get("evidence"), EVIDENCE)]


def _shaped(value: Any, shape: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of a list that look like ours: any module may return a list that it calls changes."""
    entries = value if isinstance(value, list) else []
    return [dict(entry) for entry in entries if isinstance(entry, Mapping)
            and all(isinstance(entry.get(name), kind) for name, kind in shape.items())]


def _is_item(item: Any) -> bool:
    return isinstance(item, Mapping) and "ansible_loop_var" in item


def _is_hidden(result: Mapping[str, Any]) -> bool:
    return bool(result.get("censored") or result.get("_ansible_no_log"))


def _label(item: Mapping[str, Any]) -> str:
    return label_of(item.get("_ansible_item_label", item.get(item["ansible_loop_var"])))


def name_of(task: Any) -> str:
    """A task's name as its author gave it, without the role that it comes from; one name for records and approvals."""
    return str(task.name or task.get_name()).strip()


def undeclared(result: Mapping[str, Any]) -> str:
    """The variables for whose absence a task was skipped (`when: <variable> is defined`); empty for another reason."""
    condition = str(result.get("false_condition") or "")
    return " or ".join(condition.split()[::4]) if UNDECLARED.fullmatch(condition) else ""


def label_of(item: Any) -> str:
    """A loop's item as the journal names it. A map or a list may hold secrets: it is named by a label, or not at all."""
    return "" if item is None or isinstance(item, (Mapping, list, tuple)) else str(item)[:200]
