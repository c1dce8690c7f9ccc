"""What a person at a terminal sees: a line a cell, the verdict, what to do next, where the record is."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Mapping
from typing import Any

from opsbook.runner.caps import plain
from opsbook.runner.run import Finished

WIDTH = 116
MOST_SUSPECTS, MOST_REASONS, MOST_GAPS = 3, 3, 4
VERDICTS = {"suspects": "suspects", "nothing_wrong": "nothing wrong found",
            "insufficient_evidence": "insufficient evidence"}
STATUS = {"failed": "FAILED", "timed_out": "TOOK TOO LONG", "kernel_died": "THE KERNEL DIED",
          "interrupted": "was interrupted", "inconclusive": "ended WITHOUT A CONCLUSION"}


def summary(finished: Finished) -> str:
    """The end of an investigation on a screen."""
    record, found = finished.record, finished.findings
    verdict = VERDICTS.get(str((found or {}).get("verdict")), "") if finished.outcome.status == "ok" else ""
    head = f"{record['title']} ({record['system'] or 'no system'}): {verdict or STATUS.get(finished.outcome.status, '')}"
    lines = [f"{head}, run {record['id']}"]
    if finished.outcome.error:
        lines += _wrapped(finished.outcome.error, "  ")
    if found:
        lines += _wrapped(str(found["summary"]), "  ")
        for suspect in found["suspects"][:MOST_SUSPECTS]:
            lines += _suspect(suspect)
        if len(found["suspects"]) > MOST_SUSPECTS:
            lines.append(f"  {len(found['suspects']) - MOST_SUSPECTS} more suspects in the record")
        lines += _gaps(found["not_seen"])
    if record["not_stored"] or not finished.stored:
        lines.append("  NOT STORED: the record is not whole; what is said here is all there is of the rest")
    lines += [f"  {note}" for note in finished.interrupted]
    place = os.path.relpath(finished.folder)
    shown = str(finished.folder) if place.startswith("..") else place
    return "\n".join([*lines, f"  record   {shown}/record.html", f"  seal     {plain(finished.sealed)}"])


def _suspect(suspect: Mapping[str, Any]) -> list[str]:
    lines = _wrapped(f"{suspect['rank']}. {suspect['title']} ({suspect['confidence']} confidence)", "  ", "     ")
    for sign, reasons in (("+", suspect["for"]), ("-", suspect["against"])):
        for reason in reasons[:MOST_REASONS]:
            lines += _wrapped(f"{sign} {reason['text']}", "     ", "       ")
    for step in suspect["next_steps"]:
        lines += _wrapped(f"> {step['title']}", "     ", "       ")
        # Never wrapped: it is to be pasted.
        lines += [f"       {line}" for line in plain(step["command"]).splitlines()]
    return lines


def _gaps(gaps: list[Mapping[str, Any]]) -> list[str]:
    lines = [line for gap in gaps[:MOST_GAPS]
             for line in _wrapped(f"not seen: {gap['resource']}: {gap['reason']}", "  ", "    ")]
    return lines + ([f"  not seen: {len(gaps) - MOST_GAPS} more in the record"] if len(gaps) > MOST_GAPS else [])


def _wrapped(text: str, first: str, more: str = "") -> list[str]:
    line = " ".join(plain(text).split())
    line = line if len(line) <= 800 else f"{line[:800]} ..."
    return textwrap.wrap(line, WIDTH, initial_indent=first, subsequent_indent=more or first, break_on_hyphens=False,
                         break_long_words=False)


def as_json(finished: Finished) -> str:
    """The end of an investigation for a program."""
    found = finished.findings or {}
    return json.dumps({
        "run": finished.record["id"], "status": finished.outcome.status, "error": finished.outcome.error,
        "verdict": found.get("verdict"), "summary": found.get("summary", ""), "record": str(finished.folder),
        "stored": finished.stored, "sealed": finished.sealed, "suspects": found.get("suspects", []),
        "next_steps": [step for suspect in found.get("suspects", []) for step in suspect["next_steps"]],
        "not_seen": found.get("not_seen", []), "findings": finished.findings,
    }, ensure_ascii=True)
