"""The summary fits one screen, whatever happened, and says the worst first."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import build_record
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.summary import summarize
from tests.support.journals import FRONT, begun, ended, finished, gap, planned, play, started, task


def summary(*events: dict[str, Any], front: Any = FRONT, command: dict[str, Any] | None = None) -> str:
    return summarize(build_record([started(command=command or {}), play(front), *events]), "records/r1")


def lines(*events: dict[str, Any], **given: Any) -> list[str]:
    return summary(*events, **given).splitlines()


def test_the_verdict_comes_first_and_the_record_last() -> None:
    said = lines(task(seconds=2.0), task(seconds=1.25), finished())

    # By the clock: tasks of several systems run beside each other.
    assert said[0] == "Weekly maintenance: ended well (60.0 s, run r1)"
    assert said[-1].split() == ["record", "records/r1/record.html"]


@pytest.mark.parametrize(("events", "command", "word"), [
    ([task(), finished()], {}, "ended well"), ([task(status="failed"), finished(True)], {}, "FAILED"),
    ([task()], {}, "was interrupted"), ([task(), finished()], {"check": True}, "was checked, nothing was changed"),
])
def test_says_how_it_ended(events: list[dict[str, Any]], command: dict[str, Any], word: str) -> None:
    assert word in lines(*events, command=command)[0]


def test_names_what_was_changed() -> None:
    said = summary(begun("lambda-version:f:1"), ended("lambda-version:f:1"), begun("lambda-version:f:2"),
                   ended("lambda-version:f:2"), task(changed=True), finished())

    assert "commerce lambda_version_prune: 2 changed (f:1, f:2)" in said
    assert "nothing to change" not in said


@pytest.mark.parametrize(("resource", "said"), [
    ("postgres-table:10.0.0.1:5432/media:public.users", "public.users"),
    ("postgres-database:db:5432/media", "db:5432/media"),
    ("postgres-session:db:5432/media:4711", "4711"), ("secret:a/b", "a/b"), ("log-group:/aws/lambda/x", "/aws/lambda/x"),
])
def test_what_lies_in_a_database_is_named_without_its_server(resource: str, said: str) -> None:
    assert f"1 changed ({said})" in summary(begun(resource), ended(resource), task(), finished())


def test_says_what_was_not_done() -> None:
    assert "1 changed, 1 NOT done (a, b)" in summary(begun("x:a"), ended("x:a"), begun("x:b"), task(), finished(True))


def test_says_that_there_was_nothing_to_change() -> None:
    assert "commerce nothing to change" in summary(task(), finished())


def test_a_killed_runs_changes_are_named_although_no_task_ended() -> None:
    assert "commerce lambda_version_prune: 0 changed, 1 NOT done (f:1)" in summary(begun())


def test_a_check_says_what_would_change_and_where_the_plan_is() -> None:
    said = summary(task(planned=[planned("x:a"), planned("x:b")]), finished(), command={"check": True})

    assert "lambda_version_prune: would change 2 (a, b)" in said
    assert "records/r1/plan.json" in said


def test_names_what_is_not_declared_once_and_apart_from_what_was_left_out() -> None:
    plain = "Conditional result was False"
    said = lines(task("Read the tables", status="skipped", message=plain, undeclared="dynamodb_tables"),
                 task("Read the tables", status="skipped", message=plain, undeclared="dynamodb_tables"),
                 task("Read the queues", status="skipped", message=plain, undeclared="sqs_queues"),
                 task("Read the backups"), task("Read the backups", status="skipped", message=plain),
                 task("Page somebody", status="skipped", message=plain), finished())

    assert [line.strip() for line in said if "not declared" in line] == ["not declared: dynamodb_tables, sqs_queues"]
    assert [line.strip() for line in said if "left out" in line] == ["left out: Page somebody"]


@pytest.mark.parametrize("status", ["failed", "unreachable"])
def test_says_what_failed(status: str) -> None:
    said = summary(task("Deploy", status=status, message="no\nanswer"), finished(True))

    assert "Deploy: no answer" in said


def test_counts_verdicts_and_names_those_that_are_not_healthy() -> None:
    said = summary(task("A", verdict="healthy"), task("B", verdict="healthy"), task("C", verdict="unhealthy"),
                   task("D", verdict="unknown"), finished())

    assert "2 healthy, 1 unhealthy, 1 unknown checks" in said
    assert "C: unhealthy" in said
    assert "D: unknown" in said
    assert "A: healthy" not in said


def test_names_what_was_not_seen() -> None:
    assert "not seen: table:orders: AccessDenied" in summary(task(gaps=[gap()]), finished())


MANY = [task(f"T{number}", f"system{number}", status="failed", message="x " * 500, verdict="unknown", gaps=[gap()] * 9)
        for number in range(40)]


@pytest.mark.parametrize(
    ("events", "front", "command"),
    [
        pytest.param([*MANY, finished(True)], FRONT, {}, id="forty_systems_that_fail"),
        pytest.param([task(gaps=[gap(f"table:{number}") for number in range(500)]), finished()], FRONT, {}, id="many_gaps"),
        pytest.param([begun(f"x:{number}" + "y" * 200) for number in range(500)], FRONT, {}, id="many_changes"),
        pytest.param([task(planned=[planned(f"x:{number}") for number in range(500)]), finished()], FRONT, {"check": True},
                     id="many_planned"),
        pytest.param([task("two\nlines\rand\x0bmore", message="a\nb\x0cc", status="failed"), finished(True)], FRONT, {},
                     id="lines_in_names"),
        pytest.param([task(), finished()], {**FRONT, "title": "Weekly\nmaintenance\n" * 30}, {}, id="lines_in_the_title"),
        pytest.param([task(system="a\nb" * 30), finished()], FRONT, {}, id="lines_in_a_systems_name"),
        pytest.param([task(verdict="unknown\n" * 50), finished()], FRONT, {}, id="lines_in_a_verdict"),
        pytest.param([], FRONT, {}, id="nothing_at_all"),
    ],
)
def test_fits_one_screen(events: list[dict[str, Any]], front: Any, command: dict[str, Any]) -> None:
    said = lines(*events, front=front, command=command)

    assert len(said) <= 22
    assert max(map(len, said)) <= 320
    assert said[-1].split() == ["record", "records/r1/record.html"]


def test_says_how_much_it_left_out() -> None:
    said = lines(task(gaps=[gap(f"table:{number}") for number in range(50)]), finished())

    assert len(said) == 22
    shown = sum("not seen" in line for line in said)
    assert said[-2].strip() == f"... {50 - shown} more lines in the record"


def test_what_failed_is_not_among_what_is_left_out() -> None:
    said = summary(task("Look", "analytics", gaps=[gap(f"table:{number}") for number in range(50)]),
                   task("Deploy", "commerce", status="failed", message="unstable"), finished(True))

    assert "failed: Deploy: unstable" in said


def test_the_terminal_is_not_at_the_mercy_of_a_systems_answer() -> None:
    said = summary(task("Deploy", status="failed", message="\x1b[2J\x1b]0;title\x07 no \x9b31m"), finished(True))

    assert not any(sign in said for sign in "\x1b\x07\x9b")


def test_what_was_done_before_and_is_left_out_later_is_not_called_undeclared() -> None:
    said = summary(task("Read the backups", verdict="healthy"), _skipped("Read the backups"),
                   _skipped("Read the databases", undeclared="rds_instances"), finished())

    assert "not declared: rds_instances\n" in said
    assert "Read the backups" not in said


def test_a_check_of_many_systems_names_each_of_them_and_how_much_would_change() -> None:
    systems = [f"system-{number}" for number in range(6)]
    tasks = [task(name, system, action=f"opsbook.runbooks.{name}", planned=[planned("x:a"), planned("x:b")])
             for system in systems for name in ("one", "two", "three", "four")]
    said = lines(*tasks, finished(), command={"check": True})

    assert [line.split()[0] for line in said if "would change 8 (one 2, two 2, three 2, four 2)" in line] == systems


def _skipped(name: str, **given: Any) -> dict[str, Any]:
    return task(name, status="skipped", message="Conditional result was False", **given)


def test_many_systems_and_a_failure_still_fit_a_screen_without_losing_a_system() -> None:
    systems = [f"system-{number}" for number in range(10)]
    events = [event for system in systems for event in (
        begun("x:a", system=system), ended("x:a", system=system), task(system=system, changed=True),
        *(task(name, system, status="skipped", message="Conditional result was False", undeclared=name)
          for name in ("rds_instances", "sqs_queues")))]
    said = lines(*events, task("Deploy", "system-3", status="failed", message="no answer " * 30), finished(True))

    assert len(said) <= 22
    assert said[1].split()[:3] == ["system-3", "failed:", "Deploy:"]
    assert [line.split()[0] for line in said if "1 changed (lambda_version_prune 1" in line] == systems


def test_a_run_in_which_nothing_was_done_does_not_end_well() -> None:
    assert "Weekly maintenance: nothing was done: no system was chosen" in lines(finished())[0]


def test_a_run_that_changes_nothing_by_its_nature_does_not_say_so() -> None:
    assert "nothing to change" not in summary(task(), finished(), front={**FRONT, "changes": False})


def test_a_reading_run_that_came_to_no_verdict_anywhere_says_unknown() -> None:
    said = summary(task("Guard", status="failed", message="no freeze"), finished(True), front={**FRONT, "changes": False})

    assert "1 unknown" in said
    assert "Guard: no freeze" in said
