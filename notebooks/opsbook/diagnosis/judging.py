"""From signs to a judgement: is the symptom there, which causes would explain it, and was enough seen to say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import (
    INSUFFICIENT,
    NOTHING_WRONG,
    SUSPECTS,
    Suspect,
)
from opsbook.diagnosis.causes import CAUSES, Cause
from opsbook.diagnosis.metrics import ERRORS
from opsbook.diagnosis.next_steps import next_steps_for
from opsbook.diagnosis.questions import Question
from opsbook.diagnosis.ranking import Ground, Hypothesis, Symptom, suspects_of, verdict_of
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.series import Series
from opsbook.diagnosis.service_map import Component, attributes_of
from opsbook.diagnosis.signs import DIRECT, HINT, MEASURED, Sign, at
from opsbook.diagnosis.sources import SEEN_IN, lacking, measurable
from opsbook.diagnosis.survey import survey
from opsbook.diagnosis.verdicts import Judgement
from opsbook.evidence.pieces import Piece

HINTS = frozenset({"deployed"})
"""Signs that only fit: they never make a suspect."""

WELL = frozenset({"answers-well", "below-capacity"})
"""Signs that nothing is wrong, or that say nothing alone."""

STATES = frozenset({
    "cpu-high", "disk-filling", "evicting", "idle-in-transaction", "memory-high", "memory-rising", "slow-commands",
    "slow-statements", "tables-bloated",
})
"""Signs of how something is, which may have been so for weeks: without an onset they are measured, and prove no cause."""

UNEXPLAINED = "unexplained"
INFORMATIONAL, UNKNOWN = 1, 0
MOST_SUSPECTS = 5
MOST_NOTICED = 4


def judge(scene: Scene, question: Question, signs: Sequence[Sign], pieces: Mapping[str, Piece[Any]]) -> Judgement:
    """Answer a question.

    :param signs: everything that was noticed, at whatever component
    :param pieces: the evidence by name, for what it covers
    """
    alarmed = [sign for sign in signs if sign.kind in question.signs and _concerned(scene, question, sign)]
    missing = unseen(scene, question, pieces)
    alarmed = _most_outward(scene, alarmed)
    symptom = Symptom(True if alarmed else None if missing else False,
                      next((sign.onset for sign in alarmed if sign.onset), None))
    places = _places(scene, question, alarmed, series_of(pieces))
    relevant = _relevant(scene, alarmed)
    hypotheses = [found for name in relevant for found in _hypotheses(scene, name, signs, places, pieces)]
    suspects = suspects_of([*hypotheses, *_unexplained(scene, alarmed, places, hypotheses)], symptom)[:MOST_SUSPECTS]
    verdict, standing = verdict_of(symptom, suspects, [resource for resource, why in missing])
    standing = standing if verdict == SUSPECTS else ()
    besides = [sign for sign in signs if sign.component not in relevant and sign.kind not in HINTS | WELL]
    worst = alarmed[0] if alarmed else None
    return Judgement(
        verdict, _summary(question, verdict, alarmed, standing, missing, besides), _severity(verdict, standing),
        worst.expected if worst else None, worst.actual if worst else None, standing, tuple(missing))


def series_of(pieces: Mapping[str, Piece[Any]]) -> tuple[Series, ...]:
    """All series among the evidence."""
    return tuple(row for piece in pieces.values() for row in piece.rows if isinstance(row, Series))


def unseen(scene: Scene, question: Question, pieces: Mapping[str, Piece[Any]]) -> list[tuple[str, str]]:
    """What the question needed and nobody could read, with why."""
    concerned = question.components(scene.service_map)
    if not concerned:
        return [(scene.system, "the service map has no component that this question is about")]
    missing = lacking(scene, question.signs, frozenset(component.kind for component in concerned), pieces)
    series = series_of(pieces)
    # No point of a count means none happened only of a component that published anything at all.
    published = {one.component for one in series if one.points}
    measured = {(one.component, one.metric) for one in series if one.within(scene.window.start, scene.window.end)
                or (one.zero_if_missing and one.component in published)}
    idle = {one.component for one in series if one.metric == "requests" and one.component in published
            and not any(value for _at, value in one.within(scene.window.start, scene.window.end))}
    for component in concerned:
        # What was not called took no time: there is nothing to be measured.
        needed = [one for one in question.measured if not (component.name in idle and one.startswith("latency"))]
        absent = [metric for metric in needed if (ways := measurable(component, metric))
                  and not any((component.name, way) in measured for way in ways)]
        if absent:
            missing[component.name] = f"no measurement of {', '.join(absent).replace('_', ' ')} in the window"
    for metric in question.measured:
        entries = [component for component in concerned if component.entry]
        if entries and not any(measurable(component, metric) for component in entries):
            names = ", ".join(component.name for component in entries)
            missing.setdefault(names, f"users come in here, and CloudWatch has no {metric.replace('_', ' ')} of its kind")
    return list(missing.items())


def _concerned(scene: Scene, question: Question, sign: Sign) -> bool:
    return sign.component in scene.service_map and question.concerns(scene.service_map[sign.component])


def _most_outward(scene: Scene, alarmed: Sequence[Sign]) -> list[Sign]:
    """The signs at components that users come in at, where there are any: what users feel decides when it began, and what
    fails elsewhere, whether anybody feels it or not, does not."""
    at_entries = [sign for sign in alarmed if scene.service_map[sign.component].entry]
    return at_entries or list(alarmed)


def _relevant(scene: Scene, alarmed: Sequence[Sign]) -> tuple[str, ...]:
    """The components that can have caused what the alarmed ones show: these, and all that they call."""
    names = dict.fromkeys(sign.component for sign in alarmed)
    return tuple(dict.fromkeys([*names, *(below for name in names for below in scene.service_map.reachable(name))]))


def _places(
    scene: Scene, question: Question, alarmed: Sequence[Sign], series: Sequence[Series]
) -> dict[str, int]:
    """The rank of components in the localisation of each alarmed one, the best of them; the alarm's family decides."""
    places: dict[str, int] = {}
    for name in dict.fromkeys(sign.component for sign in alarmed):
        found = survey(scene.service_map, series, scene.window, scene.baseline, name, question.family or ERRORS).localisation
        for rank, candidate in enumerate(found.candidates, 1):
            if candidate.component in (name, *scene.service_map.reachable(name)):
                places[candidate.component] = min(rank, places.get(candidate.component, rank))
    return places


def _hypotheses(
    scene: Scene, name: str, signs: Sequence[Sign], places: Mapping[str, int], pieces: Mapping[str, Piece[Any]]
) -> Iterable[Hypothesis]:
    component, noticed = scene.service_map[name], at(signs, name)
    for key, cause in CAUSES.items():
        if component.kind in cause.kinds and any(needed <= set(noticed) for needed in cause.needs):
            found = _hypothesis(scene, component, key, noticed)
            place = places.get(name, _deep(scene, name, places))
            yield replace(found, place=place, unseen=_not_contradicted(cause, pieces))


def _not_contradicted(cause: Cause, pieces: Mapping[str, Piece[Any]]) -> tuple[str, ...]:
    """The pieces that could have spoken against a cause and were not whole."""
    asked = dict.fromkeys(name for sign in sorted(cause.against) for name in SEEN_IN.get(sign, ()))
    return tuple(name for name in asked if name in pieces and pieces[name].coverage.missing)


def _unexplained(
    scene: Scene, alarmed: Sequence[Sign], places: Mapping[str, int], hypotheses: Sequence[Hypothesis]
) -> list[Hypothesis]:
    """What is said where the symptom is there and no rule explains it: where it comes from, as far as that can be told."""
    if not alarmed or any(one.strength != HINT for one in hypotheses):
        return []
    name = min(places, key=lambda one: (places[one], one), default=alarmed[0].component)
    mine = [sign for sign in alarmed if sign.component == name] or list(alarmed[:1])
    component = scene.service_map[name]
    return [Hypothesis(
        UNEXPLAINED, name, f"Something in {name} that no rule knows", 3,
        tuple(Ground(sign.text, MEASURED, sign.evidence) for sign in mine[:MOST_NOTICED]),
        against=(Ground("No sign of a known cause was found at it, or below it.", MEASURED, ()),),
        onset=mine[0].onset, place=places.get(name), expected=mine[0].expected, actual=mine[0].actual,
        unanswered=("What changed, and what do its own logs and traces say?",),
        next_steps=next_steps_for(scene, component, UNEXPLAINED, at(mine, name)), attributes=attributes_of(component))]


def _deep(scene: Scene, name: str, places: Mapping[str, int]) -> int | None:
    """The rank of a component that the localisation does not know: the first, where nothing unusual lies below it."""
    return None if any(below in places for below in scene.service_map.reachable(name)) else 1


def _hypothesis(scene: Scene, component: Component, key: str, noticed: Mapping[str, Sign]) -> Hypothesis:
    cause = CAUSES[key]
    needed = {sign for one in cause.needs if one <= set(noticed) for sign in one}
    speaking = [sign for kind, sign in noticed.items() if kind in needed | cause.direct | cause.supports]
    grounds = tuple(Ground(sign.text, _strength(sign, cause), sign.evidence) for sign in speaking)
    contrary = [sign for kind, sign in noticed.items() if kind in cause.against]
    against = tuple(Ground(sign.text, DIRECT if sign.kind in WELL else MEASURED, sign.evidence) for sign in contrary)
    first = next((sign for sign in speaking if sign.kind in cause.direct), speaking[0])
    onset = min((sign.onset for sign in speaking if sign.onset and sign.kind in needed | cause.direct), default=None)
    return Hypothesis(
        key, component.name, cause.title.format(resource=component.name), cause.severity_id, grounds, against, onset,
        expected=first.expected, actual=first.actual, unanswered=cause.unanswered,
        next_steps=next_steps_for(scene, component, key, noticed), attributes=attributes_of(component))


def _strength(sign: Sign, cause: Cause) -> str:
    if sign.kind in HINTS:
        return HINT
    if sign.kind in STATES and sign.onset is None:
        return MEASURED
    return DIRECT if sign.kind in cause.direct else MEASURED


def _severity(verdict: str, suspects: Sequence[Suspect]) -> int:
    if verdict == NOTHING_WRONG:
        return INFORMATIONAL
    return suspects[0].severity_id if suspects else UNKNOWN


def _summary(
    question: Question, verdict: str, alarmed: Sequence[Sign], suspects: Sequence[Suspect],
    missing: Sequence[tuple[str, str]], besides: Sequence[Sign],
) -> str:
    """The verdict in a few sentences."""
    seen = f"{alarmed[0].component}: {alarmed[0].text}" if alarmed else ""
    if suspects:
        said = f"{seen} Most likely: {suspects[0].title} ({suspects[0].confidence} confidence)."
    elif verdict == NOTHING_WRONG:
        said = f"No {question.symptom} was found, and everything was seen that the question needs."
    elif seen:
        said = f"{seen} No cause was found in what could be seen."
    else:
        named = "; ".join(f"{resource} ({why})" for resource, why in missing[:3])
        said = f"Whether there is a {question.symptom} cannot be told: {named or 'too little was seen'}."
    noticed = dict.fromkeys(f"{sign.component}: {sign.text}" for sign in besides)
    more = " ".join(list(noticed)[:MOST_NOTICED])
    return f"{said} Noticed elsewhere: {more}" if more and verdict != INSUFFICIENT else said
