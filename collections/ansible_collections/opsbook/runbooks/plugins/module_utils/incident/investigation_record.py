# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of an investigation, built from its journal and its findings: the same whether it ended well or was killed.

Standard library only; pure but for `seal_investigation`, which writes the record of a run whose runner was killed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .investigation_page import render_investigation
from .journal import read_journal
from .record_files import INTERRUPTED, JOURNAL, PAGE, RECORD, SCHEMA, write_whole

INVESTIGATION = "investigation"
NOTEBOOK, FINDINGS = "notebook.ipynb", "findings.json"
KILLED = "the runner was killed"

Event = Mapping[str, Any]


def is_investigation(events: Sequence[Event]) -> bool:
    """Whether a journal is that of an investigation."""
    return any(event["event"] == "run_started" and event.get("kind") == INVESTIGATION for event in events)


def build_investigation(events: Sequence[Event], findings: Mapping[str, Any] | None) -> dict[str, Any]:
    """The record of an investigation.

    :param events: the journal's events in order
    :param findings: the content of findings.json; None where there is none
    """
    started = next((event for event in events if event["event"] == "run_started"), {})
    finished = next((event for event in events if event["event"] == "run_finished"), {})
    cells = _cells(started, events)
    found = findings or {}
    return {
        "schema": SCHEMA,
        "kind": INVESTIGATION,
        "id": started.get("run", ""),
        "status": str(finished.get("status") or INTERRUPTED),
        "error": str(finished.get("error") or "") if finished else _cut_off(cells),
        "title": str(started.get("title") or started.get("investigation") or "Investigation"),
        "investigation": started.get("investigation", ""),
        "question": started.get("question", ""),
        "ids": list(started.get("ids") or ()),
        "purpose": started.get("purpose", ""),
        "permissions": list(started.get("permissions") or ()),
        "system": started.get("system", ""),
        "systems": [str(started["system"])] if started.get("system") else [],
        "parameters": dict(started.get("parameters") or {}),
        "operator": started.get("operator", ""),
        "revision": started.get("revision", ""),
        "versions": dict(started.get("versions") or {}),
        "notebook_sha256": started.get("notebook_sha256", ""),
        "started": started.get("time", ""),
        "finished": finished.get("time") or (events[-1].get("time", "") if events else ""),
        "cells": cells,
        "verdict": found.get("verdict"),
        "summary": str(found.get("summary") or ""),
        "severity_id": found.get("severity_id"),
        "window": found.get("window"),
        "suspects": len(found.get("suspects") or ()),
        "notes": [str(note) for note in started.get("notes") or ()],
        "not_stored": dict(finished.get("not_stored") or {}),
        "withheld": str(finished.get("withheld") or ""),
        "changes": [],
        "torn_lines": sum(event["event"] == "torn_line" for event in events),
    }


def _cells(started: Event, events: Sequence[Event]) -> list[dict[str, Any]]:
    """Every code cell with what became of it; one that nobody saw begin is pending."""
    cells = [{"number": int(cell["number"]), "title": str(cell["title"]), "status": "pending", "seconds": None, "error": ""}
             for cell in started.get("cells") or ()]
    by_number = {cell["number"]: cell for cell in cells}
    for event in events:
        cell = by_number.get(event.get("cell"))
        if cell and event["event"] == "cell_started":
            # Until its end is seen; where none is, nobody was there any more to see it.
            cell["status"] = "broken_off"
        elif cell and event["event"] == "cell_finished":
            cell.update(status=str(event["status"]), seconds=event.get("seconds"), error=str(event.get("error") or ""))
    return cells


def _cut_off(cells: Sequence[Mapping[str, Any]]) -> str:
    current = next((cell for cell in cells if cell["status"] == "broken_off"), None)
    return f"{KILLED} in cell {current['number']} ({current['title']})" if current else KILLED


def finished_record(folder: Path, findings: Mapping[str, Any] | None) -> dict[str, Any]:
    """The record of the run in a folder, from its journal, with the journal's digest.

    :raises OSError: when the journal cannot be read
    """
    journal = folder / JOURNAL
    record = build_investigation(read_journal(str(journal)), findings)
    record["journal_sha256"] = hashlib.sha256(journal.read_bytes()).hexdigest()
    return record


def seal_investigation(folder: Path, signed: str = "") -> dict[str, Any]:
    """Write the record of an investigation whose runner was killed, from what it left.

    :raises OSError: when the journal cannot be read or the record not written
    """
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)
    _end_notebook(folder / NOTEBOOK)
    findings = _read(folder / FINDINGS)
    record = finished_record(folder, findings)
    write_whole(folder / PAGE, render_investigation(record, findings, signed=signed))
    write_whole(folder / RECORD, json.dumps(record, indent=1, sort_keys=True))
    return record


def _end_notebook(path: Path) -> None:
    """The notebook on disk says that the run is under way; it is not any more."""
    notebook = _read(path)
    if notebook and notebook.get("metadata", {}).get("opsbook", {}).get("status") == "running":
        notebook["metadata"]["opsbook"]["status"] = INTERRUPTED
        write_whole(path, json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content if isinstance(content, dict) else None
