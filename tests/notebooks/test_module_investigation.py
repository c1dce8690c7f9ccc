"""The module `investigation`, in real plays: findings as results and facts, failures with their record, no process left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.permit import process_started
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.investigation_run import result_of
from tests.support.labs import ROOT
from tests.support.notebooks import make_notebook
from tests.support.playbooks import ANSIBLE_PLAYBOOK
from tests.support.waiting import eventually

INVENTORY = {"systems": {"hosts": {"shop": {"ansible_connection": "local", "ecs_cluster": "production",
                                            "ansible_python_interpreter": "{{ ansible_playbook_python }}"}}}}
WAITING = "import os, time\nopen(os.environ['MARK'], 'w').write(str(os.getpid()))\ntime.sleep(120)"


def play(tmp_path: Path, *sources: str, direct: bool = True, arguments: tuple[str, ...] = (), **options: Any) -> Any:
    """Start a play of one task and of one that says what it registered."""
    notebook = make_notebook(tmp_path, *sources)
    tasks = [{"name": "Investigate", "opsbook.runbooks.investigation": {"name": str(notebook), "system": "shop", **options},
              "register": "found", "ignore_errors": True},
             {"name": "Say", "ansible.builtin.copy": {"content": "{{ found | to_json }}", "dest": f"{tmp_path}/found.json"},
              "check_mode": False},
             {"name": "Say the facts", "ansible.builtin.copy": {
                 "content": "{{ opsbook_findings.verdict | default('none') }}", "dest": f"{tmp_path}/fact"},
              "check_mode": False, "when": "opsbook_findings is defined"}]
    playbook, inventory = tmp_path / "play.yml", tmp_path / "inventory.yml"
    playbook.write_text(json.dumps([{"hosts": "systems", "gather_facts": False, "tasks": tasks,
                                     "vars": {"opsbook_direct": direct}}]))
    inventory.write_text(json.dumps(INVENTORY))
    return subprocess.Popen(
        [ANSIBLE_PLAYBOOK, "-i", str(inventory), str(playbook), *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        env={**os.environ, "OPSBOOK_RECORD_DIR": str(tmp_path / "records"), "OPSBOOK_SIGNING_KEY": "",
             "MARK": str(tmp_path / "mark"), "ANSIBLE_NOCOLOR": "1"})


def found(tmp_path: Path, *sources: str, **more: Any) -> dict[str, Any]:
    """The registered result of a play that ran to its end."""
    process = play(tmp_path, *sources, **more)
    output, _none = process.communicate(timeout=90)
    assert process.returncode == 0, output
    registered: dict[str, Any] = json.loads((tmp_path / "found.json").read_text())
    return registered


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "ordinary"])
@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["run", "check"])
def test_an_investigation_returns_its_findings(tmp_path: Path, direct: bool, arguments: tuple[str, ...]) -> None:
    result = found(tmp_path, direct=direct, arguments=arguments, parameters={"number": 7})
    record = json.loads((Path(result["record"]) / "record.json").read_text())

    assert (result["changed"], result["failed"], result["status"], result["verdict"]) == (False, False, "ok", "suspects")
    assert result["findings"]["suspects"][0]["cause"] == "table-throttled"
    assert result["next_steps"][0]["command"].startswith("ansible-playbook")
    assert (tmp_path / "fact").read_text() == "suspects"
    assert (record["parameters"]["number"], record["system"]) == (7, "shop")
    assert Path(result["record"]).parent == tmp_path / "records"


def test_one_that_does_not_conclude_fails_the_task_and_names_its_record(tmp_path: Path) -> None:
    result = found(tmp_path, "1 / 0")

    assert result["failed"]
    assert "ZeroDivisionError" in result["msg"]
    assert (Path(result["record"]) / "record.html").exists()


def test_a_verdict_can_fail_the_task(tmp_path: Path) -> None:
    result = found(tmp_path, fail_on=["suspects"])

    assert result["failed"]
    assert "The orders table refuses one write in three" in result["msg"]
    assert result["findings"]["verdict"] == "suspects"


def test_a_refusal_is_the_task_s_message(tmp_path: Path) -> None:
    result = found(tmp_path, parameters={"nubmer": 7})

    assert result["failed"]
    assert result["msg"].startswith("Could not start the investigation (small): unknown parameters: nubmer")


def test_a_timeout_ends_it_and_its_record_says_so(tmp_path: Path) -> None:
    result = found(tmp_path, WAITING, timeout=20)

    assert (result["failed"], result["status"]) == (True, "interrupted")
    assert "SIGTERM" in result["msg"]
    assert (Path(result["record"]) / "attestation.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_does_not_outlive_the_play(tmp_path: Path, number: signal.Signals) -> None:
    process = play(tmp_path, WAITING)
    kernel = int(eventually(lambda: (tmp_path / "mark").exists() and (tmp_path / "mark").read_text(), 60))
    process.send_signal(number)
    process.communicate(timeout=60)
    eventually(lambda: not process_started(kernel))

    (record,) = eventually(lambda: list((tmp_path / "records").glob("*-small-*/record.json")))
    assert json.loads(record.read_text())["status"] == "interrupted"


@pytest.mark.parametrize(("code", "said", "message"), [
    (7, {"status": "failed", "error": "notebook.ipynb still contained the parameter token"}, "its record was withheld"),
    (8, {"status": "ok", "findings": {"verdict": "suspects"}}, "could not be stored whole"),
    (5, {"status": "kernel_died", "error": "the kernel died"}, "did not conclude: the kernel died"),
    (2, {"status": "refused", "error": "Could not find it."}, "Could not find it."),
])
def test_every_exit_but_success_is_a_failure_with_its_reason(code: int, said: dict[str, Any], message: str) -> None:
    result = result_of(said, code)

    assert result["failed"]
    assert message in result["msg"]
