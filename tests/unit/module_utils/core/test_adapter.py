"""The one place that knows AnsibleModule: what a task gets back, and that no secret is ever part of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils import _internal as core_internal
from ansible.module_utils._internal import _traceback
from ansible.module_utils.common import warnings

from ansible_collections.opsbook.runbooks.plugins.module_utils.core import adapter
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.adapter import (
    run_gate,
    run_operation,
    run_reading,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import Change, Plan
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import (
    Denied,
    MissingLibrary,
    OperationError,
    Refused,
    Skipped,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.evidence import Evidence
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.gate import judge
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.operation import Operation, Reading, Recovery
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, max_affected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.journal import Journal, read_journal
from tests.support.modules import MODULES, run_module
from tests.support.toys import NOW, Switches, change

OPTIONS: tuple[Mapping[str, Any], ...] = (
    LIMITS, WAIT, max_affected("50%"), {"password": {"type": "str", "no_log": True}})
CHANGING_KEYS = {"changed", "changes", "kept", "plan_digest", "evidence", "coverage", "failed_resources"}
CANARY = "canary-4711"
# As a private key: what it looks like in quotes is not what it is.
KEY = "-----BEGIN KEY-----\ncanary-4711\n-----END KEY-----"

Making = Callable[[Mapping[str, Any], Run], Operation[Any]]
RunToy = Callable[..., dict[str, Any]]


@pytest.fixture
def run_toy(monkeypatch: pytest.MonkeyPatch) -> RunToy:
    """Run a function that ends a module as a module of ours."""

    def run(main: Callable[[], None], arguments: dict[str, Any] | None = None, **modes: bool) -> dict[str, Any]:
        monkeypatch.setitem(sys.modules, f"{MODULES}.toy", SimpleNamespace(main=main))
        # What other tests leave in the process: their warnings, and that it may be a controller.
        warnings._global_warnings.clear()
        monkeypatch.setattr(core_internal, "is_controller", False)
        monkeypatch.setattr(_traceback, "_is_traceback_enabled", lambda event: True)
        return run_module("toy", arguments or {}, **modes)

    return run


def changing(make: Making, **more: Any) -> Callable[[], None]:
    return lambda: run_operation(OPTIONS, make, **more)


def switching(switches: Switches, **replaced: Any) -> Callable[[], None]:
    return changing(lambda options, run: switches.operation(**replaced))


def raising(error: BaseException) -> Callable[..., Any]:
    def step(*arguments: object) -> Any:
        raise error

    return step


def test_a_changing_module_returns_every_documented_key(run_toy: RunToy) -> None:
    result = run_toy(switching(Switches("a")))

    assert set(result) == {*CHANGING_KEYS, "switches"}
    assert result["changed"] is True
    assert set(result["changes"][0]) == {"resource", "action", "before", "after", "summary", "undo", "applied"}


def test_check_mode_returns_the_plan_and_diff_shows_it(run_toy: RunToy) -> None:
    switches = Switches("a")
    result = run_toy(switching(switches), check_mode=True, diff=True)

    assert switches.applied == []
    assert set(result) == {*CHANGING_KEYS, "switches", "diff"}
    assert result["changed"] is True


def test_a_failed_change_returns_the_whole_result_too(run_toy: RunToy) -> None:
    switches = Switches("ab", lambda wanted: None if wanted.resource == "switch:b" else raising(
        Denied("turn on", "switch:a", "AccessDenied"))())
    result = run_toy(switching(switches), {"max_affected": "100%"})

    assert result["failed"] is True
    assert result["changed"] is True
    assert set(result) >= CHANGING_KEYS
    assert result["failed_resources"] == [{"resource": "switch:a", "reason": "Could not turn on (switch:a): AccessDenied."}]
    assert "switch:a: Could not turn on (switch:a): AccessDenied" in result["msg"]
    assert "1 of 2 changes were made." in result["msg"]


def test_the_message_tells_what_verification_saw_and_what_was_done_about_it(run_toy: RunToy) -> None:
    result = run_toy(switching(
        Switches("a"), verify=lambda collected, plan: [Evidence("state", "switch:a", "on", "off", False)],
        recover=lambda plan, evidence: Recovery("Everything was put back")))

    assert result["msg"].startswith(
        "switch:a: state: off (expected: on); Everything was put back. 1 of 1 changes were made.")
    assert result["recovery"] == "Everything was put back"


def test_what_is_tolerated_is_a_warning_and_no_failure(run_toy: RunToy) -> None:
    switches = Switches("a", raising(Denied("turn on", "switch:a", f"AccessDenied {CANARY}")))
    result = run_toy(changing(lambda options, run: switches.operation(), tolerates=lambda options: True),
                     {"password": CANARY})

    assert "failed" not in result
    assert result["changed"] is False
    assert "AccessDenied" in json.dumps(result["warnings"])
    assert CANARY not in json.dumps(result)


@pytest.mark.parametrize(("arguments", "said"), [
    ({"max_affected": "1"}, "max_affected"), ({"protected": ["a"]}, "protected resources are never touched"),
    ({"guard": {"approved_plan": {"changes": []}}}, "differs from the approved plan"),
    ({"guard": {"required": True}}, "has no receipt"),
])
def test_a_refusal_is_a_failure_that_changed_nothing(run_toy: RunToy, arguments: dict[str, Any], said: str) -> None:
    switches = Switches("abcd")
    result = run_toy(switching(switches), {"max_affected": "100%", **arguments})

    assert result["failed"] is True
    assert said in result["msg"]
    assert switches.applied == []
    assert "changed" not in result or result["changed"] is False


def test_the_modules_own_limit_holds_when_none_is_given(run_toy: RunToy) -> None:
    assert "max_affected (50%) allows 2 of 4 switches" in run_toy(switching(Switches("abcd")))["msg"]


def test_check_mode_needs_no_receipt(run_toy: RunToy) -> None:
    assert "failed" not in run_toy(switching(Switches("a")), {"guard": {"required": True}}, check_mode=True)


def test_a_loop_does_not_defeat_the_limit(run_toy: RunToy, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal.jsonl")
    Journal(journal, system="commerce").write("run_started")
    guard = {"system": "commerce", "operation": "toy", "journal": journal}
    results = [run_toy(switching(Switches([name])), {"max_affected": "2", "guard": {**guard, "item": name}})
               for name in "abc"]

    assert ["failed" in result for result in results] == [False, False, True]
    assert "3 resources would be affected in this run" in results[2]["msg"]


def test_changes_are_written_to_the_runs_journal_and_none_in_check_mode(run_toy: RunToy, tmp_path: Path) -> None:
    guard = {"system": "commerce", "operation": "toy", "task": "Turn on", "item": "", "journal": str(tmp_path / "journal")}
    (tmp_path / "journal").touch()
    run_toy(switching(Switches("a")), {"guard": guard}, check_mode=True)
    assert read_journal(guard["journal"]) == []
    run_toy(switching(Switches("a")), {"guard": guard})

    assert [(event["event"], event["system"], event["operation"], event["task"])
            for event in read_journal(guard["journal"])] == [
        ("change_started", "commerce", "toy", "Turn on"), ("change_finished", "commerce", "toy", "Turn on")]


@pytest.mark.parametrize(
    ("arguments", "timeout"),
    [
        pytest.param({}, 600.0, id="default"),
        pytest.param({"wait_timeout": 30}, 30.0, id="given"),
        pytest.param({"wait_timeout": 30, "guard": {"task_timeout": 20}}, 18.0, id="ends_before_the_tasks_own"),
        pytest.param({"wait_timeout": 30, "guard": {"task_timeout": 100}}, 30.0, id="the_smaller_one"),
        pytest.param({"guard": {"task_timeout": 1}}, 1.0, id="a_short_task"),
        pytest.param({"wait_timeout": 0}, 0.0, id="none_is_not_ten_minutes"),
    ],
)
def test_the_operation_has_a_deadline(run_toy: RunToy, arguments: dict[str, Any], timeout: float) -> None:
    runs: list[Run] = []

    def make(options: Mapping[str, Any], run: Run) -> Operation[Any]:
        runs.append(run)
        return Switches("").operation()

    run_toy(changing(make), arguments)

    assert runs[0].timeout == timeout


def test_a_library_that_is_not_there_is_asked_for_as_ansible_does(run_toy: RunToy) -> None:
    result = run_toy(changing(raising(MissingLibrary("boto3", "https://pypi.org/project/boto3/"))))

    assert result["failed"] is True
    assert "Failed to import the required Python library (boto3)" in result["msg"]
    assert "https://pypi.org/project/boto3/" in result["msg"]


def test_what_is_skipped_returns_every_key_empty(run_toy: RunToy) -> None:
    result = run_toy(changing(raising(Skipped("run terraform", "terraform", f"it is not installed {CANARY}"))),
                     {"password": CANARY})

    assert {*CHANGING_KEYS, "skipped", "msg", "warnings"} == set(result)
    assert (result["skipped"], result["changed"], result["changes"]) == (True, False, [])
    assert CANARY not in json.dumps(result)


def test_a_defect_is_said_to_be_one(run_toy: RunToy) -> None:
    result = run_toy(switching(Switches("a"), collect=raising(ZeroDivisionError("by zero"))))

    assert result["failed"] is True
    assert result["msg"] == "Unexpected ZeroDivisionError: by zero. This is a defect of the module."
    assert "ZeroDivisionError" in result["exception"]


@pytest.mark.parametrize("secret", [CANARY, KEY, "quote\"d'canary-4711", "back\\slash-canary-4711", "zürich-canary-4711"],
                         ids=["plain", "several_lines", "quotes", "backslash", "umlaut"])
class TestSecrets:
    """A module has a secret parameter, and the system it talks to repeats it."""

    def assert_gone(self, text: str) -> None:
        assert text
        assert "canary-4711" not in text

    @pytest.mark.parametrize("error", [
        lambda secret: OperationError("log in", "db", f"wrong password {secret}", f"Not {secret}."),
        lambda secret: Refused("log in", f"postgres://me:{secret}@db", "no"),
        lambda secret: OperationError("log in", "db", "no", details={"tried": [{"with": {"deep": [secret]}}]}),
        lambda secret: OSError(f"cannot open {secret}"),
        lambda secret: KeyError(secret),
        lambda secret: ValueError({"password": secret}),
    ], ids=["reason", "resource", "details", "exception", "key_error", "value_error"])
    @pytest.mark.parametrize("step", ["collect", "plan"])
    def test_not_in_errors(self, run_toy: RunToy, secret: str, error: Callable[[str], Exception], step: str) -> None:
        result = run_toy(switching(Switches("a"), **{step: raising(error(secret))}), {"password": secret})

        assert result["failed"] is True
        self.assert_gone(json.dumps(result, ensure_ascii=False))

    def test_not_in_the_traceback_nor_in_its_causes(self, run_toy: RunToy, secret: str) -> None:
        def collect() -> Any:
            try:
                raise OSError(f"login {secret}")
            except OSError as error:
                raise Denied("log in", "db", "no") from error

        result = run_toy(switching(Switches("a"), collect=collect), {"password": secret})

        assert "OSError" in result["exception"]
        self.assert_gone(json.dumps(result, ensure_ascii=False))

    def test_not_in_what_could_not_be_applied(self, run_toy: RunToy, secret: str) -> None:
        switches = Switches("a", raising(Denied("turn on", "switch:a", f"login {secret}")))

        self.assert_gone(json.dumps(run_toy(switching(switches), {"password": secret}), ensure_ascii=False))

    def test_not_in_what_verification_saw(self, run_toy: RunToy, secret: str) -> None:
        result = run_toy(switching(Switches("a"), verify=lambda collected, plan: [
            Evidence("login", "db", {"with": secret}, [secret], False)]), {"password": secret})

        self.assert_gone(json.dumps(result, ensure_ascii=False))

    def test_not_in_changes_nor_diff(self, run_toy: RunToy, secret: str) -> None:
        leaking = Plan(((change(before={"url": f"x:{secret}@db"}, after=[secret], summary=f"Set {secret}"),),), considered=1)
        result = run_toy(switching(Switches("a"), plan=lambda collected: leaking), {"password": secret},
                         check_mode=True, diff=True)

        self.assert_gone(json.dumps(result, ensure_ascii=False))

    def test_not_in_warnings(self, run_toy: RunToy, secret: str) -> None:
        switches = Switches("a", raising(Denied("turn on", "switch:a", f"login {secret}")))
        result = run_toy(changing(lambda options, run: switches.operation(), tolerates=lambda options: True),
                         {"password": secret})

        self.assert_gone(json.dumps(result["warnings"], ensure_ascii=False))

    def test_not_in_progress(self, run_toy: RunToy, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[str] = []
        monkeypatch.setattr(adapter, "progress_sink", told.append)

        def make(options: Mapping[str, Any], run: Run) -> Operation[Any]:
            run.progress("")
            run.progress(f"waiting for {secret}")
            return Switches("").operation()

        run_toy(changing(make), {"password": secret})

        assert len(told) == 1
        self.assert_gone(told[0])

    def test_not_in_the_journal(self, run_toy: RunToy, secret: str, tmp_path: Path) -> None:
        def on_apply(wanted: Change) -> None:
            if wanted.resource == "switch:b":
                raise Denied("turn on", "switch:b", f"login {secret}")

        journal = tmp_path / "journal.jsonl"
        journal.touch()
        leaking = Plan(((change(before={"url": f"x:{secret}@db"}), change("switch:b")),), considered=2)
        run_toy(switching(Switches("ab", on_apply), plan=lambda collected: leaking),
                {"password": secret, "max_affected": "2", "guard": {"journal": str(journal)}})

        assert [event["event"] for event in read_journal(str(journal))].count("change_started") == 2
        self.assert_gone(json.dumps(read_journal(str(journal)), ensure_ascii=False))


def test_the_receipts_own_secrets_are_not_repeated(run_toy: RunToy) -> None:
    guard = {"token": "canary-token", "store": {"table": "locks", "secret_key": "canary-key"}}
    result = run_toy(switching(Switches("a"), collect=raising(OSError("canary-token, canary-key"))), {"guard": guard})

    assert "canary" not in json.dumps(result)


def reading(collect: Callable[[], Collected[str]]) -> Callable[[], None]:
    steps: Reading[str] = Reading(
        collect, lambda collected: [Evidence("state", "db", "up", collected.state, True)],
        lambda collected: {"state": collected.state})
    return lambda: run_reading([WAIT, {"password": {"type": "str", "no_log": True}}], lambda options, run: steps)


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_reading_reads_in_check_mode_too_and_never_changed(run_toy: RunToy, check_mode: bool) -> None:
    result = run_toy(reading(lambda: Collected("up", NOW, Coverage(("db",)))), check_mode=check_mode)

    assert set(result) == {"state", "changed", "evidence", "coverage", "verdict"}
    assert (result["changed"], result["verdict"]) == (False, "healthy")


def test_a_reading_that_breaks_keeps_the_secret(run_toy: RunToy) -> None:
    result = run_toy(reading(raising(Denied("log in", "db", f"no {CANARY}"))), {"password": CANARY})

    assert result["failed"] is True
    assert CANARY not in json.dumps(result)


HEALTHY = {"verdict": "healthy", "evidence": [], "coverage": {"missing": []}}


def gate() -> None:
    run_gate([{"checks": {"type": "dict"}, "purpose": {"default": "going on"}, "advice": {"default": "Look."}}],
             lambda options: judge(options["checks"]))


def test_a_healthy_gate_opens(run_toy: RunToy) -> None:
    assert run_toy(gate, {"checks": {"DB": HEALTHY}}) == {
        "changed": False, "verdict": "healthy", "lines": ["DB: healthy"], "faults": [],
        "checks": {"DB": "healthy"}}


@pytest.mark.parametrize(("checks", "msg"), [
    ({}, "Not going on: the verdict is unknown. No check was made. Look."),
    ({"DB": {"failed": True, "msg": "boom"}},
     "Not going on: the verdict is unknown. DB: the check itself failed: boom. Look."),
])
def test_any_other_gate_fails_and_says_why(run_toy: RunToy, checks: dict[str, Any], msg: str) -> None:
    result = run_toy(gate, {"checks": checks})

    assert (result["failed"], result["verdict"], result["msg"]) == (True, "unknown", msg)
