# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the ledger writes down of a task's result: short in the journal, whole beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CAP = 50
"""Evidence and planned changes kept in one journal event; the rest is in the evidence file and the change events."""

MESSAGE_LENGTH = 2000


def task_events(status: str, result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One event a result; for a loop one an item."""
    items = result.get("results")
    if not isinstance(items, list) or "ansible_loop_var" not in (items[0] if items else {}):
        yield _event(status, result, "")
        return
    for item in items:
        label = str(item.get("_ansible_item_label", item.get(item.get("ansible_loop_var", "item"), "")))[:200]
        item_status = "failed" if item.get("failed") else "skipped" if item.get("skipped") else "ok"
        yield _event(item_status, item, label)


def _event(status: str, result: Mapping[str, Any], item: str) -> dict[str, Any]:
    if result.get("censored") or result.get("_ansible_no_log"):
        return {"status": status, "item": item, "changed": bool(result.get("changed")), "message": "hidden by no_log"}
    if status == "ok" and result.get("skipped"):
        status = "skipped"
    evidence = _list(result, "evidence")
    return {
        "status": status,
        "item": item,
        "changed": bool(result.get("changed")),
        "message": _message(status, result),
        "verdict": result.get("verdict"),
        "recovery": result.get("recovery", ""),
        "plan_digest": result.get("plan_digest"),
        "planned": _list(result, "changes"),
        "evidence": evidence[:CAP],
        "evidence_total": len(evidence),
        "kept": len(_list(result, "kept")),
        "failed_resources": _list(result, "failed_resources"),
        "gaps": list((result.get("coverage") or {}).get("missing") or ()) if _is_map(result.get("coverage")) else [],
    }


def _message(status: str, result: Mapping[str, Any]) -> str:
    if status == "skipped":
        return str(result.get("skip_reason") or result.get("skipped_reason") or result.get("msg") or "")[:MESSAGE_LENGTH]
    return str(result.get("msg") or "")[:MESSAGE_LENGTH] if status in ("failed", "unreachable") else ""


def _list(result: Mapping[str, Any], name: str) -> list[Any]:
    value = result.get(name)
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _is_map(value: Any) -> bool:
    return isinstance(value, Mapping)
