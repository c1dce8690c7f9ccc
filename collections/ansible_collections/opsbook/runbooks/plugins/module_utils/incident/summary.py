# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run's summary for the terminal: one screen, the verdict first, then what was done and where the record is."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..core.change import natural_order
from .checks import Health, health_of

LINES = 22
"""At most so many lines: a screen of 24, less the shell's own."""

COLUMNS = 6
"""Systems beside each other in a table of checks."""

FAULTS = 3
"""Faults of one check that are shown."""

SIGN = {"healthy": "ok", "unhealthy": "UNHEALTHY", "unknown": "unknown"}

CONDITIONAL = ("Conditional result was False", "No items in the list", "")
"""What Ansible says of a task that its `when` or an empty list skipped."""

NOTHING = "nothing was done: no system was chosen, or tags left everything out"

VERDICT = {
    "ok": "ended well", "failed": "FAILED", "interrupted": "was interrupted",
    "checked": "was checked, nothing was changed",
}


def summarize(record: Mapping[str, Any], folder: str, seal: str = "") -> str:
    """The summary of a record.

    :param folder: where the record is kept
    :param seal: what became of its seal, one line; none where that is empty
    """
    if record["status"] == "ok" and not record["tasks"]:
        return "\n".join([f"{record['title']}: {NOTHING} ({_run(record)})", *_kept(folder, seal)])
    if _judges(record):
        return "\n".join([_health_summary(record), *_kept(folder, seal)])
    head = _cut(f"{record['title']}: {VERDICT[record['status']]} ({_run(record)})", 200)
    tail = _kept(folder, seal)
    if record["status"] == "checked":
        tail.insert(0, f"  plan     {folder}/plan.json")
    # What failed comes first, so that it is never among what is left out.
    failed = [line for system in record["systems"] for line in _named(system, _failures(record, system))]
    room = LINES - 1 - len(tail)
    body: list[str] = []
    for form in (_system, _briefly, _most_briefly) if len(record["systems"]) > 1 else (_system,):
        body = [*failed, *(line for system in record["systems"] for line in _named(system, form(record, system)))]
        if len(body) <= room:
            break
    if len(body) > room:
        body = [*body[: room - 1], f"  ... {len(body) - room + 1} more lines in the record"]
    return "\n".join([head, *body, *tail])


def _judges(record: Mapping[str, Any]) -> bool:
    """Whether a run says of each system whether it is healthy; also where none came as far as that."""
    failed = {task["system"] for task in record["tasks"] if task["status"] in ("failed", "unreachable")}
    judged = {task["system"] for task in record["tasks"] if task.get("checks")}
    return record["procedure"].get("changes") is False and bool(judged or failed >= set(record["systems"]))


def _kept(folder: str, seal: str) -> list[str]:
    """Where the record is, and its seal: digits that are worth keeping elsewhere."""
    return [f"  record   {folder}/record.html", *([f"  sealed   {_cut(seal, 300)}"] if seal else [])]


def _health_summary(record: Mapping[str, Any]) -> str:
    """A verdict a system, a line a check, a line a fault: all of it, also where that is more than a screen."""
    health = health_of(record)
    counts = ", ".join(f"{health.count(verdict)} {verdict}" for verdict in ("healthy", "unhealthy", "unknown")
                       if health.count(verdict))
    systems = list(health.verdicts)
    tables = [line for first in range(0, len(systems), COLUMNS) for line in _table(health, systems[first:first + COLUMNS])]
    faults = [line for system in systems for line in _named(system, _found(health.faults[system]))]
    return "\n".join([f"{record['title']}: {counts} ({_run(record)})", *tables, *faults])


def _found(faults: Sequence[str]) -> list[str]:
    """The first faults of each check in full, and how many more there are: one cause often has many effects."""
    by_check: dict[str, list[str]] = {}
    for fault in faults:
        by_check.setdefault(fault.partition(": ")[0], []).append(fault)
    lines = []
    for check, found in by_check.items():
        lines += [line for fault in found[:FAULTS] for line in _paragraph(fault, 400)]
        if len(found) > FAULTS:
            lines.append(f"{_cut(check, 60)}: {len(found) - FAULTS} more in the record")
    return lines


def _run(record: Mapping[str, Any]) -> str:
    """How long a run took, and which one it was; a run that was cut off has no end but that of its journal."""
    if not (record["started"] and record["finished"]):
        return f"run {record['id']}"
    took = datetime.fromisoformat(record["finished"]) - datetime.fromisoformat(record["started"])
    return f"{took.total_seconds():.1f} s, run {record['id']}"


def _table(health: Health, systems: Sequence[str]) -> list[str]:
    rows = [(name, [SIGN.get(seen.get(system, ""), "-") for system in systems]) for name, seen in health.checks.items()]
    rows.append(("verdict", [health.verdicts[system] for system in systems]))
    return [f"  {'':<18}" + "".join(f"{_cut(system, 13):<14}" for system in systems).rstrip(),
            *(f"  {_cut(name, 17):<18}" + "".join(f"{cell:<14}" for cell in cells).rstrip() for name, cells in rows)]


def _named(system: str, lines: Sequence[str]) -> list[str]:
    return [f"  {_cut(system if not number else '', 30):<8} {line}" for number, line in enumerate(lines)]


def _system(record: Mapping[str, Any], system: str) -> list[str]:
    tasks = [task for task in record["tasks"] if task["system"] == system]
    changes = [change for change in record["changes"] if change["system"] == system]
    lines = [*_exceptions(record, system), *_done(changes), *_planned(record, system), *_verdicts(tasks),
             *_unseen(record, system)]
    failed = any(task["status"] in ("failed", "unreachable") for task in tasks)
    if not changes and record["status"] == "ok" and not failed and record["procedure"].get("changes") is not False:
        lines.insert(0, "nothing to change")
    return [*lines, *_skipped(tasks)]


def _briefly(record: Mapping[str, Any], system: str) -> list[str]:
    """A system in a few lines, where all of it would fill more than a screen."""
    return [*_most_briefly(record, system), *_skipped([task for task in record["tasks"] if task["system"] == system])]


def _most_briefly(record: Mapping[str, Any], system: str) -> list[str]:
    """A system in a line or two, without what it does not declare."""
    changes = [change for change in record["changes"] if change["system"] == system]
    tasks = [task for task in record["tasks"] if task["system"] == system]
    done = sum(change["outcome"] == "done" for change in changes)
    counts = {name: sum(change["operation"] == name for change in changes)
              for name in dict.fromkeys(change["operation"] for change in changes)}
    said = f"{done} changed ({', '.join(f'{name} {count}' for name, count in counts.items())})"
    if done < len(changes):
        said = f"{len(changes) - done} NOT done, {said}"
    parts = [_would_change(record, tasks) or (said if changes else "nothing to change"), *_verdicts(tasks)[:1]]
    return [*_exceptions(record, system), *_paragraph("; ".join(parts), 300)]


def _would_change(record: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> str:
    """How much a check plans; empty where this is none, or nothing is to be done."""
    counts: dict[str, int] = {}
    for task in tasks if record["status"] == "checked" else ():
        if task["planned"]:
            counts[_short_action(task)] = counts.get(_short_action(task), 0) + len(task["planned"])
    told = ", ".join(f"{action} {number}" for action, number in counts.items())
    return f"would change {sum(counts.values())} ({told})" if counts else ""


def _exceptions(record: Mapping[str, Any], system: str) -> list[str]:
    """What was put aside to begin at all: a window, a freeze, the lock."""
    guards = [guard for guard in record["guard"] if guard.get("system") == system]
    lines = [_cut(f"begun {guard['opening']}", 110) for guard in guards if guard.get("overridden")]
    return list(dict.fromkeys([*lines, *(_cut(f"WITHOUT THE RUN LOCK: {guard['without_lock']}", 160)
                                         for guard in guards if guard.get("without_lock"))]))


def _skipped(tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a system does not declare; what was left out for another condition; what could not be done here, and why."""
    skipped = [task for task in tasks if task["status"] == "skipped"]
    # What was looked at before and is left out later was declared: the procedure itself needs it only once.
    done = {task["task"] for task in tasks if task["status"] != "skipped"}
    plain = [task for task in skipped if task["message"] in CONDITIONAL and task["task"] not in done]
    undeclared = [str(task["undeclared"]) for task in plain if task.get("undeclared")]
    left_out = [str(task["task"]) for task in plain if not task.get("undeclared")]
    return [*(_cut(f"skipped: {task['task']}: {task['message']}", 220) for task in skipped
              if task["message"] not in CONDITIONAL),
            *_listed("not declared", undeclared), *_listed("left out", left_out)]


def _listed(what: str, names: Sequence[str]) -> list[str]:
    return _paragraph(f"{what}: {', '.join(dict.fromkeys(names))}", 500) if names else []


def _failures(record: Mapping[str, Any], system: str) -> list[str]:
    lines = []
    for task in record["tasks"]:
        if task["system"] == system and task["status"] in ("failed", "unreachable"):
            lines += _paragraph(f"{task['status']}: {task['task']}: {task['message']}", 500)
            if task.get("recovery"):
                lines += _paragraph(f"recovery: {task['recovery']}", 220)
    return lines


def _paragraph(text: str, most: int) -> list[str]:
    return textwrap.wrap(_cut(text, most), 110, subsequent_indent="  ", break_on_hyphens=False)


def _done(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for operation in dict.fromkeys(change["operation"] for change in changes):
        mine = [change for change in changes if change["operation"] == operation]
        done = sum(change["outcome"] == "done" for change in mine)
        names = ", ".join(sorted((_short(change["resource"]) for change in mine), key=natural_order))
        missed = f", {len(mine) - done} NOT done" if done < len(mine) else ""
        lines.append(_cut(f"{operation}: {done} changed{missed} ({names})", 110))
    return lines


def _planned(record: Mapping[str, Any], system: str) -> list[str]:
    if record["status"] != "checked":
        return []
    planned: dict[str, list[str]] = {}
    for task in record["tasks"]:
        if task["system"] == system and task["planned"]:
            planned.setdefault(_short_action(task), []).extend(_short(change["resource"]) for change in task["planned"])
    return [_cut(f"{action}: would change {len(names)} ({', '.join(names)})", 110) for action, names in planned.items()]


def _verdicts(tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    judged = [task for task in tasks if task.get("verdict")]
    if not judged:
        return []
    counts = {verdict: sum(task["verdict"] == verdict for task in judged) for verdict in
              ("healthy", "unhealthy", "unknown")}
    bad = [f"{task['task']}: {task['verdict']}" for task in judged if task["verdict"] != "healthy"]
    return [", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number) + " checks",
            *(_cut(line, 110) for line in bad)]


def _unseen(record: Mapping[str, Any], system: str) -> list[str]:
    return [_cut(f"not seen: {gap['resource']}: {gap['reason']}", 110)
            for gap in record["gaps"] if gap["system"] == system]


def _short(resource: str) -> str:
    """Its own name, without its kind; of what lies in a database, without the server, which is the system's one."""
    inside = _IN_A_DATABASE.search(str(resource))
    return inside.group(1) if inside else str(resource).partition(":")[2] or str(resource)


_IN_A_DATABASE = re.compile(r":\d+/[^:]+:(.+)$")


def _short_action(task: Mapping[str, Any]) -> str:
    return str(task["action"]).rpartition(".")[2]


def _cut(text: str, most: int) -> str:
    """Text on one line, without what would move a terminal's cursor, cut where it is long."""
    line = " ".join("".join(sign if sign.isprintable() or sign.isspace() else " " for sign in str(text)).split())
    return line if len(line) <= most else line[: most - 3] + "..."
