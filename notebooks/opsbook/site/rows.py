"""What the index says of a record: the few facts that people look for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import SEVERITIES

RESULTS = {
    "suspects": "suspects found", "nothing_wrong": "nothing wrong", "insufficient_evidence": "insufficient evidence",
    "ok": "ended well", "failed": "failed", "interrupted": "interrupted", "checked": "checked only",
    "timed_out": "took too long", "kernel_died": "kernel died", "inconclusive": "no conclusion",
}

TONES = {
    "ok": "ok", "nothing_wrong": "ok", "failed": "bad", "suspects": "bad", "timed_out": "bad", "kernel_died": "bad",
    "interrupted": "warn", "insufficient_evidence": "warn", "inconclusive": "warn", "checked": "info",
}

SEVERE = 2
"""Severities above this are said beside the title; the others only in the filter."""


@dataclass(frozen=True)
class Note:
    """What a person added."""

    time: str
    operator: str
    text: str
    root_cause: str = ""
    actions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A record as the index shows it.

    :param result: an investigation's verdict where it came to one, else the status
    :param severity: OCSF's name of the severity; empty where there is none
    :param started: seconds since the epoch; None where the record does not say
    :param seconds: how long it took; None where the record does not say
    :param seal: who sealed it, in words
    :param link: address of its page; empty where there is none
    """

    id: str
    kind: str
    title: str
    result: str
    severity: str = ""
    severe: bool = False
    systems: tuple[str, ...] = ()
    operator: str = ""
    summary: str = ""
    started: float | None = None
    seconds: float | None = None
    changes: int = 0
    seal: str = ""
    link: str = ""
    notes: tuple[Note, ...] = ()

    @property
    def said(self) -> str:
        """The result in words."""
        return RESULTS.get(self.result, self.result or "unknown")

    @property
    def tone(self) -> str:
        """The colour of the result: ok, bad, warn or info."""
        return TONES.get(self.result, "none")


def row_of(identity: str, record: Mapping[str, Any], notes: Sequence[Mapping[str, Any]], seal: str, link: str) -> Row:
    """The row of a record.

    :param identity: the name of its folder
    :param record: the content of record.json; nothing in it is trusted to have the right kind
    """
    status, verdict = _text(record.get("status")), _text(record.get("verdict"))
    number = record.get("severity_id")
    severity = SEVERITIES.get(number, "") if isinstance(number, int) else ""
    started, finished = _moment(record.get("started")), _moment(record.get("finished"))
    changes = record.get("changes")
    return Row(
        id=identity, kind=_text(record.get("kind")) or "procedure", title=_text(record.get("title")) or identity,
        result=verdict if verdict and status == "ok" else status, severity=severity,
        severe=bool(severity) and isinstance(number, int) and number > SEVERE,
        systems=_systems(record), operator=_text(record.get("operator")), summary=_text(record.get("summary")),
        started=started, seconds=finished - started if started is not None and finished is not None else None,
        changes=sum(isinstance(change, Mapping) and change.get("outcome") == "done" for change in changes)
        if isinstance(changes, list) else 0,
        seal=seal, link=link, notes=tuple(_note(note) for note in notes))


def _systems(record: Mapping[str, Any]) -> tuple[str, ...]:
    systems = record.get("systems")
    return tuple(_text(name) for name in systems) if isinstance(systems, list) else ()


def _note(note: Mapping[str, Any]) -> Note:
    actions = note.get("actions")
    return Note(_text(note.get("time")), _text(note.get("operator")), _text(note.get("text")), _text(note.get("root_cause")),
                tuple(_text(action) for action in actions) if isinstance(actions, list) else ())


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _moment(value: Any) -> float | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
