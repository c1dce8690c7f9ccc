# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A record as one HTML page: self-contained, no scripts, everything a system returned escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from .checks import health_of

STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --ink: #1f2328; --mute: #59636e; --page: #fff;
  --ok: #1a7f37; --bad: #cf222e; --warn: #9a6700; --info: #0969da; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #151b23; --ink: #f0f6fc; --mute: #9198a1;
  --page: #0d1117; --ok: #3fb950; --bad: #f85149; --warn: #d29922; --info: #4493f8; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 0 auto;
  max-width: 1080px; padding: 24px; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 18px; margin: 36px 0 8px; }
.head { display: flex; gap: 14px; align-items: center; flex-wrap: wrap; }
.mark { color: #fff; border-radius: 6px; padding: 3px 12px; font-weight: 600; }
.ok, .done, .healthy { --mark: var(--ok); } .failed, .unhealthy { --mark: var(--bad); }
.interrupted, .unknown, .rolled { --mark: var(--warn); } .checked, .skipped { --mark: var(--info); }
.mark { background: var(--mark, var(--mute)); } .tone { color: var(--mark, var(--ink)); font-weight: 600; }
.purpose { color: var(--mute); margin: 6px 0 20px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; padding: 14px 18px;
  background: var(--soft); border: 1px solid var(--line); border-radius: 8px; }
dt { color: var(--mute); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; color: var(--mute); font-weight: 600; }
th, td { border-bottom: 1px solid var(--line); padding: 6px 12px 6px 0; vertical-align: top; }
td { overflow-wrap: break-word; max-width: 380px; } td:last-child { white-space: normal; }
td code, td pre { overflow-wrap: anywhere; }
td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
code, pre { font: 12.5px/1.45 ui-monospace, monospace; } pre { margin: 0; white-space: pre-wrap; }
.kv { color: var(--mute); } details { border-top: 1px solid var(--line); padding: 6px 0; }
summary { cursor: pointer; padding: 2px 0; } summary b { font-weight: 600; } summary span { color: var(--mute); }
.none { color: var(--mute); } footer { margin-top: 40px; color: var(--mute); font-size: 13px; }
"""

LONGEST = 10_000
"""Characters of one value that are shown."""

NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

FOLD = 6
"""Groups with more rows than this are folded."""

STATUS = {"ok": "ended well", "failed": "failed", "interrupted": "interrupted", "checked": "checked only"}


def render_page(record: Mapping[str, Any]) -> str:
    """The whole page for a record."""
    body = "".join([
        _head(record), _facts(record),
        _section("Health", _health(record), hide_empty=True),
        _section("Failures", _failures(record), hide_empty=True),
        _section("Changes", _changes(record)),
        _section("Planned", _planned(record), hide_empty=True),
        _section("Verification and checks", _evidence(record)),
        _section("Not seen", _gaps(record), hide_empty=True),
        _section("Undo, last change first", _undo(record), hide_empty=True),
        _section("Course of the run", _tasks(record)),
        _foot(record),
    ])
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_t(record["title"])} '
            f'{_t(record["id"])}</title><meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{STYLE}</style></head><body>{body}</body></html>")


def _head(record: Mapping[str, Any]) -> str:
    purpose = record["procedure"].get("purpose", "")
    return (f'<div class="head"><h1>{_t(record["title"])}</h1>'
            f'<span class="mark {_t(record["status"])}">{_t(STATUS[record["status"]])}</span></div>'
            f'<p class="purpose">{_t(purpose)}</p>')


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
        "Started": _moment(record["started"]),
        "Ended": _moment(record["finished"]),
        "Changes": f"{len(record['planned'])} planned, none made" if command.get("check") else f"{done} made",
        "Allowed because": "; ".join(reasons) or "not guarded",
        "Revision": record["revision"] or "unknown",
        "Command": f"ansible-playbook {record['playbook']} {asked}",
        "Versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    }
    return "<dl>" + "".join(f"<dt>{_t(name)}</dt><dd>{_t(value)}</dd>" for name, value in rows.items()) + "</dl>"


def _health(record: Mapping[str, Any]) -> str:
    """A row a check, a column a system, as the last gate of each saw them; below it what was wrong or not to be told."""
    health = health_of(record)
    if not health.checks:
        return ""
    rows = [[_t(name), *(_tone(seen[system]) if system in seen else '<span class="none">-</span>'
                         for system in health.verdicts)] for name, seen in health.checks.items()]
    rows.append(["<b>verdict</b>", *(_tone(verdict) for verdict in health.verdicts.values())])
    faults = [[_t(system), _t(fault)] for system, found in health.faults.items() for fault in found]
    return _table(["Check", *health.verdicts], rows) + _table(["System", "Found"], faults)


def _failures(record: Mapping[str, Any]) -> str:
    rows = [[_t(task["system"]), _t(task["task"]), _t(task["message"]), _t(task["recovery"])]
            for task in record["tasks"] if task["status"] in ("failed", "unreachable")]
    return _table(["System", "Task", "What happened, and what to do", "Recovery"], rows)


def _changes(record: Mapping[str, Any]) -> str:
    return _groups(record["changes"], lambda change: [
        _clock(change["time"]), _t(change["summary"]), _json(change["before"]), _json(change["after"]),
        _tone(change["outcome"]) + (f" {_t(change['error'])}" if change["error"] else "")],
        ["Time", "Change", "Before", "After", "Outcome"])


def _planned(record: Mapping[str, Any]) -> str:
    if not record["command"].get("check"):
        return ""
    return _groups(record["planned"], lambda change: [
        _t(change["summary"]), _json(change["before"]), _json(change["after"])], ["Change", "Before", "After"])


def _evidence(record: Mapping[str, Any]) -> str:
    return _groups(record["evidence"], lambda item: [
        _t(item.get("resource")), _t(item.get("check")), _json(item.get("expected")), _json(item.get("actual")),
        _tone(_verdict(item.get("ok")))], ["Resource", "Check", "Expected", "Seen", "Verdict"])


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
        parts.append((amiss, f"<details{opened}><summary><b>{_t(task)}</b> <span>{_t(system)}, {len(mine)}</span>"
                             f"</summary>{_table(heads, [row(entry) for entry in mine])}</details>"))
    # What a reader looks for comes first.
    return "".join(text for amiss, text in sorted(parts, key=lambda part: not part[0]))


def _gaps(record: Mapping[str, Any]) -> str:
    rows = [[_t(gap["system"]), _t(gap["task"]), _t(gap["resource"]), _t(gap["reason"])] for gap in record["gaps"]]
    return _table(["System", "Task", "What", "Why"], rows)


def _undo(record: Mapping[str, Any]) -> str:
    rows = [[_t(entry["system"]), _t(entry["resource"]),
             f"<code>{_t(entry['module'])}</code> {_json(entry['arguments'])}" if entry["module"] else "none",
             _t(entry["reason"])] for entry in record["undo"]]
    return _table(["System", "Resource", "Module and arguments", "To know"], rows)


def _tasks(record: Mapping[str, Any]) -> str:
    rows = [[_clock(task["time"]), _t(task["system"]), _t(task["phase"]), _t(task["task"]),
             _tone(task["status"]) + (" changed" if task["changed"] else ""), f"{float(task['seconds'] or 0):.2f} s"]
            for task in record["tasks"]]
    return _table(["Ended", "System", "Phase", "Task", "Status", "Took"], rows)


def _foot(record: Mapping[str, Any]) -> str:
    torn = f" {record['torn_lines']} torn lines of the journal could not be read." if record["torn_lines"] else ""
    return (f"<footer>Built from the run's journal, SHA-256 <code>{_t(record.get('journal_sha256', 'unknown'))}</code>."
            f" Not signed.{torn}</footer>")


def _section(title: str, content: str, hide_empty: bool = False) -> str:
    if not content:
        return "" if hide_empty else f'<h2>{_t(title)}</h2><p class="none">None.</p>'
    return f"<h2>{_t(title)}</h2>{content}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    if not lines:
        return ""
    head = "".join(f"<th>{_t(name)}</th>" for name in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _tone(word: Any) -> str:
    return f'<span class="tone {_t(word)}">{_t(word)}</span>'


def _json(value: Any) -> str:
    if value is None:
        return '<span class="none">none</span>'
    if isinstance(value, Mapping) and all(_is_plain(part) for part in value.values()):
        return "<br>".join(f'<span class="kv">{_t(name)}:</span> {_code(part)}' for name, part in value.items())
    if isinstance(value, list) and all(_is_plain(part) for part in value):
        return ", ".join(_code(part) for part in value) or '<span class="none">none</span>'
    if _is_plain(value):
        return _code(value)
    return f"<pre>{_t(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))}</pre>"


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _code(value: Any) -> str:
    """A value in fixed width; an ARN by its last part, the whole of it when pointed at."""
    if isinstance(value, str) and value.startswith("arn:") and value.count(":") >= 5:
        return f'<code title="{_t(value)}">{_t(value.split(":", 5)[5])}</code>'
    return f"<code>{_t('none' if value is None else value)}</code>"


def _moment(time: Any) -> str:
    return f"{str(time)[:19].replace('T', ' ')} UTC" if time else ""


def _clock(time: Any) -> str:
    return f'<span title="{_t(time)}">{_t(str(time)[11:19])}</span>'


def _t(value: Any) -> str:
    """Escaped text, without control characters, cut where it is long: the whole of it is in record.json."""
    text = "" if value is None else str(value)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]} ... ({len(text) - LONGEST} more characters in record.json)"
    return escape(NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", text))
