"""Ranking: suspects by what was seen of them, and verdicts that do not take the unseen for healthy."""

from __future__ import annotations

from datetime import datetime
from itertools import permutations

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import (
    HIGH,
    INSUFFICIENT,
    LOW,
    MEDIUM,
    NOTHING_WRONG,
    SUSPECTS,
    Suspect,
)
from opsbook.diagnosis.ranking import Ground, Hypothesis, Symptom, confidence_of, suspects_of, verdict_of
from opsbook.diagnosis.signs import DIRECT, HINT, MEASURED
from tests.unit.notebooks.diagnosis.making import at

SYMPTOM = Symptom(True, at(20))


def hypothesis(
    resource: str, *strengths: str, against: tuple[str, ...] = (), onset: datetime | None = None, place: int | None = None,
    unseen: tuple[str, ...] = (), cause: str = "application-error",
) -> Hypothesis:
    grounds = tuple(Ground(f"{strength} {number}", strength) for number, strength in enumerate(strengths))
    contrary = tuple(Ground(f"not {one}", one) for one in against)
    return Hypothesis(cause, resource, resource, 4, grounds, contrary, onset, place, unseen)


@pytest.mark.parametrize(("given", "confidence"), [
    pytest.param(hypothesis("a", DIRECT, onset=at(19)), HIGH, id="observed, and it fits in time"),
    pytest.param(hypothesis("a", DIRECT), HIGH, id="observed, onset unknown"),
    pytest.param(hypothesis("a", DIRECT, onset=at(40)), LOW, id="observed, and it began later"),
    pytest.param(hypothesis("a", MEASURED, onset=at(19)), MEDIUM, id="measured, and it fits in time"),
    pytest.param(hypothesis("a", MEASURED, MEASURED, MEASURED), MEDIUM, id="many measurements are no observation"),
    pytest.param(hypothesis("a", MEASURED, onset=at(40)), LOW, id="measured, and it began later"),
    pytest.param(hypothesis("a", MEASURED, HINT, onset=at(19)), MEDIUM, id="a hint adds no confidence"),
    pytest.param(hypothesis("a", DIRECT, against=(MEASURED,)), MEDIUM, id="observed, measured against"),
    pytest.param(hypothesis("a", DIRECT, against=(DIRECT,)), LOW, id="observed, and observed against"),
    pytest.param(hypothesis("a", DIRECT, against=(HINT,)), HIGH, id="a hint takes none"),
    pytest.param(hypothesis("a", MEASURED, against=(MEASURED,)), LOW, id="measured for and against"),
    pytest.param(hypothesis("a", MEASURED, unseen=("logs",)), LOW, id="measured, what it needed was not seen"),
    pytest.param(hypothesis("a", DIRECT, unseen=("logs",)), HIGH, id="observed all the same"),
])
def test_confidence_is_read_from_the_table(given: Hypothesis, confidence: str) -> None:
    assert confidence_of(given, SYMPTOM) == confidence


@pytest.mark.parametrize("ranked", [
    pytest.param([hypothesis("b", DIRECT), hypothesis("a", MEASURED, MEASURED, place=1)], id="observed before measured"),
    pytest.param([hypothesis("b", MEASURED, place=1), hypothesis("a", MEASURED, MEASURED, place=2)], id="by place"),
    pytest.param([hypothesis("b", MEASURED, place=3), hypothesis("a", MEASURED)], id="one with a place first"),
    pytest.param([hypothesis("b", MEASURED, MEASURED), hypothesis("a", MEASURED)], id="more grounds first"),
    pytest.param([hypothesis("b", MEASURED, HINT), hypothesis("a", MEASURED)], id="a hint decides between equals"),
    pytest.param([hypothesis("b", MEASURED, onset=at(5)), hypothesis("a", MEASURED, onset=at(9))], id="the earlier first"),
    pytest.param([hypothesis("a", MEASURED), hypothesis("b", MEASURED)], id="by name at last"),
])
def test_the_order_of_suspects_does_not_depend_on_the_order_of_hypotheses(ranked: list[Hypothesis]) -> None:
    expected = [one.resource for one in ranked]
    for order in permutations(ranked):
        assert [suspect.resource for suspect in suspects_of(order, SYMPTOM)] == expected


def test_the_last_deployment_alone_is_no_suspect() -> None:
    assert suspects_of([hypothesis("decoy", HINT, HINT, HINT, onset=at(20), place=1)], SYMPTOM) == ()


def test_a_decoy_deployed_at_the_onset_does_not_pass_the_component_with_evidence() -> None:
    decoy = hypothesis("decoy", MEASURED, HINT, HINT, place=2, onset=at(20))
    broken = hypothesis("broken", MEASURED, place=1, onset=at(20))
    assert [one.resource for one in suspects_of([decoy, broken], SYMPTOM)] == ["broken", "decoy"]


def test_hypotheses_of_the_same_cause_and_component_are_one_suspect() -> None:
    found = suspects_of([hypothesis("a", MEASURED, onset=at(9)), hypothesis("a", DIRECT, onset=at(5), place=1)], SYMPTOM)
    assert [(one.resource, one.confidence, one.onset, len(one.reasons)) for one in found] == [("a", HIGH, at(5), 2)]


def test_reasons_are_in_the_order_of_their_strength_and_the_unseen_stays_unanswered() -> None:
    found, = suspects_of([hypothesis("a", HINT, MEASURED, DIRECT, unseen=("logs of a",))], SYMPTOM)
    assert [reason.text for reason in found.reasons] == ["direct 2", "measured 1", "hint 0"]
    assert found.unanswered == ("Not seen: logs of a",)


def suspect(confidence: str) -> Suspect:
    return Suspect("application-error", "a", "a", confidence, 4)


@pytest.mark.parametrize(("present", "confidences", "missing", "verdict", "kept"), [
    pytest.param(True, [HIGH], [], SUSPECTS, 1, id="there, and explained"),
    pytest.param(True, [LOW], ["logs"], SUSPECTS, 1, id="there, and hardly explained"),
    pytest.param(True, [], [], INSUFFICIENT, 0, id="there, and nothing explains it"),
    pytest.param(False, [], [], NOTHING_WRONG, 0, id="not there, all seen"),
    pytest.param(False, [LOW], [], NOTHING_WRONG, 0, id="not there, and a weak suspect is dropped"),
    pytest.param(False, [], ["logs"], INSUFFICIENT, 0, id="not there, and not all seen"),
    pytest.param(False, [LOW], ["logs"], INSUFFICIENT, 1, id="the same with a weak suspect, which is told"),
    pytest.param(False, [HIGH], [], SUSPECTS, 1, id="not there, and something wrong was seen"),
    pytest.param(None, [], [], INSUFFICIENT, 0, id="it cannot be told"),
    pytest.param(None, [LOW], [], INSUFFICIENT, 1, id="it cannot be told, with a weak suspect"),
    pytest.param(None, [MEDIUM], ["metrics"], SUSPECTS, 1, id="it cannot be told, and something wrong was measured"),
])
def test_the_verdict_takes_nothing_unseen_for_healthy(
    present: bool | None, confidences: list[str], missing: list[str], verdict: str, kept: int
) -> None:
    found, suspects = verdict_of(Symptom(present), [suspect(one) for one in confidences], missing)
    assert (found, len(suspects)) == (verdict, kept)


def test_an_unknown_strength_is_refused() -> None:
    with pytest.raises(ValueError, match="strength"):
        Ground("because", "gut feeling")
