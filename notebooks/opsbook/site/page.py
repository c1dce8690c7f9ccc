"""The index as one HTML page: a style sheet and a script of its own, nothing from elsewhere, everything escaped. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.markup import text
from opsbook.site.rows import Note, Row
from opsbook.site.timeline import timeline

PLURAL = {"procedure": "procedures", "investigation": "investigations"}


def render(rows: Sequence[Row], address: str, unread: Mapping[str, str], now: datetime) -> str:
    """The whole page.

    :param rows: in the order that they are shown in
    :param address: where the records are kept
    :param unread: records that cannot be read, and why
    :param now: when the page is written
    """
    style, script = _resource("page.css"), _resource("page.js")
    policy = ("default-src 'none'; base-uri 'none'; form-action 'none'; "
              f"style-src '{_digest(style)}'; script-src '{_digest(script)}'")
    body = "".join([
        _head(rows, address, now), _filters(rows), timeline(rows),
        f'<p id="count" class="count" role="status" aria-live="polite">{_count(len(rows))}</p>',
        f'<ol class="records" id="records" aria-label="Records, newest first">{"".join(map(_row, rows))}</ol>',
        '<p id="none" class="none" hidden>No record fits. <button type="button" class="again">Show all</button></p>',
        _unread(unread), _foot(),
    ])
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="referrer" content="no-referrer">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>Records</title><style>{style}</style></head><body>{body}<script>{script}</script></body></html>\n")


def _resource(name: str) -> str:
    return files("opsbook.site").joinpath(name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _head(rows: Sequence[Row], address: str, now: datetime) -> str:
    counts = ", ".join(f"{sum(row.kind == kind for row in rows)} {PLURAL.get(kind, kind)}"
                       for kind in dict.fromkeys(row.kind for row in rows))
    return (f'<header><h1>Records</h1><p class="where">{text(counts or "nothing was run yet")} '
            f'in <code>{text(address)}</code>, as of {now:%Y-%m-%d %H:%M} UTC</p></header>')


def _count(number: int) -> str:
    return f"{number} {'record' if number == 1 else 'records'}"


def _filters(rows: Sequence[Row]) -> str:
    choices = {
        "system": ("System", {name: name for row in rows for name in row.systems}),
        "kind": ("Kind", {row.kind: row.kind for row in rows}),
        "result": ("Result", {row.result: row.said for row in rows}),
        "severity": ("Severity", {row.severity: row.severity for row in rows if row.severity}),
    }
    selects = "".join(_select(name, label, found) for name, (label, found) in choices.items())
    return ('<div class="filters" role="search" aria-label="Filter the records">'
            '<div class="field wide"><label for="q">Search</label><input type="search" id="q" autocomplete="off" '
            f'spellcheck="false" placeholder="title, system, operator, id, note ..."></div>{selects}'
            '<div class="field"><label for="from">From</label><input type="date" id="from"></div>'
            '<div class="field"><label for="to">To</label><input type="date" id="to"></div>'
            '<button type="button" class="again" id="reset">Show all</button></div>')


def _select(name: str, label: str, found: Mapping[str, str]) -> str:
    options = "".join(f'<option value="{text(value)}">{text(said)}</option>'
                      for value, said in sorted(found.items(), key=lambda pair: pair[1]))
    return (f'<div class="field"><label for="{name}">{label}</label><select id="{name}"><option value="">all</option>'
            f'{options}</select></div>')


def _row(row: Row) -> str:
    data = {"systems": json.dumps(row.systems), "kind": row.kind, "result": row.result, "severity": row.severity,
            "time": "" if row.started is None else f"{row.started:.0f}"}
    attributes = "".join(f' data-{name}="{text(value)}"' for name, value in data.items())
    title = f'<a href="{text(row.link)}">{text(row.title)}</a>' if row.link else text(row.title)
    severity = f'<span class="pill">{text(row.severity)}</span>' if row.severe else ""
    summary = f'<p class="summary">{text(row.summary)}</p>' if row.summary else ""
    what = f'<h2>{title}{severity}</h2>{summary}{_facts(row)}{_notes(row.notes)}'
    return (f'<li{attributes}><span class="mark {row.tone}">{text(row.said)}</span><div class="what">{what}</div>'
            f'<p class="when">{_when(row)}</p></li>')


def _facts(row: Row) -> str:
    changes = f"{row.changes} {'change' if row.changes == 1 else 'changes'}" if row.changes else ""
    lines = [[f'<b>{text(", ".join(row.systems) or "no system")}</b>', text(row.kind), changes, text(row.operator)],
             [f"<code>{text(row.id)}</code>", text(row.seal)]]
    dot = '<span aria-hidden="true"> · </span>'
    return "".join(f'<p class="facts">{dot.join(fact for fact in line if fact)}</p>' for line in lines)


def _when(row: Row) -> str:
    if row.started is None:
        return "time unknown"
    started = datetime.fromtimestamp(row.started, UTC)
    took = f"<span>{_took(row.seconds)}</span>" if row.seconds is not None else ""
    return f'<time datetime="{started:%Y-%m-%dT%H:%M:%SZ}">{started:%Y-%m-%d %H:%M}</time> {took}'


def _took(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _notes(notes: Sequence[Note]) -> str:
    if not notes:
        return ""
    parts = "".join(_note(note) for note in notes)
    return f'<details><summary>{len(notes)} {"note" if len(notes) == 1 else "notes"}</summary>{parts}</details>'


def _note(note: Note) -> str:
    cause = f"<p><b>Root cause:</b> {text(note.root_cause)}</p>" if note.root_cause else ""
    actions = "".join(f"<li>{text(action)}</li>" for action in note.actions)
    todo = f"<p><b>To do:</b></p><ul>{actions}</ul>" if actions else ""
    by = text(" ".join(part for part in (note.operator, note.time[:16].replace("T", " ")) if part))
    return f'<div class="note"><p>{text(note.text)}</p>{cause}{todo}<p class="by">{by}</p></div>'


def _unread(unread: Mapping[str, str]) -> str:
    if not unread:
        return ""
    lines = "".join(f"<li><code>{text(record)}</code>: {text(reason)}</li>" for record, reason in sorted(unread.items()))
    return f'<section class="unread"><h2>Records that cannot be read</h2><ul>{lines}</ul></section>'


def _foot() -> str:
    return ("<footer>This page shows what the records say. Whether they are as they were sealed says "
            "<code>python -m opsbook verify</code>.</footer>")
