"""Journals of runs, event by event, for tests of the record and of what is made from it."""

from __future__ import annotations

from typing import Any

FRONT = {"ids": ["000-09"], "class": "routine", "title": "Weekly maintenance", "purpose": "Keep the shop well.",
         "changes": True, "risk": "medium", "duration": "10 minutes", "undo": "see the record", "parameters": {}}


def started(**given: Any) -> dict[str, Any]:
    return {"event": "run_started", "time": "2026-11-21T02:00:00+00:00", "run": "r1", "operator": "ada",
            "playbook": "playbooks/weekly-maintenance.yml", "revision": "abc123", "command": {},
            "versions": {"python": "3.11"}, **given}


def play(procedure: Any = FRONT) -> dict[str, Any]:
    return {"event": "play_started", "time": "2026-11-21T02:00:01+00:00", "play": "Maintenance", "procedure": procedure}


def task(name: str = "Prune versions", system: str = "commerce", **given: Any) -> dict[str, Any]:
    return {"event": "task_finished", "time": "2026-11-21T02:00:09+00:00", "system": system, "phase": "Work", "task": name,
            "item": "", "action": "opsbook.runbooks.lambda_version_prune", "status": "ok", "seconds": 1.5,
            "changed": bool(given.get("planned")),
            "message": "", "verdict": None, "recovery": "", "plan_digest": None, "planned": [], "evidence": [],
            "failed_resources": [], "kept": 0, "gaps": [], **given}


def planned(resource: str = "lambda-version:f:1", **given: Any) -> dict[str, Any]:
    return {"resource": resource, "action": "delete", "before": {"sha": "x"}, "after": None, "summary": f"Delete {resource}",
            "undo": {"module": None, "arguments": {}, "reason": "deleted for good"}, **given}


def begun(resource: str = "lambda-version:f:1", task: str = "Prune versions", **given: Any) -> dict[str, Any]:
    context = {"system": "commerce", "operation": "lambda_version_prune", "task": task, "item": ""}
    return {"event": "change_started", "time": "2026-11-21T02:00:05+00:00", **context, **given, "change": planned(resource)}


def ended(resource: str = "lambda-version:f:1", task: str = "Prune versions", **given: Any) -> dict[str, Any]:
    context = {"system": "commerce", "operation": "lambda_version_prune", "task": task, "item": ""}
    return {"event": "change_finished", "time": "2026-11-21T02:00:06+00:00", **context, "resource": resource,
            "action": "delete", "detail": {}, **given}


def finished(failed: bool = False) -> dict[str, Any]:
    return {"event": "run_finished", "time": "2026-11-21T02:01:00+00:00", "failed": failed}


def gap(resource: str = "table:orders", reason: str = "AccessDenied") -> dict[str, str]:
    return {"resource": resource, "reason": reason}


def seen(**given: Any) -> dict[str, Any]:
    return {"event": "evidence", "time": "2026-11-21T02:00:09+00:00", "system": "commerce", "phase": "Verification",
            "task": "Read the services", "check": "running tasks", "resource": "ecs-service:web", "expected": 2, "actual": 2,
            "ok": True, **given}
