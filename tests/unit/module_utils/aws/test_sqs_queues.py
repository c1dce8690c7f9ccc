"""Which limits hold for a queue, and when a queue is right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.listings import Found
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metrics import Metric, Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.sqs_queues import (
    Queue,
    Queues,
    Wanted,
    describe_queues,
    evaluate_queues,
    limits_for,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def queue(visible: int = 0, **rest: Any) -> Queue:
    return Queue("jobs", "https://sqs/1/jobs", visible, **{"in_flight": 0, "delayed": 0, **rest})


def age(*values: float) -> dict[str, Reading]:
    """Ages a minute apart, the newest last."""
    series = {NOW - MINUTE * (len(values) - place): value for place, value in enumerate(values)}
    metric = Metric("age", "AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "jobs"}, "Maximum")
    return {"jobs": Reading(metric, max(values, default=None), len(values), series)}


def answers(state: Queues, *wanted: Wanted, allowed: bool = False) -> list[tuple[str, bool | None]]:
    return [(item.check, item.ok) for item in evaluate_queues(Collected(state, NOW), wanted, allowed)]


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        pytest.param("jobs", 5, id="its_own_name_before_a_pattern"),
        pytest.param("jobs-eu", 7, id="the_first_pattern_that_fits"),
        pytest.param("mails", 9, id="a_later_pattern"),
        pytest.param("MAILS", 9, id="any"),
    ],
)
def test_which_limits_hold(name: str, depth: int) -> None:
    assert limits_for(name, [Wanted("jobs*", 7), Wanted("*", 9), Wanted("jobs", 5)]).maximum_depth == depth


def test_without_an_entry_the_defaults_hold() -> None:
    assert limits_for("jobs", []) == Wanted("jobs", 1000, None)


@pytest.mark.parametrize(
    ("visible", "more", "ok"),
    [
        pytest.param(1000, {}, True, id="as_many_as_may"),
        pytest.param(1001, {}, False, id="one_too_many"),
        pytest.param(0, {"in_flight": 2000, "delayed": 2000}, True, id="only_those_that_wait_count"),
    ],
)
def test_judges_the_depth(visible: int, more: dict[str, int], ok: bool) -> None:
    assert answers(Queues(Found((queue(visible, **more),)))) == [("messages waiting", ok)]


@pytest.mark.parametrize(
    ("visible", "ages", "ok", "seconds"),
    [
        pytest.param(1, age(900), True, 900, id="as_old_as_may_be"),
        pytest.param(1, age(901), False, 901, id="too_old"),
        pytest.param(1, age(5000, 3), True, 3, id="the_newest_point_counts"),
        pytest.param(1, age(), None, None, id="no_point_is_unknown"),
        pytest.param(0, age(), True, 0, id="no_message_has_no_age"),
        pytest.param(0, age(7200), True, 0, id="what_was_published_before_the_last_message_went_does_not_count"),
    ],
)
def test_judges_the_age(visible: int, ages: dict[str, Reading], ok: bool | None, seconds: float | None) -> None:
    state = Queues(Found((queue(visible),)), ages=ages)

    assert answers(state, Wanted("jobs", maximum_age=timedelta(minutes=15)))[1] == ("age of the oldest message", ok)
    assert describe_queues(Collected(state, NOW))["queues"][0]["oldest_age_seconds"] == seconds


def test_an_age_that_could_not_be_read_is_no_evidence() -> None:
    """The coverage says that it is missing."""
    assert answers(Queues(Found((queue(1),))), Wanted("jobs", maximum_age=MINUTE)) == [("messages waiting", True)]


@pytest.mark.parametrize(
    ("dead", "allowed", "check", "ok"),
    [
        pytest.param(0, False, "dead letters", True, id="none"),
        pytest.param(1, False, "dead letters", False, id="one"),
        pytest.param(1, True, "dead letters", True, id="one_that_is_allowed"),
        pytest.param(None, True, "existence", False, id="no_such_queue"),
    ],
)
def test_judges_dead_letters(dead: int | None, allowed: bool, check: str, ok: bool) -> None:
    state = Queues(Found((queue(dead_letter_queue="jobs-dead"),)), {"jobs-dead": dead})

    assert answers(state, allowed=allowed)[1] == (check, ok)


def test_says_whose_dead_letters_they_are() -> None:
    other = Queue("jobs-dead", "https://sqs/1/jobs-dead", 2, 0, 0, dead_letter_for=("jobs", "mails"))
    state = Queues(Found((queue(dead_letter_queue="jobs-dead"), other)), {"jobs-dead": 2})
    [said] = [item for item in evaluate_queues(Collected(state, NOW), []) if item.check == "dead letters"]

    assert (said.resource, said.expected, said.actual) == ("sqs-queue:jobs-dead", "none", "2 of jobs, mails")


def test_what_is_absent_is_a_fault() -> None:
    assert answers(Queues(Found((), ("gone",)))) == [("existence", False)]
