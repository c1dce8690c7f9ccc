"""Ways around the guard: each is refused before anything changes, with a message that says what to do."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.labs import ROOT, Lab
from tests.support.playbooks import ANSIBLE_PLAYBOOK, start_playbook
from tests.support.procedures import inventory_with, maintain, procedure
from tests.support.waiting import eventually

FROM_ITS_BEGINNING = "Start the procedure from its beginning, without --start-at-task and without --skip-tags always"
NO_RECEIPT = f"requires the guard (opsbook_require_guard) and this run has no receipt of it. {FROM_ITS_BEGINNING}"
FIRST_CHANGE = "Renew the running tasks of each service"
FUNCTIONS = {"function_names": ["tiktok-commerce-*"]}
READ = {"name": "Read the functions", "opsbook.runbooks.lambda_function_info": FUNCTIONS}
PRUNE = {"name": "Delete old versions", "opsbook.runbooks.lambda_version_prune": FUNCTIONS}
MINE = json.dumps({"opsbook_run": "mine", "opsbook_parameters": {"not_within": "0s", "backup_max_age": "24h"}})


@pytest.mark.parametrize(("arguments", "message"), [
    pytest.param(["--start-at-task", FIRST_CHANGE], FROM_ITS_BEGINNING, id="begun-in-the-middle"),
    pytest.param(["--skip-tags", "always"], FROM_ITS_BEGINNING, id="guard-skipped"),
    pytest.param(["--skip-tags", "always", "-e", MINE], NO_RECEIPT, id="guard-skipped-and-its-facts-forged"),
    pytest.param(["-e", "opsbook_require_guard=false"], "unknown parameters: opsbook_require_guard", id="not-required"),
    pytest.param(["-e", '{"opsbook_lock": {"table": "other"}}'], "unknown parameters: opsbook_lock", id="another-lock"),
    pytest.param(["-e", "not_witin=1h"], "It takes approved_plan, backup_max_age, confirm", id="misspelt-parameter"),
    pytest.param(["-e", "take_over=other-run"], "only an emergency procedure may", id="lock-taken-over"),
])
def test_a_bypass_on_the_command_line_is_refused(
    untouched_lab: Lab, records: Path, arguments: list[str], message: str
) -> None:
    run = maintain(untouched_lab, records, *arguments)
    assert run.status != 0
    assert message in run.said
    assert run.record["status"] == "failed"


def test_tags_do_not_leave_the_guard_out(untouched_lab: Lab, records: Path) -> None:
    run = maintain(untouched_lab, records, "--tags", "nothing-has-this-tag")
    assert run.status == 0
    assert [entry["lock"]["system"] for entry in run.record["guard"]] == ["commerce"]


def test_what_the_inventory_forbids_is_refused_on_each_system(untouched_lab: Lab, records: Path, tmp_path: Path) -> None:
    inventory = inventory_with(
        tmp_path,
        unconfirmed={"opsbook_environment": "production"},
        closed={"maintenance_windows": [{"days": [_weekday(3)], "start": "02:00", "end": "03:00", "timezone": "UTC"}]},
        frozen={"change_freezes": [{"name": "the sale", "start": _date(-1), "end": _date(1)}]},
        foreign={"expected_account_id": "999999999999"})
    run = maintain(untouched_lab, records, "-i", inventory, "--limit", "!commerce")
    said = {task["system"]: task["message"] for task in run.record["tasks"] if task["status"] == "failed"}
    assert run.status != 0
    assert "If you mean it, add -e confirm=unconfirmed" in said["unconfirmed"]
    assert "outside the maintenance window" in said["closed"]
    assert 'Wait for the window, or add -e override_reason="..."' in said["closed"]
    assert "change freeze: the sale" in said["frozen"]
    assert "the credentials belong to account 123456789012, inventory expects 999999999999" in said["foreign"]
    assert run.changing(None) == []


def test_a_declaration_that_cannot_be_resolved_is_refused_and_not_taken_for_absent(
    untouched_lab: Lab, records: Path, tmp_path: Path
) -> None:
    inventory = inventory_with(tmp_path, mistyped={
        "change_freezes": "{{ compny_freezes }}", "company": {}, "sqs_queues": "{{ our_queues + [] }}",
        "protected_log_groups": ["/ecs/*", "{{ company.groups }}"], "expected_account_id": "{{ company.account }}"})
    run = maintain(untouched_lab, records, "-i", inventory, "--limit", "mistyped")
    said = " ".join(task["message"] for task in run.record["tasks"] if task["status"] == "failed")
    assert run.status != 0
    for reason in ("change_freezes: 'compny_freezes' is undefined", "sqs_queues: 'our_queues' is undefined",
                   "protected_log_groups: object of type 'dict' has no attribute 'groups'", "expected_account_id: "):
        assert reason in said
    assert run.calls == []


def test_a_confirmed_run_with_a_reason_goes_on_and_the_reason_is_recorded(
    untouched_lab: Lab, records: Path, tmp_path: Path
) -> None:
    inventory = inventory_with(tmp_path, commerce={
        "opsbook_environment": "production", "change_freezes": [{"name": "the sale", "start": _date(-1), "end": _date(1)}]})
    run = maintain(untouched_lab, records, "-i", inventory, "-e", "confirm=commerce",
                   "-e", '{"override_reason": "the shop is down"}', playbook=procedure(tmp_path, [READ]))
    assert run.status == 0, run.output
    [opened] = run.record["guard"]
    assert opened["overridden"] is True
    assert opened["opening"] == "change freeze: the sale, overridden: the shop is down"
    assert "the shop is down" in (run.folder / "record.html").read_text()


def test_a_procedure_without_the_guard_is_refused_whatever_its_tasks_say(
    untouched_lab: Lab, records: Path, tmp_path: Path
) -> None:
    playbook = procedure(tmp_path, [
        {**PRUNE, "ignore_errors": True},
        {**_told("not required", required=False), "ignore_errors": True},
        _told("a token", token="0" * 32, store={"table": "opsbook-locks"}),
    ], guarded=False)
    run = maintain(untouched_lab, records, playbook=playbook)
    refused = [task["message"] for task in run.record["tasks"] if task["status"] == "failed"]
    assert run.status != 0
    assert len(refused) == 3
    assert all(NO_RECEIPT in message for message in refused)


@pytest.mark.parametrize("variable", ['{"opsbook_require_guard": false}', '{"opsbook_lock": {}}'])
def test_the_command_line_cannot_say_that_no_guard_is_needed(
    untouched_lab: Lab, records: Path, tmp_path: Path, variable: str
) -> None:
    run = maintain(untouched_lab, records, "-e", variable, playbook=procedure(tmp_path, [PRUNE], guarded=False))
    assert run.status != 0
    assert "only the inventory may set them. Leave them out of -e." in run.said


@pytest.mark.parametrize("direct", ["true", "false"])
def test_a_forged_receipt_is_refused(untouched_lab: Lab, records: Path, tmp_path: Path, direct: str) -> None:
    pause = {"name": "Give the test time", "ansible.builtin.pause": {"seconds": 1}}
    process = start_playbook(untouched_lab, procedure(tmp_path, [pause, PRUNE], guarded=False),
                             "-e", f"opsbook_direct={direct}", records=records)
    folder = eventually(lambda: next((place.parent for place in records.glob("*/journal.jsonl")), None))
    forged = {"run": folder.name, "system": "commerce", "token": "0" * 32}
    (folder / ".receipt-commerce.json").write_text(json.dumps(forged))
    output, _none = process.communicate(timeout=60)
    said = " ".join(output.split()).replace("''", "'")
    assert process.returncode != 0
    assert "lease lost: the lock does not carry this run's token. Look at who holds the lock" in said


def test_a_changing_run_without_the_ledger_is_refused(untouched_lab: Lab, records: Path) -> None:
    run = maintain(untouched_lab, records, environment={"ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.timer"})
    assert run.status != 0
    assert "Enable it: callbacks_enabled = opsbook.runbooks.ledger in ansible.cfg" in run.said
    assert run.changing(None) == []


def test_a_module_called_alone_from_the_command_line_is_refused(
    untouched_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSBOOK_LAB_FOLDER", str(untouched_lab.folder))
    arguments = {**FUNCTIONS, **untouched_lab.status["credentials"], "region": "us-east-1",
                 "endpoint_url": untouched_lab.status["endpoints"]["aws"]}
    done = subprocess.run(
        [str(Path(ANSIBLE_PLAYBOOK).with_name("ansible")), "commerce", "-m", "opsbook.runbooks.lambda_version_prune",
         "-a", json.dumps(arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "requires the guard" in " ".join(done.stdout.split())


def _told(name: str, **guard: Any) -> dict[str, Any]:
    """The changing task, told by its author what only the action may tell it."""
    return {"name": name, "opsbook.runbooks.lambda_version_prune": {**FUNCTIONS, "guard": guard}}


def _date(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def _weekday(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%A}".lower()
