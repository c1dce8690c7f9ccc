"""The engine: collect, plan, apply, verify, recover, clean up, in this order and whatever goes wrong."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import Change, Plan
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.engine import carry_out
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import (
    Denied,
    OperationError,
    OutcomeUnknown,
    Refused,
    Stopped,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.evidence import Evidence
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import (
    Operation,
    Outcome,
    Reading,
    Recovery,
    Report,
    read,
    refuse_incomplete,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.journal import Journal, read_journal
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import build_record
from tests.support.toys import NOW, Switches, change

CHANGING_KEYS = {"changed", "changes", "kept", "plan_digest", "evidence", "coverage", "failed_resources"}


class Heard:
    """A journal in memory."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def write(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields.get("resource") or fields["change"]["resource"]))

    def write_all(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        for event, fields in events:
            self.write(event, **fields)


def failing(**errors: BaseException) -> Callable[[Change], None]:
    """Let the switches of these names fail to turn on."""

    def on_apply(wanted: Change) -> None:
        error = errors.get(wanted.resource.partition(":")[2])
        if error is not None:
            raise error

    return on_apply


def denied(name: str) -> OperationError:
    return Denied("turn on", f"switch:{name}", "AccessDenied")


def result_of(report: Report) -> dict[str, Any]:
    return report.as_result(diff=False)


def test_turns_everything_on_and_says_so() -> None:
    switches = Switches("abc")
    result = result_of(carry_out(switches.operation(), Run()))

    assert switches.states == {"a": "on", "b": "on", "c": "on"}
    assert set(result) == {*CHANGING_KEYS, "switches"}
    assert result["changed"] is True
    assert [(made["resource"], made["applied"]) for made in result["changes"]] == [
        ("switch:a", True), ("switch:b", True), ("switch:c", True)]
    assert [item["ok"] for item in result["evidence"]] == [True, True, True]
    assert result["failed_resources"] == []


def test_a_second_run_changes_nothing_and_verifies_still() -> None:
    switches = Switches("ab")
    carry_out(switches.operation(), Run())
    result = result_of(carry_out(switches.operation(), Run()))

    assert sorted(switches.applied) == ["switch:a", "switch:b"]
    assert (result["changed"], result["changes"]) == (False, [])
    assert [item["ok"] for item in result["evidence"]] == [True, True]


def test_check_mode_stops_after_the_plan() -> None:
    journal = Heard()
    switches = Switches("ab")
    operation = switches.operation(verify=lambda collected, plan: pytest.fail("verified in check mode"))
    checked = result_of(carry_out(operation, Run(journal=journal), only_plan=True))

    assert switches.applied == []
    assert journal.events == []
    assert checked["changed"] is True
    assert [made["applied"] for made in checked["changes"]] == [False, False]


def test_check_mode_and_the_run_after_it_have_the_same_digest() -> None:
    switches = Switches("ab")
    checked = carry_out(switches.operation(), Run(), only_plan=True)
    made = carry_out(switches.operation(), Run())

    assert checked.plan.digest == made.plan.digest
    assert result_of(checked)["plan_digest"] == result_of(made)["plan_digest"]


def test_a_diff_is_given_only_when_asked_for() -> None:
    report = carry_out(Switches("a").operation(), Run(), only_plan=True)

    assert "diff" not in report.as_result(diff=False)
    assert [entry["before_header"] for entry in report.as_result(diff=True)["diff"]] == ["switch:a (turn_on)"]


def test_an_empty_report_has_every_key() -> None:
    assert set(result_of(Report())) == CHANGING_KEYS


@pytest.mark.parametrize(
    ("limits", "approved"),
    [
        pytest.param(Limits("1"), True, id="too_many"),
        pytest.param(Limits(protected=("a",)), True, id="protected"),
        pytest.param(Limits(), False, id="not_approved"),
    ],
)
@pytest.mark.parametrize("only_plan", [True, False])
def test_what_is_refused_changes_nothing(limits: Limits, approved: bool, only_plan: bool) -> None:
    def approve(plan: Plan) -> None:
        if not approved:
            raise Refused("apply the plan", "switch:a", "it differs")

    switches, cleaned = Switches("ab"), Heard()
    operation = switches.operation(cleanup=lambda: cleaned.events.append(("cleanup", "")))

    with pytest.raises(Refused):
        carry_out(operation, Run(limits=limits), only_plan, approve)
    assert switches.applied == []
    assert len(cleaned.events) == 1


def test_one_failing_resource_does_not_hide_the_others() -> None:
    switches = Switches("abc", failing(b=denied("b")))
    report = carry_out(switches.operation(), Run())
    result = result_of(report)

    assert report.failed
    assert result["changed"] is True
    assert [(made["resource"], made["applied"]) for made in result["changes"]] == [
        ("switch:a", True), ("switch:b", False), ("switch:c", True)]
    assert result["failed_resources"] == [
        {"resource": "switch:b", "reason": "Could not turn on (switch:b): AccessDenied."}]


def test_nothing_changed_when_nothing_could_be_applied() -> None:
    result = result_of(carry_out(Switches("ab", failing(a=denied("a"), b=denied("b"))).operation(), Run()))

    assert result["changed"] is False
    assert len(result["failed_resources"]) == 2


def two_steps(collected: Collected[Mapping[str, str]]) -> Plan:
    return Plan(((change("switch:a"), change("switch:b")), (change("switch:c"),)), considered=3)


def test_a_step_waits_for_the_whole_step_before() -> None:
    both = threading.Barrier(2, timeout=5)
    switches = Switches("abc", lambda wanted: None if wanted.resource == "switch:c" else (both.wait(), None)[1])
    carry_out(switches.operation(plan=two_steps), Run())

    assert switches.applied[2] == "switch:c"
    assert sorted(switches.applied) == ["switch:a", "switch:b", "switch:c"]


def test_a_step_after_a_failed_one_does_not_begin() -> None:
    switches = Switches("abc", failing(a=denied("a")))
    report = carry_out(switches.operation(plan=two_steps), Run())

    assert switches.applied == ["switch:b"]
    assert [made["applied"] for made in result_of(report)["changes"]] == [False, True, False]


def test_a_resource_that_two_steps_change_is_done_when_both_are() -> None:
    steps = Plan(((change("switch:a", "unlock"),), (change("switch:a", "turn_on"),)), considered=1)

    def on_apply(wanted: Change) -> None:
        if wanted.action == "turn_on":
            raise denied("a")

    report = carry_out(Switches("a", on_apply).operation(plan=lambda collected: steps), Run())

    assert [(made["action"], made["applied"]) for made in result_of(report)["changes"]] == [
        ("unlock", True), ("turn_on", False)]


@pytest.mark.parametrize("error", [
    Stopped("go on", "this run", "lease lost"),
    pytest.param(OperationError("write the run lock", "locks", "AWS did not answer"), id="the_store_is_not_reached"),
])
def test_changes_that_were_not_permitted_are_named_beside_those_made(error: OperationError) -> None:
    asked: list[int] = []

    def permit() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise error

    switches = Switches("abc")
    result = result_of(carry_out(switches.operation(), Run(permit=permit, workers=1)))

    assert switches.applied == ["switch:a"]
    assert result["changed"] is True
    assert [entry["resource"] for entry in result["failed_resources"]] == ["switch:b", "switch:c"]
    assert all(entry["reason"].startswith("not started: ") for entry in result["failed_resources"])


def together(answers: Callable[[Sequence[Change]], Sequence[Outcome | OperationError]], **run: Any) -> dict[str, Any]:
    """Carry out a step of three changes with a tool that makes them in one go."""
    operation = Switches("abc").operation(apply=boom, apply_together=answers, verify=lambda collected, plan: [])
    return result_of(carry_out(operation, Run(**run)))


def test_a_tool_that_makes_all_changes_in_one_go_answers_for_each() -> None:
    journal = Heard()
    result = together(lambda step: [Outcome("a"), denied("b"), Outcome("c")], journal=journal)

    assert [made["applied"] for made in result["changes"]] == [True, False, True]
    assert [entry["resource"] for entry in result["failed_resources"]] == ["switch:b"]
    assert [event for event, _resource in journal.events] == ["change_started"] * 3 + [
        "change_finished", "change_failed", "change_finished"]


def test_changes_that_must_not_happen_at_once_are_made_in_turn() -> None:
    journal = Heard()
    operation = Switches("cab", failing(b=denied("b"))).operation(in_turn=lambda change: change.resource)
    report = carry_out(operation, Run(journal=journal))

    assert journal.events == [
        ("change_started", "switch:a"), ("change_finished", "switch:a"), ("change_started", "switch:b"),
        ("change_failed", "switch:b"), ("change_started", "switch:c"), ("change_finished", "switch:c")]
    assert [entry["resource"] for entry in report.failures] == ["switch:b"]


def test_an_operation_that_cannot_apply_is_a_defect_that_is_found() -> None:
    with pytest.raises(ValueError, match="needs a way"):
        carry_out(Switches("a").operation(apply=None), Run())


def test_a_tool_that_is_not_permitted_to_begin_has_begun_nothing() -> None:
    journal = Heard()
    result = together(lambda step: pytest.fail("begun"), journal=journal, timeout=-1)

    assert journal.events == []
    assert [entry["reason"].startswith("not started: ") for entry in result["failed_resources"]] == [True] * 3


def test_a_tool_that_fails_as_a_whole_fails_every_change() -> None:
    def fails(step: Sequence[Change]) -> Sequence[Outcome | OperationError]:
        raise denied("a")

    assert [entry["resource"] for entry in together(fails)["failed_resources"]] == ["switch:a", "switch:b", "switch:c"]


def test_a_tool_that_does_not_answer_for_every_change_is_a_defect_and_no_success() -> None:
    with pytest.raises(ValueError, match="1 of 3 changes"):
        together(lambda step: [Outcome("a")])


def saying(ok: bool | None) -> Callable[[Collected[Mapping[str, str]], Plan], list[Evidence]]:
    return lambda collected, plan: [Evidence("state", "switch:a", "on", "?", ok)]


@pytest.mark.parametrize(("ok", "failed"), [(True, False), (False, True), (None, True)])
def test_what_could_not_be_verified_is_no_success(ok: bool | None, failed: bool) -> None:
    assert carry_out(Switches("a").operation(verify=saying(ok)), Run()).failed is failed


def test_a_verification_that_fails_to_read_says_so_and_keeps_what_was_done() -> None:
    def unreadable(collected: object, plan: Plan) -> list[Evidence]:
        raise denied("a")

    report = carry_out(Switches("a").operation(verify=unreadable), Run())

    assert report.failed
    assert report.error == "Could not turn on (switch:a): AccessDenied."
    assert result_of(report)["changed"] is True


def test_verification_is_asked_only_about_what_was_carried_out() -> None:
    asked: list[str] = []

    def verify(collected: object, plan: Plan) -> list[Evidence]:
        asked.extend(done.resource for done in plan.changes)
        return []

    carry_out(Switches("ab", failing(a=denied("a"))).operation(verify=verify), Run())

    assert asked == ["switch:b"]


def test_recovers_when_verification_fails() -> None:
    def recover(plan: Plan, evidence: Any) -> Recovery:
        return Recovery(f"put back {len(plan.changes)} because of {len(evidence)}",
                        [Evidence("state", "switch:a", "off", "off", True)])

    report = carry_out(Switches("a").operation(verify=saying(False), recover=recover), Run())

    assert report.failed
    assert result_of(report)["recovery"] == "put back 1 because of 1"
    assert [item.ok for item in report.evidence] == [False, True]


@pytest.mark.parametrize(
    ("timeout", "carried_out"),
    [(600.0, ["switch:a", "switch:c"]), pytest.param(-1.0, [], id="none_was_permitted")],
)
def test_recovery_is_told_only_what_was_carried_out(timeout: float, carried_out: list[str]) -> None:
    """It is asked also when nothing was: the run before may have died between apply and verify."""
    told: list[str] = []

    def recover(plan: Plan, evidence: Any) -> Recovery:
        told.extend(done.resource for done in plan.changes)
        return Recovery("put back")

    switches = Switches("abc", failing(b=denied("b")))
    report = carry_out(switches.operation(verify=saying(False), recover=recover), Run(timeout=timeout))

    assert (told, report.recovery) == (carried_out, "put back")


@pytest.mark.parametrize("only_plan", [True, False])
def test_nothing_is_recovered_when_all_is_well_or_only_checked(only_plan: bool) -> None:
    operation = Switches("a").operation(recover=lambda plan, evidence: pytest.fail("recovered"))

    assert carry_out(operation, Run(), only_plan).recovery == ""


def test_a_recovery_that_fails_is_told_beside_what_it_was_for() -> None:
    def recover(plan: Plan, evidence: Any) -> Recovery:
        raise denied("a")

    report = carry_out(Switches("a").operation(verify=saying(False), recover=recover), Run())

    assert report.recovery == "Recovery failed too: Could not turn on (switch:a): AccessDenied."
    assert [item.ok for item in report.evidence] == [False]


def boom(*arguments: object) -> Any:
    raise ZeroDivisionError("a defect")


@pytest.mark.parametrize(("step", "error"), [
    ("collect", ZeroDivisionError), ("plan", ZeroDivisionError), ("collect", KeyboardInterrupt), ("plan", KeyboardInterrupt),
    ("apply", KeyboardInterrupt), ("verify", KeyboardInterrupt)])
def test_cleans_up_and_stops_the_run_whatever_breaks(step: str, error: type[BaseException]) -> None:
    def breaks(*arguments: object) -> Any:
        raise error

    cleaned: list[str] = []
    run = Run()
    with pytest.raises(error):
        carry_out(Switches("a").operation(**{step: breaks}, cleanup=lambda: cleaned.append("cleanup")), run)

    assert cleaned == ["cleanup"]
    with pytest.raises(Stopped):
        run.may_change()


def test_cleans_up_in_check_mode_too() -> None:
    cleaned: list[str] = []
    carry_out(Switches("a").operation(cleanup=lambda: cleaned.append("cleanup")), Run(), only_plan=True)

    assert cleaned == ["cleanup"]


def cannot_clean() -> None:
    raise OperationError("delete the saved plan", "tfplan", "it is in use")


def test_a_clean_up_that_fails_does_not_hide_what_was_done() -> None:
    report = carry_out(Switches("a").operation(cleanup=cannot_clean), Run())

    assert [made["applied"] for made in result_of(report)["changes"]] == [True]
    assert report.failed
    assert "delete the saved plan" in report.error


def test_a_clean_up_that_fails_does_not_hide_why() -> None:
    with pytest.raises(ZeroDivisionError):
        carry_out(Switches("a").operation(plan=boom, cleanup=cannot_clean), Run())


def test_a_defect_in_one_change_does_not_hide_the_others() -> None:
    result = result_of(carry_out(Switches("ab", failing(b=ZeroDivisionError("a defect"))).operation(), Run(workers=1)))

    assert [(made["resource"], made["applied"]) for made in result["changes"]] == [("switch:a", True), ("switch:b", False)]
    assert "unexpected ZeroDivisionError: a defect" in result["failed_resources"][0]["reason"]


def test_a_defect_in_verification_does_not_keep_a_bad_change() -> None:
    recovered: list[str] = []
    report = carry_out(Switches("a").operation(
        verify=boom, recover=lambda plan, evidence: recovered.append("a") or Recovery("put back")), Run())

    assert recovered == ["a"]
    assert report.failed
    assert "unexpected ZeroDivisionError" in report.error


def test_a_change_whose_answer_was_lost_may_have_been_made() -> None:
    lost = OutcomeUnknown("turn on", "switch:a", "no answer")
    result = result_of(carry_out(Switches("a", failing(a=lost)).operation(), Run()))

    assert result["changed"] is True
    assert result["changes"][0]["applied"] is False


def test_what_could_not_be_read_is_no_success() -> None:
    half = Collected({"a": "on"}, NOW, Coverage(("switch:a",), (Gap("switch:b", "AccessDenied"),)))

    assert carry_out(Switches("a").operation(collect=lambda: half), Run()).failed


def test_every_change_is_written_down_before_and_after() -> None:
    journal = Heard()
    carry_out(Switches("ab", failing(b=denied("b"))).operation(), Run(journal=journal, workers=1))

    assert journal.events == [
        ("change_started", "switch:a"), ("change_finished", "switch:a"),
        ("change_started", "switch:b"), ("change_failed", "switch:b")]


def test_a_change_that_cannot_be_written_down_does_not_happen() -> None:
    class Full:
        def write(self, event: str, **fields: Any) -> None:
            raise OSError("No space left on device")

    switches = Switches("ab")
    with pytest.raises(OSError, match="No space left"):
        carry_out(switches.operation(), Run(journal=Full()))
    assert switches.applied == []


def test_a_change_that_was_not_permitted_is_not_written_down_as_begun() -> None:
    journal = Heard()
    carry_out(Switches("ab").operation(), Run(journal=journal, timeout=-1))

    assert journal.events == []


@pytest.mark.parametrize(
    ("error", "outcome", "undo"),
    [
        pytest.param(denied("a"), "failed", [], id="refused_by_the_system"),
        pytest.param(OutcomeUnknown("turn on", "switch:a", "no answer"), "unknown", ["switch:a"], id="the_answer_was_lost"),
        pytest.param(Stopped("wait", "run", "lease lost"), "unknown", ["switch:a"], id="stopped_in_the_middle"),
        pytest.param(KeyboardInterrupt(), "unknown", ["switch:a"], id="interrupted"),
    ],
)
def test_the_record_tells_a_change_that_failed_from_one_that_nobody_knows_of(
    tmp_path: Path, error: BaseException, outcome: str, undo: list[str]
) -> None:
    path = str(tmp_path / "journal.jsonl")
    with contextlib.suppress(KeyboardInterrupt):
        carry_out(Switches("a", failing(a=error)).operation(), Run(journal=Journal(path, system="commerce")))
    record = build_record(read_journal(path))

    assert [entry["outcome"] for entry in record["changes"]] == [outcome]
    assert [entry["resource"] for entry in record["undo"]] == undo


def reading(coverage: Coverage, ok: bool | None = True) -> Reading[str]:
    return Reading(
        lambda: Collected("up", NOW, coverage),
        lambda collected: [Evidence("state", "db", "up", collected.state, ok)],
        lambda collected: {"state": collected.state})


def test_a_reading_never_changes_anything() -> None:
    assert read(reading(Coverage(("db",)))) == {
        "state": "up", "changed": False, "verdict": "healthy",
        "evidence": [{"check": "state", "resource": "db", "expected": "up", "actual": "up", "ok": True}],
        "coverage": {"complete": True, "read": ["db"], "missing": []}}


def test_a_reading_with_a_gap_is_not_healthy() -> None:
    assert read(reading(Coverage((), (Gap("db", "throttled"),))))["verdict"] == "unknown"


def test_refuses_to_decide_on_what_was_not_read() -> None:
    refuse_incomplete(Coverage(("a",)), "delete versions")

    with pytest.raises(Refused, match=r"delete versions .*b: AccessDenied; c: throttled") as refused:
        refuse_incomplete(Coverage(("a",), (Gap("b", "AccessDenied"), Gap("c", "throttled"))), "delete versions")
    assert "nothing was changed" in refused.value.advice


def test_an_operation_needs_no_more_than_four_steps() -> None:
    switches = Switches("a")
    bare = Operation(switches.collect, switches.plan, switches.apply, switches.verify)

    assert not carry_out(bare, Run()).failed


def test_a_tool_that_makes_all_changes_at_once_answers_for_each() -> None:
    together: list[list[str]] = []

    def apply_together(changes: Sequence[Change]) -> list[Outcome | OperationError]:
        together.append([change.resource for change in changes])
        return [Outcome(changes[0].resource), denied("b")]

    journal = Heard()
    report = carry_out(Switches("ab").operation(apply_together=apply_together), Run(journal=journal))

    assert together == [["switch:a", "switch:b"]]
    assert [made["applied"] for made in result_of(report)["changes"]] == [True, False]
    assert [entry["resource"] for entry in report.failures] == ["switch:b"]
    assert journal.events == [("change_started", "switch:a"), ("change_started", "switch:b"),
                              ("change_finished", "switch:a"), ("change_failed", "switch:b")]


def test_nothing_of_it_begins_without_a_permit() -> None:
    journal = Heard()
    report = carry_out(Switches("ab").operation(apply_together=lambda changes: []), Run(journal=journal, timeout=-1))

    assert journal.events == []
    assert all(entry["reason"].startswith("not started: ") for entry in report.failures)
