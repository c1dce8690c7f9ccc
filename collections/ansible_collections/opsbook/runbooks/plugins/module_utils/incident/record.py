# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of a run, built from its journal alone: the same whether the run ended well or was killed.

Standard library only; pure but for `seal` at the end, which reads a run's folder and writes the record beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.change import digest_of
from .investigation_record import is_investigation, seal_investigation
from .journal import read_journal
from .page import render_page
from .record_files import CHECKED, EVIDENCE, FAILED, INTERRUPTED, JOURNAL, OK, PAGE, PLAN, RECORD, SCHEMA, write_whole

__all__ = ["EVIDENCE", "JOURNAL", "PAGE", "PLAN", "RECORD", "SCHEMA", "build_record", "plan_of", "seal"]

Event = Mapping[str, Any]


def build_record(events: Sequence[Event], evidence: Sequence[Event] = ()) -> dict[str, Any]:
    """The record of a run.

    :param events: the journal's events in order
    :param evidence: what operations saw, whole (the journal keeps only the first of many)
    """
    started = _first(events, "run_started")
    procedure = _procedure(events)
    finished = _first(events, "run_finished")
    tasks = [_task(event) for event in events if event["event"] == "task_finished"]
    changes = _changes(events)
    return {
        "schema": SCHEMA,
        "kind": "procedure",
        "id": started.get("run", ""),
        "status": _status(started, finished, tasks, changes),
        "title": str(procedure["title"] or Path(str(started.get("playbook", "run"))).stem),
        "procedure": procedure,
        "playbook": started.get("playbook", ""),
        "operator": started.get("operator", ""),
        "revision": started.get("revision", ""),
        "versions": dict(started.get("versions") or {}),
        "command": dict(started.get("command") or {}),
        "started": started.get("time", ""),
        "finished": finished.get("time") or (events[-1].get("time", "") if events else ""),
        "systems": sorted({str(entry["system"]) for entry in [*tasks, *changes]}),
        "guard": [_without(event, "event") for event in events if event["event"] == "guard_passed"],
        "tasks": tasks,
        "planned": [dict(change, system=task["system"], task=task["task"], item=task["item"])
                    for task in tasks for change in task["planned"]],
        "changes": changes,
        "evidence": [_without(event, "event", "time") for event in evidence if event["event"] == "evidence"],
        "gaps": _gaps(tasks),
        "undo": _undo(changes),
        "torn_lines": sum(event["event"] == "torn_line" for event in [*events, *evidence]),
    }


def plan_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The plan of a whole procedure with its digest, as `--check` writes it and `approved_plan` takes it."""
    entries = sorted(
        ({"system": task["system"], "task": task["task"], "item": task["item"], "changes": [
            {name: change[name] for name in ("resource", "action", "before", "after")} for change in task["planned"]]}
         for task in record["tasks"] if task["planned"]),
        key=lambda entry: (entry["system"], entry["task"], entry["item"]))
    return {"schema": "opsbook.plan/1", "run": record["id"], "playbook": record["playbook"],
            "revision": record["revision"], "entries": entries, "digest": digest_of(entries)}


def seal(folder: Path, signing: str = "Not signed.") -> dict[str, Any]:
    """Write record.json and record.html (and plan.json for a check run) from the journal in a run's folder.

    :param signing: how the record is signed, a sentence for its page; `sealing.seal_run` attests it afterwards
    :raises OSError: when the journal cannot be read or the record not written
    """
    journal, evidence = folder / JOURNAL, folder / EVIDENCE
    events = read_journal(str(journal))
    if is_investigation(events):
        return seal_investigation(folder, signing)
    record = build_record(events, read_journal(str(evidence)) if evidence.exists() else [])
    record["journal_sha256"] = hashlib.sha256(journal.read_bytes()).hexdigest()
    if record["status"] == CHECKED:
        write_whole(folder / PLAN, json.dumps(plan_of(record), indent=1, sort_keys=True))
    write_whole(folder / PAGE, render_page(record, signing))
    write_whole(folder / RECORD, json.dumps(record, indent=1, sort_keys=True))
    return record


def _status(started: Event, finished: Event, tasks: Sequence[Event], changes: Sequence[Event]) -> str:
    if not finished:
        return INTERRUPTED
    # A task that ignores its errors does not make a change that failed a success.
    unfinished = any(change["outcome"] != "done" for change in changes) or any(
        task["status"] == "failed" and (task["failed_resources"] or task["planned"]) for task in tasks)
    if finished.get("failed") or unfinished:
        return FAILED
    return CHECKED if (started.get("command") or {}).get("check") else OK


def _task(event: Event) -> dict[str, Any]:
    fields = ("system", "phase", "task", "item", "action", "status", "seconds", "changed", "message", "verdict",
              "recovery", "plan_digest")
    return {
        **{name: event.get(name) for name in fields},
        "item": event.get("item") or "",
        "time": event.get("time"),
        # A task that says it changes nothing of the estate (a notice) has no part in the plan.
        "planned": list(event.get("planned") or ()) if event.get("changed") else [],
        "failed_resources": list(event.get("failed_resources") or ()),
        "kept": int(event.get("kept") or 0),
        "gaps": list(event.get("gaps") or ()),
        "undeclared": event.get("undeclared") or "",
        "checks": dict(event.get("checks") or {}),
        "faults": list(event.get("faults") or ()),
    }


def _changes(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Each change that was begun, with what became of it; no answer in the journal means that nobody knows."""
    begun: dict[str, dict[str, Any]] = {}
    for event in events:
        change = event.get("change")
        if event["event"] == "change_started" and isinstance(change, Mapping) and "resource" in change:
            begun[str(event.get("id") or _which(event, change))] = {
                "system": event.get("system", ""), "operation": event.get("operation", ""),
                "task": event.get("task", ""), "time": event.get("time", ""), "outcome": "unknown", "error": "",
                **NOTHING_KNOWN, **change}
        elif event["event"] in OUTCOMES:
            entry = begun.get(str(event.get("id") or _which(event, event)))
            if entry is not None:
                entry.update(outcome=OUTCOMES[event["event"]], error=event.get("error", ""),
                             detail=event.get("detail", {}))
        elif event["event"] == "change_reverted":
            _revert(begun.values(), event)
    return list(begun.values())


def _revert(changes: Iterable[dict[str, Any]], event: Event) -> None:
    """Mark the newest such change as taken back: it needs no undo any more."""
    for change in reversed(list(changes)):
        if (change["system"], change["resource"], change["action"]) == (
                event.get("system", ""), event.get("resource"), event.get("action")):
            change["outcome"] = "rolled back"
            return


OUTCOMES = {"change_finished": "done", "change_failed": "failed", "change_unknown": "unknown"}

NOTHING_KNOWN: dict[str, Any] = {
    "action": "", "before": None, "after": None, "summary": "", "undo": {"module": None, "arguments": {}, "reason": ""}}


def _which(event: Event, change: Event) -> tuple[str, ...]:
    """What a change is told apart by where its journal gives it no id."""
    return tuple(str(part) for part in (event.get("system", ""), event.get("task", ""), event.get("item", ""),
                                        change.get("resource"), change.get("action", "")))


def _undo(changes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How to reverse the run, last change first."""
    return [{"system": change["system"], "resource": change["resource"], **change["undo"]}
            for change in reversed(changes) if change["outcome"] in ("done", "unknown")]


def _gaps(tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"system": task["system"], "task": task["task"], **gap} for task in tasks for gap in task["gaps"]]


def _procedure(events: Iterable[Event]) -> dict[str, Any]:
    """The front matter as far as it has the right kinds; only the guard refuses it, a record is written all the same."""
    for event in events:
        front = event.get("procedure")
        if event["event"] == "play_started" and isinstance(front, Mapping):
            ids = front.get("ids")
            texts = {name: value for name, value in front.items() if isinstance(value, (str, bool, dict))}
            return {"title": "", "purpose": "", **texts,
                    "ids": [str(name) for name in ids] if isinstance(ids, (list, tuple)) else []}
    return {"title": "", "purpose": "", "ids": []}


def _first(events: Iterable[Event], kind: str) -> Event:
    return next((event for event in events if event["event"] == kind), {})


def _without(event: Event, *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in names}
