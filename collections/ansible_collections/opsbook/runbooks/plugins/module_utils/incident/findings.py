# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an investigation found, as plain data: a verdict, ranked suspects, the evidence they rest on, what was not seen.

Standard library only. Attribute names are those of OpenTelemetry (https://opentelemetry.io/docs/specs/semconv/), severities
the numbers of OCSF (`severity_id`, https://schema.ocsf.io).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..core.sizes import say_bytes

SCHEMA = "opsbook.findings/1"

SUSPECTS, NOTHING_WRONG, INSUFFICIENT = "suspects", "nothing_wrong", "insufficient_evidence"
VERDICTS = (SUSPECTS, NOTHING_WRONG, INSUFFICIENT)

HIGH, MEDIUM, LOW = "high", "medium", "low"
CONFIDENCES = (HIGH, MEDIUM, LOW)

SEVERITIES = {0: "unknown", 1: "informational", 2: "low", 3: "medium", 4: "high", 5: "critical", 6: "fatal"}
"""OCSF's severity_id."""


@dataclass(frozen=True)
class Reason:
    """One reason for or against a suspect.

    :param text: one sentence with its figures
    :param evidence: names of the pieces of evidence it rests on
    """

    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class NextStep:
    """What to do about a suspect.

    :param title: an imperative sentence
    :param command: complete, can be pasted; empty where no procedure does it, and `title` says what a person does
    :param changes: whether the command changes something
    """

    title: str
    command: str = ""
    changes: bool = False


@dataclass(frozen=True)
class Suspect:
    """A cause that would explain what was seen.

    :param cause: the kind of cause, a key of the diagnosis' catalogue of causes ("table-throttled")
    :param resource: the component it lies in, as the service map names it
    :param title: one line for a person
    :param confidence: high, medium or low; how the rule came to it is in the reasons
    :param expected, actual: what would be right and what was seen, plain JSON values
    :param onset: when it began, UTC; None where that could not be told
    :param attributes: OpenTelemetry attributes of the resource
    """

    cause: str
    resource: str
    title: str
    confidence: str
    severity_id: int
    expected: Any = None
    actual: Any = None
    onset: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    against: tuple[Reason, ...] = ()
    unanswered: tuple[str, ...] = ()
    next_steps: tuple[NextStep, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EvidenceSummary:
    """One piece of evidence without its rows.

    :param name: what it is called in reasons
    :param source: where it was read ("cloudwatch", "logs-insights", "postgres")
    :param query: what was asked, in one line
    :param start, end: the window, UTC; None where the source shows the present only
    :param rows: how many rows were seen
    :param read: names of what was read whole
    :param missing: what could not be read, with why
    :param left_out: what leaves nothing open, as what the system does not declare, with why
    :param cost: what asking cost (`bytes_scanned`)
    """

    name: str
    source: str
    query: str
    start: datetime | None
    end: datetime | None
    rows: int
    read: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)


def say_cost(cost: Mapping[str, Any]) -> str:
    """What asking cost, for a person: "12 queries, 10.0 MiB scanned"."""
    return ", ".join(f"{say_bytes(value)} scanned" if name == "bytes_scanned" else f"{value:,} {name.replace('_', ' ')}"
                     for name, value in cost.items())


@dataclass(frozen=True)
class Findings:
    """The result of an investigation.

    :param question: what was asked
    :param verdict: suspects, nothing_wrong or insufficient_evidence
    :param summary: the verdict in one or two sentences
    :param severity_id: OCSF's, of the incident as it looks now
    :param start, end: the window that was looked at, UTC
    :param expected, actual: the symptom: what would be right, and what was seen
    :param not_seen: what could not be looked at, with why
    """

    investigation: str
    system: str
    question: str
    verdict: str
    summary: str
    severity_id: int
    start: datetime
    end: datetime
    expected: Any = None
    actual: Any = None
    suspects: tuple[Suspect, ...] = ()
    evidence: tuple[EvidenceSummary, ...] = ()
    not_seen: tuple[tuple[str, str], ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The findings as findings.json holds them."""
        return {
            "schema": SCHEMA,
            "investigation": self.investigation,
            "system": self.system,
            "question": self.question,
            "verdict": self.verdict,
            "summary": self.summary,
            "severity_id": self.severity_id,
            "severity": SEVERITIES[self.severity_id],
            "window": {"start": said(self.start), "end": said(self.end)},
            "expected": self.expected,
            "actual": self.actual,
            "suspects": [_suspect(rank, suspect) for rank, suspect in enumerate(self.suspects, 1)],
            "evidence": [_evidence(piece) for piece in self.evidence],
            "not_seen": _gaps(self.not_seen),
            "attributes": dict(self.attributes),
        }


def said(moment: datetime | None) -> str | None:
    """A moment as records write it."""
    return moment.isoformat() if moment else None


def _suspect(rank: int, suspect: Suspect) -> dict[str, Any]:
    return {
        "rank": rank,
        "cause": suspect.cause,
        "resource": suspect.resource,
        "title": suspect.title,
        "confidence": suspect.confidence,
        "severity_id": suspect.severity_id,
        "expected": suspect.expected,
        "actual": suspect.actual,
        "onset": said(suspect.onset),
        "for": [_reason(reason) for reason in suspect.reasons],
        "against": [_reason(reason) for reason in suspect.against],
        "unanswered": list(suspect.unanswered),
        "next_steps": [
            {"title": step.title, "command": step.command, "changes": step.changes} for step in suspect.next_steps],
        "attributes": dict(suspect.attributes),
    }


def _gaps(gaps: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"resource": resource, "reason": reason} for resource, reason in gaps]


def _reason(reason: Reason) -> dict[str, Any]:
    return {"text": reason.text, "evidence": list(reason.evidence)}


def _evidence(piece: EvidenceSummary) -> dict[str, Any]:
    return {
        "name": piece.name,
        "source": piece.source,
        "query": piece.query,
        "window": {"start": said(piece.start), "end": said(piece.end)} if piece.start else None,
        "rows": piece.rows,
        "coverage": {
            "complete": not piece.missing,
            "read": list(piece.read),
            "missing": _gaps(piece.missing),
            "left_out": _gaps(piece.left_out),
        },
        "cost": dict(piece.cost),
    }
