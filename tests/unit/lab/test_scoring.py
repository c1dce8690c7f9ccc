"""Scoring: right, its rank, a false alarm, an incident that was missed, evidence that was not there, runs that failed."""

from __future__ import annotations

import json
import subprocess

import pytest

from lab.scenario.model import INSUFFICIENT, NOTHING_WRONG, SUSPECTS, Label, Scenario
from lab.scenario.scoring import Result, as_data, counts_of, line_of, result_of, table_of

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
    (result(scenario(), NOTHING_WRONG), None, False, "MISSED"),
    (result(scenario(), INSUFFICIENT), None, False, "wrong"),
    (result(QUIET, NOTHING_WRONG), None, True, "right"),
    (result(QUIET, SUSPECTS, OTHER), None, False, "FALSE ALARM"),
    (result(QUIET, INSUFFICIENT), None, False, "wrong"),
    (result(BLIND, INSUFFICIENT), None, True, "right"),
    (result(QUIET, "failed"), None, False, "failed"),
    (result(BLIND, NOTHING_WRONG), None, False, "GREEN, BLIND"),
    (result(BLIND, SUSPECTS, OTHER), None, False, "wrong"),
    (result(scenario(), "kernel_died"), None, False, "failed"),
])
def test_a_result_is_held_against_its_label(given: Result, rank: int | None, right: bool, mark: str) -> None:
    assert (given.rank, given.right) == (rank, right)
    assert line_of(given).startswith(mark)


def test_the_table_counts_incidents_and_controls_apart() -> None:
    results = [result(scenario(), SUSPECTS, RIGHT), result(scenario(), SUSPECTS, OTHER, OTHER, RIGHT),
               result(scenario(), SUSPECTS, OTHER, OTHER, OTHER, RIGHT), result(scenario(), NOTHING_WRONG),
               result(QUIET, SUSPECTS, OTHER), result(QUIET, NOTHING_WRONG), result(QUIET, INSUFFICIENT),
               result(QUIET, "kernel_died"), result(BLIND, INSUFFICIENT), result(BLIND, NOTHING_WRONG),
               result(BLIND, "timed_out")]

    assert counts_of(results) == {
        "incidents": 4, "top1": 1, "top3": 2, "missed": 1, "quiet": 4, "quiet_right": 1, "false_alarms": 1, "blind": 3,
        "said_so": 1, "green_though_blind": 1, "failed": 2}
    assert table_of(results)[-1].split() == ["all", "4", "1", "2", "1", "4", "1", "1", "3", "1", "1", "2"]


def test_the_table_is_not_wider_than_a_terminal_and_its_heads_stand_over_their_numbers() -> None:
    heads, row, _ = table_of([result(scenario(), SUSPECTS, RIGHT)])[1:]

    assert len(heads) == len(row) <= 120
    ends = [heads.index(head) + len(head) for head in ("incidents", "top-3", "missed", "false alarms", "green though blind")]
    assert [row[end - 2:end] for end in ends] == [" 1", " 1", " 0", " 0", " 0"]


def test_results_as_data_say_what_kind_of_wrong_they_are() -> None:
    kinds = ("false_alarm", "missed", "green_though_blind", "failed")
    given = [result(QUIET, SUSPECTS, OTHER), result(scenario(), NOTHING_WRONG), result(BLIND, NOTHING_WRONG),
             result(QUIET, "failed")]

    assert [[kind for kind in kinds if as_data(one)[kind]] for one in given] == [[kind] for kind in kinds]


@pytest.mark.parametrize(("stdout", "stderr", "verdict"), [
    (json.dumps({"status": "failed", "findings": None}), "", "failed"),
    ("", "Traceback\n  ValueError: no kernel", "ended with 3: Traceback ValueError: no kernel"),
    ("[]", "", "ended with 3: nothing that can be read"),
    ("{}", "", "ended with 3: nothing that can be read"),
])
def test_a_run_that_does_not_conclude_is_a_result_that_failed(stdout: str, stderr: str, verdict: str) -> None:
    found = result_of(QUIET, "high-latency", subprocess.CompletedProcess([], 3, stdout, stderr), 2.0)

    assert (found.verdict, found.failed, found.right) == (verdict, True, False)


def test_what_a_run_concludes_is_read_with_its_suspects_in_order() -> None:
    suspects = [{"cause": cause, "resource": resource} for cause, resource in (OTHER, RIGHT)]
    said = json.dumps({"status": "finished", "findings": {"verdict": SUSPECTS, "suspects": suspects}})

    found = result_of(scenario(), "high-latency", subprocess.CompletedProcess([], 0, said, ""), 2.0)
    assert (found.verdict, found.suspects, found.rank, found.failed) == (SUSPECTS, (OTHER, RIGHT), 2, False)
