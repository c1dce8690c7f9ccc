"""From signs to a judgement: what counts as the symptom, who can have caused it, and what too little evidence comes to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings as findings_file
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import Findings
from opsbook.diagnosis.causes import CAUSES
from opsbook.diagnosis.judging import judge
from opsbook.diagnosis.questions import QUESTIONS, Question
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
SCHEMA = json.loads(Path(str(findings_file.__file__)).with_name("findings.schema.json").read_text(encoding="utf-8"))


def pieces(*missing: str, component: str = "front") -> dict[str, Piece[Any]]:
    """Requests and errors of a component, with gaps."""
    rows: tuple[Series, ...] = tuple(
        counts([value] * 240, metric, component) for metric, value in (("requests", 600.0), ("errors", 1.0)))
    gaps = tuple(Gap(name, "denied") for name in missing)
    return {"metrics": Piece("metrics", "cloudwatch", "GetMetricData", WINDOW, rows, Coverage(("metrics",), gaps))}


def sign(component: str, kind: str, minute: int | None = 20, text: str = "seen") -> Sign:
    return Sign(component, kind, f"{kind} {text}", ("metrics",), None if minute is None else at(minute))


def judged(*signs: Sign, scene: Scene = SCENE, question: Question = ERRORS, seen: Any = None) -> Judgement:
    """A judgement that findings.json takes."""
    evidence = pieces() if seen is None else seen
    found = judge(scene, question, signs, evidence)
    findings = Findings("high-error-rate", scene.system, "Why?", found.verdict, found.summary, found.severity_id,
                        scene.window.start, scene.window.end, found.expected, found.actual, found.suspects,
                        tuple(piece.summary() for piece in evidence.values()), found.not_seen)
    jsonschema.validate(json.loads(json.dumps(findings.as_dict())), SCHEMA)
    return found


def suspects(judgement: Judgement) -> list[tuple[str, str, str]]:
    return [(one.cause, one.resource, one.confidence) for one in judgement.suspects]


def test_no_symptom_and_all_seen_is_nothing_wrong() -> None:
    found = judged(sign("api", "deployed"), sign("front", "answers-well", None))

    assert (found.verdict, found.suspects, found.severity_id) == ("nothing_wrong", (), 1)


def test_no_symptom_and_not_all_seen_is_no_verdict() -> None:
    found = judged(seen={})

    assert found.verdict == "insufficient_evidence"
    assert dict(found.not_seen)["front"] == "no measurement of requests, errors in the window"
    assert found.severity_id == 0


def test_what_nobody_called_took_no_time() -> None:
    late = QUESTIONS["high-latency"]
    seen = {"metrics": replace(pieces()["metrics"], rows=(counts([600.0] * 180 + [0.0] * 60, "requests", "front"),))}

    assert "front" not in dict(judged(question=late, seen=seen).not_seen)
    assert "front" in dict(judged(question=late, seen=pieces()).not_seen)


def test_an_entrance_that_nothing_can_measure_is_not_healthy() -> None:
    flows = ServiceMap((replace(SHOP["front"], id="net/front/1"), *SHOP.components[1:]))
    found = judged(scene=replace(SCENE, service_map=flows))

    assert found.verdict == "insufficient_evidence"
    assert "CloudWatch has no errors of its kind" in dict(found.not_seen)["front"]


def test_a_symptom_that_no_rule_explains_is_a_suspect_that_says_so() -> None:
    found = judged(sign("front", "errors-up"), sign("api", "deployed"))

    assert suspects(found) == [("unexplained", "front", "low")]
    assert found.severity_id == 3
    assert found.suspects[0].next_steps


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


def test_a_deployment_alone_accuses_nobody() -> None:
    found = judged(sign("front", "errors-up"), sign("api", "deployed"), sign("elsewhere", "deployed"))

    assert [cause for cause, _resource, _confidence in suspects(found)] == ["unexplained"]


def test_what_the_alarmed_do_not_call_is_not_suspected_and_yet_said() -> None:
    found = judged(sign("front", "errors-up"), sign("api", "new-errors"), sign("elsewhere", "cpu-high", text="95 %"))

    assert suspects(found) == [("application-error", "api", "high")]
    assert "Noticed elsewhere: elsewhere: cpu-high 95 %" in found.summary


def test_the_onset_is_that_of_what_users_feel() -> None:
    """A function that failed earlier, and that no request came through, does not make the cause look late."""
    early = Component("report", "lambda_function", "report")
    scene = Scene("shop", ServiceMap((*SHOP.components, early)), WINDOW, BASELINE, WINDOW.end, InvestigationLimits())
    signs = [sign("report", "errors-up", 1), sign("front", "errors-up", 30), sign("api", "new-errors", 30)]
    found = judged(*signs, scene=scene)

    assert suspects(found)[0] == ("application-error", "api", "high")


def test_needed_evidence_that_was_not_collected_is_named() -> None:
    found = judged(question=QUESTIONS["service-unavailable"], seen={})

    assert found.verdict == "insufficient_evidence"
    assert ("endpoints", "it was not collected") in found.not_seen


def test_a_question_about_what_the_system_has_not_is_not_answered() -> None:
    found = judged(question=QUESTIONS["redis-health"])

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

    assert judged(seen=silent).verdict == verdict


OUTAGE = QUESTIONS["service-unavailable"]
NEEDED = (
    "endpoints", "names", "certificates", "load balancers", "targets", "ECS services", "database sessions", "providers",
    "lines of trouble", "cache",
)


def seen_whole(**gaps: str) -> dict[str, Piece[Any]]:
    """All that an outage is judged by, whole but for these gaps by piece (blanks as underscores)."""
    told = {name.replace("_", " "): reason for name, reason in gaps.items()}
    seen = {name: Piece[Any](name, "x", "q", None, (), _coverage(name, told.get(name, ""))) for name in NEEDED}
    return {**pieces(), **seen}


def _coverage(name: str, reason: str) -> Coverage:
    gaps = (Gap(name, reason),) if reason else ()
    return Coverage(left_out=gaps) if reason.startswith("not declared") else Coverage((name,), gaps)


@pytest.mark.parametrize(("gaps", "verdict"), [
    pytest.param({}, "nothing_wrong", id="all seen"),
    pytest.param({"ECS_services": "denied"}, "insufficient_evidence", id="tasks denied"),
    pytest.param({"load_balancers": "throttled"}, "insufficient_evidence", id="load balancers throttled"),
    pytest.param({"database_sessions": "not declared: no login"}, "insufficient_evidence", id="a database not looked at"),
    pytest.param({"cache": "not declared: no login"}, "nothing_wrong", id="no cache on the map"),
    pytest.param({"certificates": "not declared: no https"}, "nothing_wrong", id="a system without certificates"),
])
def test_health_takes_all_that_its_absence_would_show_in(gaps: dict[str, str], verdict: str) -> None:
    assert judged(question=OUTAGE, seen=seen_whole(**gaps)).verdict == verdict


def test_what_shows_the_present_is_no_evidence_of_yesterday() -> None:
    past = replace(SCENE, now=WINDOW.end + timedelta(hours=9))
    found = judged(scene=past, question=OUTAGE, seen=seen_whole())

    assert found.verdict == "insufficient_evidence"
    assert "shows the present only" in dict(found.not_seen)["ECS services"]


def test_a_state_that_may_be_old_is_no_proof() -> None:
    found = judged(sign("front", "errors-up"), sign("postgres", "slow-statements", None))

    assert suspects(found) == [("slow-query", "postgres", "medium")]
