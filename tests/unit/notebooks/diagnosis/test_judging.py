"""From signs to a judgement: what counts as the symptom, who can have caused it, and what too little evidence comes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap
from opsbook.diagnosis.causes import CAUSES
from opsbook.diagnosis.judging import judge
from opsbook.diagnosis.questions import QUESTIONS
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.series import COUNT, Series
from opsbook.diagnosis.service_map import Component, ServiceMap
from opsbook.diagnosis.signs import SIGNS, Sign
from opsbook.diagnosis.verdicts import Judgement
from opsbook.evidence.limits import InvestigationLimits
from opsbook.evidence.pieces import Piece
from tests.unit.notebooks.diagnosis.making import BASELINE, WINDOW, at, counts

SHOP = ServiceMap((
    Component("front", "load_balancer", "app/front/1", ("api",), entry=True),
    Component("api", "ecs_service", "api", ("orders", "postgres", "pay")),
    Component("elsewhere", "ecs_service", "elsewhere"),
    Component("orders", "dynamodb_table", "orders"),
    Component("postgres", "postgres", "postgres"),
    Component("pay", "external", "pay", owned=False),
))
SCENE = Scene("shop", SHOP, WINDOW, BASELINE, WINDOW.end, InvestigationLimits(), "postgres")
ERRORS = QUESTIONS["high-error-rate"]


def pieces(*missing: str, component: str = "front") -> dict[str, Piece[Any]]:
    """Requests and errors of a component, with gaps."""
    rows: tuple[Series, ...] = tuple(
        counts([value] * 240, metric, component) for metric, value in (("requests", 600.0), ("errors", 1.0)))
    gaps = tuple(Gap(name, "denied") for name in missing)
    return {"metrics": Piece("metrics", "cloudwatch", "GetMetricData", WINDOW, rows, Coverage(("metrics",), gaps))}


def sign(component: str, kind: str, minute: int | None = 20, text: str = "seen") -> Sign:
    return Sign(component, kind, f"{kind} {text}", ("metrics",), None if minute is None else at(minute))


def judged(*signs: Sign, **given: Any) -> Judgement:
    return judge(SCENE, ERRORS, signs, given.get("pieces", pieces()))


def suspects(judgement: Judgement) -> list[tuple[str, str, str]]:
    return [(one.cause, one.resource, one.confidence) for one in judgement.suspects]


def test_no_symptom_and_all_seen_is_nothing_wrong() -> None:
    found = judged(sign("api", "deployed"), sign("front", "answers-well", None))

    assert (found.verdict, found.suspects, found.severity_id) == ("nothing_wrong", (), 1)


def test_no_symptom_and_not_all_seen_is_no_verdict() -> None:
    found = judge(SCENE, ERRORS, [], {})

    assert found.verdict == "insufficient_evidence"
    assert dict(found.not_seen)["front"] == "no measurement of requests, errors in the window"
    assert found.severity_id == 0


def test_a_symptom_without_any_cause_is_not_enough_evidence() -> None:
    found = judged(sign("front", "errors-up"))

    assert found.verdict == "insufficient_evidence"
    assert "No cause was found" in found.summary


@pytest.mark.parametrize(("signs", "first"), [
    pytest.param([sign("api", "new-errors")], ("application-error", "api", "high"), id="its own errors"),
    pytest.param([sign("orders", "throttled"), sign("orders", "near-capacity"), sign("api", "blames-others")],
                 ("table-throttled", "orders", "high"), id="deeper than the one that complains"),
    pytest.param([sign("orders", "throttled"), sign("orders", "below-capacity", None)], ("hot-partition", "orders", "high"),
                 id="a hot partition, not the capacity"),
    pytest.param([sign("api", "new-errors"), sign("api", "tasks-killed-for-memory")], ("out-of-memory", "api", "high"),
                 id="killed is why it fails"),
    pytest.param([sign("pay", "not-answering", None), sign("pay", "blamed"), sign("api", "blames-others")],
                 ("dependency-failure", "pay", "high"), id="what is not ours"),
    pytest.param([sign("pay", "blamed"), sign("pay", "answers-well", None), sign("api", "new-errors")],
                 ("application-error", "api", "high"), id="blamed, but it answers"),
    pytest.param([sign("postgres", "connections-high", None), sign("api", "new-errors", 40)],
                 ("connections-exhausted", "postgres", "high"), id="what came after the symptom did not cause it"),
    pytest.param([sign("api", "tasks-do-not-start"), sign("api", "tasks-missing", None), sign("api", "deployed", None)],
                 ("deployment-failing", "api", "high"), id="a deployment that fails"),
])
def test_the_likeliest_cause_comes_first(signs: Sequence[Sign], first: tuple[str, str, str]) -> None:
    assert suspects(judged(sign("front", "errors-up"), *signs))[0] == first


def test_a_deployment_alone_makes_no_suspect() -> None:
    assert suspects(judged(sign("front", "errors-up"), sign("api", "deployed"), sign("elsewhere", "deployed"))) == []


def test_what_the_alarmed_do_not_call_is_not_suspected_and_yet_said() -> None:
    found = judged(sign("front", "errors-up"), sign("api", "new-errors"), sign("elsewhere", "cpu-high", text="95 %"))

    assert suspects(found) == [("application-error", "api", "high")]
    assert "Noticed elsewhere: elsewhere: cpu-high 95 %" in found.summary


def test_the_onset_is_that_of_what_users_feel() -> None:
    """A function that failed earlier, and that no request came through, does not make the cause look late."""
    early = Component("report", "lambda_function", "report")
    scene = Scene("shop", ServiceMap((*SHOP.components, early)), WINDOW, BASELINE, WINDOW.end, InvestigationLimits())
    signs = [sign("report", "errors-up", 1), sign("front", "errors-up", 30), sign("api", "new-errors", 30)]
    found = judge(scene, ERRORS, signs, pieces())

    assert suspects(found)[0] == ("application-error", "api", "high")


def test_needed_evidence_that_was_not_collected_is_named() -> None:
    found = judge(SCENE, QUESTIONS["service-unavailable"], [], {})

    assert found.verdict == "insufficient_evidence"
    assert ("endpoints", "it was not collected") in found.not_seen


def test_a_question_about_what_the_system_has_not_is_not_answered() -> None:
    found = judge(SCENE, QUESTIONS["redis-health"], [], pieces())

    assert found.verdict == "insufficient_evidence"
    assert "no component that this question is about" in dict(found.not_seen)["shop"]


def test_each_suspect_says_what_to_do_and_names_its_component() -> None:
    [found] = judged(sign("front", "errors-up"), sign("api", "new-errors")).suspects

    assert found.next_steps
    assert found.attributes["service.name"] == "api"
    assert found.unanswered


def test_every_sign_of_a_rule_is_one_that_is_known() -> None:
    for cause in CAUSES.values():
        needed = {one for alternative in cause.needs for one in alternative}
        assert needed | cause.direct | cause.supports | cause.against <= set(SIGNS)


def test_an_unknown_sign_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no sign"):
        Sign("api", "looks-odd", "")


@pytest.mark.parametrize(("requests", "verdict"), [
    pytest.param(600.0, "nothing_wrong", id="requests and no error"),
    pytest.param(None, "insufficient_evidence", id="nothing was published at all"),
])
def test_no_point_of_a_count_is_none_only_where_something_was_published(requests: float | None, verdict: str) -> None:
    rows = (counts([requests] * 240, "requests", "front"), Series("front", "errors", "requests", COUNT, (), 60, True))
    silent = {"metrics": Piece("metrics", "cloudwatch", "q", WINDOW, rows)}

    assert judge(SCENE, ERRORS, [], silent).verdict == verdict
