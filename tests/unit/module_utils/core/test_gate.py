"""A gate opens only if every check was made and each of them is healthy."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.gate import judge


def seen(verdict: str | None, ok: bool | None = True, missing: tuple[str, ...] = ()) -> dict[str, Any]:
    result: dict[str, Any] = {
        "evidence": [{"check": "state", "resource": "db", "expected": "up", "actual": "?", "ok": ok}],
        "coverage": {"missing": [{"resource": name, "reason": "AccessDenied"} for name in missing]}}
    return {**result, "verdict": verdict} if verdict else result


HEALTHY, UNHEALTHY = seen("healthy"), seen("unhealthy", ok=False)
WORKED = {"changed": True, "plan_digest": "0" * 64}
SKIPPED = {"skipped": True, "skip_reason": "Conditional result was False"}


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        pytest.param({"a": HEALTHY, "b": HEALTHY}, "healthy", id="all_healthy"),
        pytest.param({"a": HEALTHY, "b": UNHEALTHY}, "unhealthy", id="one_unhealthy"),
        pytest.param({"a": HEALTHY, "b": seen("unknown", None)}, "unknown", id="one_unknown"),
        pytest.param({"a": seen("unknown", None), "b": UNHEALTHY}, "unhealthy", id="a_fault_outweighs_a_doubt"),
        pytest.param({"a": HEALTHY, "b": SKIPPED}, "healthy", id="what_is_not_declared_does_not_count"),
        pytest.param({"a": SKIPPED}, "unknown", id="all_skipped_is_not_healthy"),
        pytest.param({}, "unknown", id="no_check_is_not_healthy"),
        pytest.param({"a": {"failed": True, "msg": "boom"}}, "unknown", id="a_failed_check_is_unknown"),
        pytest.param({"a": {**HEALTHY, "failed": True}}, "unknown", id="a_failed_check_is_unknown_whatever_it_says"),
        pytest.param({"a": {"changed": False}}, "unknown", id="no_verdict"),
        pytest.param({"a": HEALTHY, "b": WORKED}, "healthy", id="work_that_was_done"),
        pytest.param({"a": HEALTHY, "b": {**WORKED, "msg": "one failed"}}, "unhealthy", id="work_that_failed_in_part"),
        pytest.param({"a": HEALTHY, "b": {"msg": "refused"}}, "unknown", id="work_that_was_refused"),
        pytest.param({"a": {**WORKED, "verdict": "unhealthy"}}, "unhealthy", id="work_that_tells_a_verdict_of_its_own"),
        pytest.param({"a": seen("fine")}, "unknown", id="a_word_that_is_no_verdict"),
        pytest.param({"a": {"results": [HEALTHY]}}, "unknown", id="a_loop_has_no_verdict_of_its_own"),
        pytest.param({"a": seen("healthy", ok=False)}, "unknown", id="its_own_evidence_contradicts_it"),
        pytest.param({"a": seen("healthy", missing=("table:b",))}, "unknown", id="its_own_coverage_contradicts_it"),
        pytest.param({"a": ""}, "unknown", id="no_result_at_all"),
        pytest.param({"a": None}, "unknown", id="null_for_a_result"),
    ],
)
def test_judges(checks: dict[str, Any], verdict: str) -> None:
    assert judge(checks).verdict == verdict


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        pytest.param(UNHEALTHY, "DB: db: state: ? (expected: up)", id="evidence"),
        pytest.param(seen("unknown", None), "DB: db: state: ? (expected: up)", id="what_could_not_be_told"),
        pytest.param(seen("unknown", missing=("table:b",)), "DB: table:b: not seen (AccessDenied)", id="gap"),
        pytest.param({"failed": True, "msg": "boom"}, "DB: the check itself failed: boom", id="failure"),
        pytest.param({"failed": True}, "DB: the check itself failed: no message", id="failure_without_words"),
        pytest.param({}, "DB: nothing was seen", id="nothing"),
        pytest.param({"evidence": [], "coverage": None}, "DB: nothing was seen", id="no_evidence"),
    ],
)
def test_names_each_fault_on_its_resource(result: dict[str, Any], fault: str) -> None:
    assert judge({"DB": result}).faults == (fault,)


def test_has_a_line_for_every_check() -> None:
    judgement = judge({"DB": HEALTHY, "DNS": SKIPPED, "Web": UNHEALTHY})

    assert judgement.lines == ("DB: healthy", "DNS: not declared", "Web: unhealthy")


def test_a_healthy_gate_names_no_fault() -> None:
    assert judge({"DB": HEALTHY}).faults == ()
