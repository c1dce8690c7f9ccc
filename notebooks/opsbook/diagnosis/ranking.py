"""From hypotheses with their grounds to ranked suspects and a verdict.

A hypothesis is a cause at a component with grounds for and against it, each of a strength that says how it was come by.
Confidence is read from the table `CONFIDENCE`, all of which is below: there are no weights, learned or set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import (
    CONFIDENCES,
    HIGH,
    INSUFFICIENT,
    LOW,
    MEDIUM,
    NOTHING_WRONG,
    SUSPECTS,
    NextStep,
    Reason,
    Suspect,
)
from opsbook.diagnosis.change_point import fits
from opsbook.diagnosis.signs import DIRECT, HINT, MEASURED

STRENGTHS = (DIRECT, MEASURED, HINT)
"""The thing itself was observed and names the resource (a task killed for memory); a symptom was measured at the resource
(its errors jumped); it only fits (a deployment was near)."""

CONFIDENCE: Mapping[tuple[str, bool | None], str] = {
    # The strongest ground, and whether the onset fits that of the symptom (None: one of both is not known).
    (DIRECT, True): HIGH, (DIRECT, None): HIGH, (DIRECT, False): LOW,
    (MEASURED, True): MEDIUM, (MEASURED, None): MEDIUM, (MEASURED, False): LOW,
}  # fmt: skip
"""What was seen itself needs no agreement in time to be believed, but what began after the symptom did not cause it."""

TOLERANCE = timedelta(minutes=2)
"""Two periods of metrics of whole minutes."""


@dataclass(frozen=True)
class Ground:
    """One ground for or against a hypothesis.

    :param text: one sentence with its figures
    :param strength: direct, measured or hint
    :param evidence: names of the pieces of evidence it rests on
    """

    text: str
    strength: str
    evidence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.strength not in STRENGTHS:
            raise ValueError(f"there is no strength {self.strength!r}")


@dataclass(frozen=True)
class Hypothesis:
    """A cause at a component, and what speaks for and against it.

    :param grounds, against: with a hint alone it never becomes a suspect
    :param onset: when it began; None where that is not known
    :param place: the component's rank in the localisation, from 1; None where it is not among its candidates
    :param unseen: what this hypothesis would have needed and nobody could read; each is left unanswered
    :param expected, actual, unanswered, next_steps, attributes: as in `Suspect`
    """

    cause: str
    resource: str
    title: str
    severity_id: int
    grounds: tuple[Ground, ...]
    against: tuple[Ground, ...] = ()
    onset: datetime | None = None
    place: int | None = None
    unseen: tuple[str, ...] = ()
    expected: Any = None
    actual: Any = None
    unanswered: tuple[str, ...] = ()
    next_steps: tuple[NextStep, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def strength(self) -> str:
        """That of its strongest ground; a hint where there is none."""
        return _strongest(self.grounds) or HINT


@dataclass(frozen=True)
class Symptom:
    """What the investigation was asked about.

    :param present: whether it is there; None where that cannot be told
    :param onset: when it began
    """

    present: bool | None
    onset: datetime | None = None


def suspects_of(
    hypotheses: Iterable[Hypothesis], symptom: Symptom, tolerance: timedelta = TOLERANCE
) -> tuple[Suspect, ...]:
    """The hypotheses that have evidence of their own, as suspects, the likeliest first.

    They are in the order of their confidence; then of the strength of their grounds; then of their component's place in the
    localisation; then of how many grounds there are, where at last a hint decides; then the earlier; then by name.
    """
    kept = [one for one in _merged(hypotheses) if one.strength != HINT]
    rated = [(confidence_of(one, symptom, tolerance), one) for one in kept]
    return tuple(_suspect(one, confidence) for confidence, one in sorted(rated, key=_order))


def confidence_of(hypothesis: Hypothesis, symptom: Symptom, tolerance: timedelta = TOLERANCE) -> str:
    """How sure a hypothesis is: the table, one step less where something measured contradicts it or something that it needed
    was not seen, and low where a direct observation contradicts it."""
    contradicted = _strongest(hypothesis.against)
    if contradicted == DIRECT:
        return LOW
    rated = CONFIDENCE.get((hypothesis.strength, fits(hypothesis.onset, symptom.onset, tolerance)), LOW)
    lowered = (contradicted == MEASURED) + bool(hypothesis.unseen and hypothesis.strength != DIRECT)
    return CONFIDENCES[min(CONFIDENCES.index(rated) + lowered, len(CONFIDENCES) - 1)]


def verdict_of(symptom: Symptom, suspects: Sequence[Suspect], missing: Sequence[str]) -> tuple[str, tuple[Suspect, ...]]:
    """The verdict, and the suspects that it lets stand.

    Something wrong that was seen itself, or measured without contradiction, is reported whether the symptom is there or not.
    Nothing is wrong only where the symptom is known to be absent and all was seen that the question needs: what could not be
    read is never taken for healthy.

    :param missing: what the question needed and could not be read
    """
    if symptom.present or any(suspect.confidence in (HIGH, MEDIUM) for suspect in suspects):
        return (SUSPECTS, tuple(suspects)) if suspects else (INSUFFICIENT, ())
    if symptom.present is None or missing:
        return INSUFFICIENT, tuple(suspects)
    return NOTHING_WRONG, ()


def _merged(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """One hypothesis a cause and component, with the grounds of all that say the same."""
    found: dict[tuple[str, str], Hypothesis] = {}
    for one in hypotheses:
        known = found.get((one.cause, one.resource))
        found[one.cause, one.resource] = _joined(known, one) if known else one
    return list(found.values())


def _joined(first: Hypothesis, second: Hypothesis) -> Hypothesis:
    onsets = [onset for onset in (first.onset, second.onset) if onset]
    places = [place for place in (first.place, second.place) if place is not None]
    return replace(
        first, grounds=_once(first.grounds, second.grounds), against=_once(first.against, second.against),
        onset=min(onsets, default=None), place=min(places, default=None), unseen=_once(first.unseen, second.unseen),
        unanswered=_once(first.unanswered, second.unanswered), next_steps=_once(first.next_steps, second.next_steps),
        severity_id=max(first.severity_id, second.severity_id), attributes={**second.attributes, **first.attributes})


def _once(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _strongest(grounds: Iterable[Ground]) -> str | None:
    return min((ground.strength for ground in grounds), key=STRENGTHS.index, default=None)


def _order(rated: tuple[str, Hypothesis]) -> tuple[int, int, bool, int, int, bool, float, str, str]:
    confidence, one = rated
    return (CONFIDENCES.index(confidence), STRENGTHS.index(one.strength), one.place is None, one.place or 0,
            -len(one.grounds), one.onset is None, one.onset.timestamp() if one.onset else 0.0, one.cause, one.resource)


def _suspect(one: Hypothesis, confidence: str) -> Suspect:
    ordered = sorted(one.grounds, key=lambda ground: STRENGTHS.index(ground.strength))
    return Suspect(
        one.cause, one.resource, one.title, confidence, one.severity_id, one.expected, one.actual, one.onset,
        tuple(Reason(ground.text, ground.evidence) for ground in ordered),
        tuple(Reason(ground.text, ground.evidence) for ground in one.against),
        _once(one.unanswered, tuple(f"Not seen: {name}" for name in one.unseen)), one.next_steps, one.attributes)
