# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A record as one HTML page: self-contained, no scripts, everything a system returned escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .checks import health_of
from .markup import STYLE, clock, json_value, moment, section, table, text, tone

FOLD = 6
"""Groups with more rows than this are folded."""

STATUS = {"ok": "ended well", "failed": "failed", "interrupted": "interrupted", "checked": "checked only"}


def render_page(record: Mapping[str, Any], signing: str = "Not signed.") -> str:
    """The whole page for a record.

    :param signing: how it is signed, a sentence
    """
    body = "".join([
        _head(record), _facts(record),
        section("Health", _health(record), hide_empty=True),
        section("Failures", _failures(record), hide_empty=True),
        section("Changes", _changes(record)),
        section("Planned", _planned(record), hide_empty=True),
        section("Verification and checks", _evidence(record)),
        section("Not seen", _gaps(record), hide_empty=True),
        section("Undo, last change first", _undo(record), hide_empty=True),
        section("Course of the run", _tasks(record)),
        _foot(record, signing),
    ])
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(record["title"])} '
            f'{text(record["id"])}</title><meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{STYLE}</style></head><body>{body}</body></html>")


def _head(record: Mapping[str, Any]) -> str:
    purpose = record["procedure"].get("purpose", "")
    return (f'<div class="head"><h1>{text(record["title"])}</h1>'
            f'<span class="mark {text(record["status"])}">{text(STATUS[record["status"]])}</span></div>'
            f'<p class="purpose">{text(purpose)}</p>')


def _facts(record: Mapping[str, Any]) -> str:
    command = record["command"]
    done = sum(change["outcome"] == "done" for change in record["changes"])
    reasons = [f"{entry['system']}: {entry['opening']}" for entry in record["guard"]]
    asked = " ".join(_flag(name, value) for name, value in command.items() if value)
    rows = {
        "Run": record["id"],
        "Procedure": ", ".join(record["procedure"].get("ids", [])) or record["playbook"],
        "Systems": ", ".join(record["systems"]) or "none",
        "Operator": record["operator"],
        "Started": moment(record["started"]),
        "Ended": moment(record["finished"]),
        "Changes": f"{len(record['planned'])} planned, none made" if command.get("check") else f"{done} made",
        "Allowed because": "; ".join(reasons) or "not guarded",
        "Revision": record["revision"] or "unknown",
        "Command": f"ansible-playbook {record['playbook']} {asked}",
        "Versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    }
    return "<dl>" + "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in rows.items()) + "</dl>"


def _health(record: Mapping[str, Any]) -> str:
    """A row a check, a column a system, as the last gate of each saw them; below it what was wrong or not to be told."""
    health = health_of(record)
    if not health.checks:
        return ""
    unseen = '<span class="none">-</span>'
    rows = [[text(name), *(tone(seen[system]) if system in seen else unseen for system in health.verdicts)]
            for name, seen in health.checks.items()]
    rows.append(["<b>verdict</b>", *(tone(verdict) for verdict in health.verdicts.values())])
    faults = [[text(system), text(fault)] for system, found in health.faults.items() for fault in found]
    return table(["Check", *health.verdicts], rows) + table(["System", "Found"], faults)


def _failures(record: Mapping[str, Any]) -> str:
    rows = [[text(task["system"]), text(task["task"]), text(task["message"]), text(task["recovery"])]
            for task in record["tasks"] if task["status"] in ("failed", "unreachable")]
    return table(["System", "Task", "What happened, and what to do", "Recovery"], rows)


def _changes(record: Mapping[str, Any]) -> str:
    return _groups(record["changes"], lambda change: [
        clock(change["time"]), text(change["summary"]), json_value(change["before"]), json_value(change["after"]),
        tone(change["outcome"]) + (f" {text(change['error'])}" if change["error"] else "")],
        ["Time", "Change", "Before", "After", "Outcome"])


def _planned(record: Mapping[str, Any]) -> str:
    if not record["command"].get("check"):
        return ""
    return _groups(record["planned"], lambda change: [
        text(change["summary"]), json_value(change["before"]), json_value(change["after"])], ["Change", "Before", "After"])


def _evidence(record: Mapping[str, Any]) -> str:
    return _groups(record["evidence"], lambda item: [
        text(item.get("resource")), text(item.get("check")), json_value(item.get("expected")),
        json_value(item.get("actual")), tone(_verdict(item.get("ok")))],
        ["Resource", "Check", "Expected", "Seen", "Verdict"])


def _flag(name: str, value: Any) -> str:
    """An option of the command line; parameters by name only, since a value may be a secret."""
    if name == "parameters":
        return " ".join(f"-e {parameter}=..." for parameter in value)
    option = {"subset": "--limit", "inventory": "-i"}.get(name, f"--{name.replace('_', '-')}")
    return option if value is True else f"{option} {','.join(value) if isinstance(value, list) else value}"


def _verdict(ok: Any) -> str:
    return "healthy" if ok is True else "unhealthy" if ok is False else "unknown"


def _groups(
    entries: Sequence[Mapping[str, Any]], row: Callable[[Mapping[str, Any]], Sequence[str]], heads: Sequence[str]
) -> str:
    """A table a task, folded where it is long; one with something amiss is never folded."""
    parts: list[tuple[bool, str]] = []
    for system, task in dict.fromkeys((entry.get("system"), entry.get("task")) for entry in entries):
        mine = [entry for entry in entries if (entry.get("system"), entry.get("task")) == (system, task)]
        amiss = any(entry.get("outcome", "done") != "done" or entry.get("ok", True) is not True for entry in mine)
        opened = " open" if amiss or len(mine) <= FOLD else ""
        parts.append((amiss, f"<details{opened}><summary><b>{text(task)}</b> <span>{text(system)}, {len(mine)}</span>"
                             f"</summary>{table(heads, [row(entry) for entry in mine])}</details>"))
    # What a reader looks for comes first.
    return "".join(part for amiss, part in sorted(parts, key=lambda part: not part[0]))


def _gaps(record: Mapping[str, Any]) -> str:
    rows = [[text(gap["system"]), text(gap["task"]), text(gap["resource"]), text(gap["reason"])] for gap in record["gaps"]]
    return table(["System", "Task", "What", "Why"], rows)


def _undo(record: Mapping[str, Any]) -> str:
    rows = [[text(entry["system"]), text(entry["resource"]),
             f"<code>{text(entry['module'])}</code> {json_value(entry['arguments'])}" if entry["module"] else "none",
             text(entry["reason"])] for entry in record["undo"]]
    return table(["System", "Resource", "Module and arguments", "To know"], rows)


def _tasks(record: Mapping[str, Any]) -> str:
    rows = [[clock(task["time"]), text(task["system"]), text(task["phase"]), text(task["task"]),
             tone(task["status"]) + (" changed" if task["changed"] else ""), f"{float(task['seconds'] or 0):.2f} s"]
            for task in record["tasks"]]
    return table(["Ended", "System", "Phase", "Task", "Status", "Took"], rows)


def _foot(record: Mapping[str, Any], signing: str) -> str:
    torn = f" {record['torn_lines']} torn lines of the journal could not be read." if record["torn_lines"] else ""
    return (f"<footer>Built from the run's journal, SHA-256 <code>{text(record.get('journal_sha256', 'unknown'))}</code>."
            f" {text(signing)}{torn}</footer>")
