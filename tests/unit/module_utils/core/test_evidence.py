"""A verdict is healthy only where everything was read and everything is right."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.evidence import (
    HEALTHY,
    SAID_LENGTH,
    UNHEALTHY,
    UNKNOWN,
    Evidence,
    in_words,
    verdict_of,
)

WHOLE = Coverage(("service:a",))
HOLED = Coverage(("service:a",), (Gap("service:b", "AccessDenied"),))


@pytest.mark.parametrize(
    ("answers", "coverage", "verdict"),
    [
        pytest.param([True, True], WHOLE, HEALTHY, id="all_right"),
        pytest.param([True, False], WHOLE, UNHEALTHY, id="one_fault"),
        pytest.param([True, None], WHOLE, UNKNOWN, id="one_that_could_not_be_told"),
        pytest.param([None, False], WHOLE, UNHEALTHY, id="a_fault_outweighs_a_doubt"),
        pytest.param([True], HOLED, UNKNOWN, id="a_gap_is_never_healthy"),
        pytest.param([False], HOLED, UNHEALTHY, id="a_fault_outweighs_a_gap"),
        pytest.param([], WHOLE, UNKNOWN, id="nothing_looked_at"),
        pytest.param([], HOLED, UNKNOWN, id="nothing_readable"),
    ],
)
def test_judges(answers: list[bool | None], coverage: Coverage, verdict: str) -> None:
    evidence = (Evidence("state", "service:a", "up", "?", ok) for ok in answers)

    assert verdict_of(evidence, coverage) == verdict


def test_evidence_is_plain_data() -> None:
    assert Evidence("state", "service:a", "up", {"tasks": 0}, None).as_dict() == {
        "check": "state", "resource": "service:a", "expected": "up", "actual": {"tasks": 0}, "ok": None}


@pytest.mark.parametrize(("value", "said"), [
    (None, "none"), ("", "none"), ([], "none"), (0, "0"), (False, "False"), ("up", "up"), ([1, "b"], "1; b"),
    ({"state": "Active", "tasks": [1, None]}, "state Active, tasks 1; none"), ((), "none"), ("Zürich", "Zürich"),
])
def test_a_message_says_a_value_without_braces_and_quotes(value: Any, said: str) -> None:
    assert in_words(value) == said


@pytest.mark.parametrize("value", ["x" * 10_000, ["x" * 10_000] * 50, {"a": {"b": "x" * 10_000}}])
def test_a_message_cuts_a_long_value(value: Any) -> None:
    assert len(in_words(value)) <= SAID_LENGTH
