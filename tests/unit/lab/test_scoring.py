"""Scoring: right, its rank, a false alarm, and evidence that was not there."""

from __future__ import annotations

import pytest

from lab.scenario.model import INSUFFICIENT, NOTHING_WRONG, SUSPECTS, Label, Scenario
from lab.scenario.scoring import Result, counts_of, line_of, table_of

CAUSE = Label("table-throttled", "orders")


def scenario(verdict: str = SUSPECTS, cause: Label | None = CAUSE) -> Scenario:
    return Scenario("one", "commerce", "One", "story", verdict, ("high-error-rate",), 600.0, cause,
                    (Label("hot-partition", "orders"),) if cause else ())


QUIET, BLIND = scenario(NOTHING_WRONG, None), scenario(INSUFFICIENT, None)


def result(of: Scenario, verdict: str, *suspects: tuple[str, str]) -> Result:
    return Result(of, "high-error-rate", verdict, suspects, 1.0)


RIGHT, OTHER = ("table-throttled", "orders"), ("application-error", "api")


@pytest.mark.parametrize(("given", "rank", "right", "mark"), [
    (result(scenario(), SUSPECTS, RIGHT), 1, True, "right"),
    (result(scenario(), SUSPECTS, ("hot-partition", "orders"), OTHER), 1, True, "right"),
    (result(scenario(), SUSPECTS, OTHER, RIGHT), 2, False, "rank 2"),
    (result(scenario(), SUSPECTS, ("table-throttled", "api")), None, False, "wrong"),
    (result(scenario(), NOTHING_WRONG), None, False, "wrong"),
    (result(QUIET, NOTHING_WRONG), None, True, "right"),
    (result(QUIET, SUSPECTS, OTHER), None, False, "FALSE ALARM"),
    (result(QUIET, INSUFFICIENT), None, False, "wrong"),
    (result(BLIND, INSUFFICIENT), None, True, "right"),
    (result(BLIND, NOTHING_WRONG), None, False, "wrong"),
    (result(scenario(), "kernel_died"), None, False, "wrong"),
])
def test_a_result_is_held_against_its_label(given: Result, rank: int | None, right: bool, mark: str) -> None:
    assert (given.rank, given.right) == (rank, right)
    assert line_of(given).startswith(mark)


def test_the_table_counts_incidents_and_controls_apart() -> None:
    results = [result(scenario(), SUSPECTS, RIGHT), result(scenario(), SUSPECTS, OTHER, OTHER, RIGHT),
               result(scenario(), SUSPECTS, OTHER, OTHER, OTHER, RIGHT), result(QUIET, SUSPECTS, OTHER),
               result(QUIET, NOTHING_WRONG), result(BLIND, INSUFFICIENT)]

    assert counts_of(results) == {
        "incidents": 3, "top1": 1, "top3": 2, "quiet": 2, "false_alarms": 1, "blind": 1, "said_so": 1}
    assert table_of(results)[-1].split() == ["all", "3", "1", "2", "2", "1", "1", "1"]
