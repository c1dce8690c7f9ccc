"""The verdict as the last cell of a notebook shows it: for people, and whole for the runner."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from IPython.display import display

from opsbook.show.tables import cut

FINDINGS = "application/vnd.opsbook.findings+json"
"""The output with this type is the investigation's result; without it the investigation has not concluded."""

VERDICTS = {
    "suspects": "Suspects",
    "nothing_wrong": "Nothing wrong found",
    "insufficient_evidence": "Insufficient evidence",
}


def show_findings(found: Mapping[str, Any]) -> None:
    """Display findings (`Findings.as_dict`)."""
    display({FINDINGS: dict(found), "text/html": _html(found), "text/plain": in_words(found)}, raw=True)


def in_words(found: Mapping[str, Any]) -> str:
    """The findings as text: the verdict, each suspect with its reasons and what to do, what was not seen."""
    lines = [f"{VERDICTS[found['verdict']]}: {found['summary']}"]
    for suspect in found["suspects"]:
        lines.append(f"{suspect['rank']}. {suspect['title']} ({suspect['confidence']} confidence)")
        lines += [f"   + {reason['text']}" for reason in suspect["for"]]
        lines += [f"   - {reason['text']}" for reason in suspect["against"]]
        lines += [f"   ? {question}" for question in suspect["unanswered"]]
        lines += [f"   > {step['title']}" + (f": {step['command']}" if step["command"] else "")
                  for step in suspect["next_steps"]]
    lines += [f"not seen: {gap['resource']}: {gap['reason']}" for gap in found["not_seen"]]
    return "\n".join(cut(line, 2000) for line in lines)


def _html(found: Mapping[str, Any]) -> str:
    suspects = "".join(_suspect(suspect) for suspect in found["suspects"])
    unseen = "".join(f"<li>{escape(gap['resource'])}: {escape(gap['reason'])}</li>" for gap in found["not_seen"])
    return (f"<p><strong>{VERDICTS[found['verdict']]}</strong>: {escape(found['summary'])}</p>"
            + (f"<ol>{suspects}</ol>" if suspects else "")
            + (f"<p>Not seen:</p><ul>{unseen}</ul>" if unseen else ""))


def _suspect(suspect: Mapping[str, Any]) -> str:
    parts = [("+", reason["text"]) for reason in suspect["for"]]
    parts += [("\N{MINUS SIGN}", reason["text"]) for reason in suspect["against"]]
    parts += [("?", question) for question in suspect["unanswered"]]
    reasons = "".join(f"<li>{sign} {escape(text)}</li>" for sign, text in parts)
    steps = "".join(f"<p>{escape(step['title'])}</p>" + (f"<pre>{escape(step['command'])}</pre>" if step["command"] else "")
                    for step in suspect["next_steps"])
    return (f"<li><strong>{escape(suspect['title'])}</strong> ({escape(suspect['confidence'])} confidence)"
            f"<ul>{reasons}</ul>{steps}</li>")
