"""terraform_apply with the real program: check, run, run again, and what may go wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.engine import carry_out
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.apply import apply_configuration
from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.project import Wanted
from tests.support.modules import run_module
from tests.support.waiting import eventually

PROGRAM = shutil.which("terraform") or shutil.which("tofu")
CHECKOUT = Path(__file__).parents[3]
ESTATE = CHECKOUT / "lab" / "estate" / "terraform" / "commerce"
CANARY = "canary-51f0c7 with \"quotes\""

real = pytest.mark.skipif(PROGRAM is None, reason="neither terraform nor tofu is on PATH")

Apply = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of the test: it must be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv("TF_WORKSPACE", raising=False)
    return folder


@pytest.fixture
def commerce(tmp_path: Path) -> Path:
    """A copy of the lab's configuration, so that its state lives here."""
    return Path(shutil.copytree(ESTATE, tmp_path / "commerce"))


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """Make a project of one file."""

    def make(text: str) -> Path:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "main.tf").write_text(textwrap.dedent(text))
        return folder

    return make


@pytest.fixture
def apply() -> Apply:
    """Run the module: `apply(folder, check_mode=True, variable_files=[...])`."""

    def run(folder: Path, check_mode: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        return run_module("terraform_apply", {"project_path": str(folder), **options}, check_mode, diff)

    return run


def state(folder: Path) -> dict[str, Any]:
    """Address to attributes, from the state file."""
    path = folder / "terraform.tfstate"
    text = path.read_text() if path.exists() else ""
    found = {}
    # Empty while terraform writes it.
    for resource in json.loads(text)["resources"] if text else ():
        for instance in resource["instances"]:
            index = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
            found[f"{resource['type']}.{resource['name']}{index}"] = instance["attributes"]
    return found


def names(result: dict[str, Any]) -> list[str]:
    return [change["resource"].removeprefix("terraform:") for change in result["changes"]]


@real
def test_check_then_run_then_run_again(commerce: Path, apply: Apply, temporary: Path) -> None:
    before = sorted(path.name for path in commerce.iterdir())
    checked = apply(commerce, check_mode=True, diff=True, variable_files=["production.tfvars"])
    assert checked["changed"] is True
    assert 'terraform_data.ingress_rule["commerce-load-balancer/https"]' in names(checked)
    assert '"from_port": 443' in str(checked["diff"])
    assert sorted(path.name for path in commerce.iterdir()) == before

    done = apply(commerce, variable_files=["production.tfvars"])
    assert done["changed"] is True
    assert done["plan_digest"] == checked["plan_digest"]
    assert all(change["applied"] for change in done["changes"])
    assert [item["ok"] for item in done["evidence"]] == [True]
    # The seed's error: an apply without plan's variables would have left this at its default, no rule at all.
    assert state(commerce)['terraform_data.ingress_rule["commerce-cache/from-services"]']["input"]["value"][
        "to_port"] == 6379

    again = apply(commerce, variable_files=["production.tfvars"])
    assert again["changed"] is False
    assert again["changes"] == []
    assert [item["ok"] for item in again["evidence"]] == [True]
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in commerce.iterdir()) == [*before[:2], "terraform.tfstate", *before[2:]]


@real
def test_refuses_to_destroy_what_is_not_named(commerce: Path, apply: Apply) -> None:
    apply(commerce, variable_files=["production.tfvars"])
    held = state(commerce)
    address = 'terraform_data.ingress_rule["commerce-cache/from-services"]'
    forgotten = {"environment": "production"}

    refused = apply(commerce, variables=forgotten, allow_destroy=[address])
    assert refused["failed"] is True
    assert 'commerce-load-balancer/https"] (delete)' in refused["msg"]
    assert address not in refused["msg"]
    assert state(commerce) == held

    allowed = apply(commerce, variables=forgotten, allow_destroy=["terraform_data.ingress_rule"])
    assert allowed.get("failed", False) is False, allowed
    assert list(state(commerce)) == ["terraform_data.partner_allowlist"]


@real
def test_a_replacement_counts_as_destruction(project: Callable[[str], Path], apply: Apply) -> None:
    text = 'resource "terraform_data" "a" {{\n  triggers_replace = {}\n}}\n'
    apply(project(text.format(1)))
    refused = apply(project(text.format(2)))
    assert "terraform_data.a (replace)" in refused["msg"]
    done = apply(project(text.format(2)), allow_destroy=["terraform_data.a"])
    assert [change["action"] for change in done["changes"]] == ["replace"]
    assert done["changes"][0]["applied"] is True


@real
def test_limits_count_addresses(commerce: Path, apply: Apply) -> None:
    over = apply(commerce, variable_files=["production.tfvars"], max_affected="2")
    assert "max_affected (2) allows 2 of 6 resources of the configuration" in over["msg"]
    protected = apply(commerce, variable_files=["production.tfvars"], protected=["terraform_data.partner_allowlist"])
    assert "protected" in protected["msg"]
    assert state(commerce) == {}


@real
def test_a_mistyped_variable_is_refused(commerce: Path, apply: Apply) -> None:
    result = apply(commerce, variable_files=["production.tfvars"], variables={"ingres_rules": []})
    assert result["failed"] is True
    assert "ingres_rules" in result["msg"]
    assert "does not declare" in result["msg"]


@real
def test_secrets_stay_out_of_results_journal_and_files(
    project: Callable[[str], Path], apply: Apply, temporary: Path, tmp_path: Path
) -> None:
    folder = project("""
        variable "declared" {
          type      = string
          sensitive = true
        }
        variable "plain" { type = string }
        resource "terraform_data" "declared" { input = var.declared }
        resource "terraform_data" "plain" { input = "token ${var.plain}" }
        resource "terraform_data" "fails" {
          depends_on = [terraform_data.plain]
          provisioner "local-exec" { command = "echo '${var.plain}' >&2; exit 3" }
        }
    """)
    journal = tmp_path / "journal.jsonl"
    journal.touch()
    result = apply(folder, secret_variables={"declared": CANARY, "plain": CANARY}, diff=True,
                   guard={"journal": str(journal)})
    assert result["failed"] is True
    assert "failed_resources" in result, result["msg"]
    assert [entry["resource"] for entry in result["failed_resources"]] == ["terraform:terraform_data.fails"]
    assert "provisioner error" in result["msg"]
    assert "change_started" in journal.read_text()
    for text in (json.dumps(result), journal.read_text()):
        assert "canary-51f0c7" not in text
    assert list(temporary.iterdir()) == []


@real
def test_an_apply_that_fails_half_way_names_what_is_done(project: Callable[[str], Path], apply: Apply) -> None:
    folder = project("""
        resource "terraform_data" "first" {}
        resource "terraform_data" "fails" {
          depends_on = [terraform_data.first]
          provisioner "local-exec" { command = "test -e repaired" }
        }
        resource "terraform_data" "last" { depends_on = [terraform_data.fails] }
    """)
    result = apply(folder)
    assert result["failed"] is True
    assert result["changed"] is True
    assert {change["resource"]: change["applied"] for change in result["changes"]} == {
        "terraform:terraform_data.fails": False, "terraform:terraform_data.first": True,
        "terraform:terraform_data.last": False}
    reasons = {entry["resource"]: entry["reason"] for entry in result["failed_resources"]}
    assert "exit status 1" in reasons["terraform:terraform_data.fails"]
    assert "terraform stopped before it" in reasons["terraform:terraform_data.last"]
    assert "1 of 3 changes were made" in result["msg"]
    first = state(folder)["terraform_data.first"]["id"]

    (folder / "repaired").touch()
    again = apply(folder, allow_destroy=["terraform_data.fails"])
    assert again.get("failed", False) is False, again["msg"]
    assert state(folder)["terraform_data.first"]["id"] == first


@real
def test_a_plan_whose_state_has_changed_since_is_not_applied(commerce: Path, tmp_path: Path) -> None:
    wanted = Wanted(str(commerce), variable_files=["production.tfvars"])

    def someone_else(plan: Any) -> None:
        subprocess.run([str(PROGRAM), "apply", "-auto-approve", "-var=environment=production"], cwd=commerce, check=True,
                       capture_output=True, env={**os.environ, "TF_DATA_DIR": str(tmp_path / "other")})

    run = Run(timeout=60)
    report = carry_out(apply_configuration(run, wanted, [], os.environ), run, approve=someone_else)
    assert report.failed
    assert report.applied == []
    assert "Saved plan is stale" in report.failures[0]["reason"]
    assert "look at a new plan" in report.failures[0]["reason"]
    assert list(state(commerce)) == ["terraform_data.partner_allowlist"]


SLOW = """
    resource "terraform_data" "fast" {}
    resource "terraform_data" "slow" {
      depends_on = [terraform_data.fast]
      provisioner "local-exec" { command = "test -e hurry || sleep 30" }
    }
"""


def slow_worker(folder: Path, temporary: Path) -> subprocess.Popen[bytes]:
    """A process that applies the slow project; returns when its terraform is at work."""
    code = ("import json, sys; from tests.support.modules import run_module; "
            "run_module('terraform_apply', json.loads(sys.argv[1]))")
    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps({"project_path": str(folder)})], cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(temporary),
             "PYTHONPATH": os.pathsep.join(map(str, (CHECKOUT, CHECKOUT / "collections")))})
    eventually(lambda: "terraform_data.fast" in state(folder))
    return process


@real
def test_a_held_lock_is_named_and_waited_for(project: Callable[[str], Path], apply: Apply, temporary: Path) -> None:
    folder = project(SLOW)
    holder = slow_worker(folder, temporary)
    try:
        result = apply(folder, lock_timeout=0)
        assert result["failed"] is True
        assert "Error acquiring the state lock" in result["msg"]
        assert "Who:" in result["msg"]
        assert "force-unlock" in result["msg"]
        assert result["changed"] is False
    finally:
        holder.kill()
        holder.wait()
        eventually(lambda: list(temporary.iterdir()) == [])


@real
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_worker_leaves_an_orderly_state_and_no_file(
    project: Callable[[str], Path], apply: Apply, temporary: Path, number: int
) -> None:
    folder = project(SLOW)
    worker = slow_worker(folder, temporary)
    worker.send_signal(number)
    worker.wait(20)
    eventually(lambda: list(temporary.iterdir()) == [], 10)
    assert not (folder / ".terraform.tfstate.lock.info").exists(), "terraform has ended by itself and given its lock back"
    fast = state(folder)["terraform_data.fast"]["id"]

    (folder / "hurry").touch()
    again = apply(folder, allow_destroy=["terraform_data.slow"])
    assert again.get("failed", False) is False, again.get("msg")
    assert names(again) == ["terraform_data.slow"]
    assert state(folder)["terraform_data.fast"]["id"] == fast


@real
def test_a_run_out_of_time_is_stopped_and_tells_what_was_applied(
    project: Callable[[str], Path], apply: Apply, temporary: Path
) -> None:
    started = time.monotonic()
    result = apply(project(SLOW), wait_timeout=3)
    assert time.monotonic() - started < 10
    assert result["failed"] is True
    assert {change["resource"].rpartition(".")[2]: change["applied"] for change in result["changes"]} == {
        "fast": True, "slow": False}
    assert "its time of 3 s passed" in result["msg"] or "provisioner error" in result["msg"]
    assert list(temporary.iterdir()) == []


@real
def test_a_workspace_must_exist(project: Callable[[str], Path], apply: Apply, tmp_path: Path) -> None:
    folder = project('resource "terraform_data" "a" {\n  input = terraform.workspace\n}\n')
    missing = apply(folder, workspace="staging")
    assert missing["failed"] is True
    assert "staging" in missing["msg"]
    assert sorted(path.name for path in folder.iterdir()) == ["main.tf"]

    subprocess.run([str(PROGRAM), "workspace", "new", "staging"], cwd=folder, check=True, capture_output=True,
                   env={**os.environ, "TF_DATA_DIR": str(tmp_path / "other")})
    done = apply(folder, workspace="staging")
    assert done["workspace"] == "staging"
    assert (folder / "terraform.tfstate.d" / "staging" / "terraform.tfstate").exists()
    assert state(folder) == {}


@real
def test_the_workspace_an_operator_selected_in_the_folder_counts(project: Callable[[str], Path], apply: Apply) -> None:
    folder = project('resource "terraform_data" "a" {}\n')
    subprocess.run([str(PROGRAM), "workspace", "new", "blue"], cwd=folder, check=True, capture_output=True)
    assert apply(folder, check_mode=True)["workspace"] == "blue"


@real
def test_initialises_a_backend_without_leaving_anything(
    project: Callable[[str], Path], apply: Apply, tmp_path: Path
) -> None:
    folder = project('terraform {\n  backend "local" {}\n}\nresource "terraform_data" "a" {}\n')
    path = tmp_path / "kept ${elsewhere}.tfstate"
    done = apply(folder, backend_config={"path": str(path)})
    assert done.get("failed", False) is False, done.get("msg")
    assert path.exists()
    assert sorted(entry.name for entry in folder.iterdir()) == ["main.tf"]
    assert apply(folder, backend_config={"path": str(path)})["changed"] is False


@real
def test_never_rewrites_the_dependency_lock_file(project: Callable[[str], Path], apply: Apply, tmp_path: Path) -> None:
    folder = project('terraform {\n  backend "local" {}\n}\nresource "terraform_data" "a" {}\n')
    lock = folder / ".terraform.lock.hcl"
    text = '# kept as it is\nprovider "registry.terraform.io/hashicorp/random" {\n  version = "3.6.0"\n}\n'
    lock.write_text(text)
    result = apply(folder, backend_config={"path": str(tmp_path / "a.tfstate")})
    assert lock.read_text() == text
    assert result["failed"] is True
    assert "the lock file is read-only" in result["msg"]


@real
def test_says_what_terraform_says_of_a_broken_configuration(project: Callable[[str], Path], apply: Apply) -> None:
    result = apply(project('resource "terraform_data" "a" { nonsense = 1 }\n'))
    assert result["failed"] is True
    assert "Unsupported argument" in result["msg"]


@real
def test_output_values_alone_are_a_change(project: Callable[[str], Path], apply: Apply) -> None:
    done = apply(project('output "size" { value = 1 }\n'))
    assert names(done) == ["output values"]
    assert done["changes"][0]["after"] == {"size": 1}
    assert apply(project('output "size" { value = 1 }\n'))["changed"] is False


def test_without_a_program_the_task_is_skipped_and_says_so(
    commerce: Path, apply: Apply, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = apply(commerce)
    assert result["skipped"] is True
    assert result.get("failed", False) is False
    assert result["changed"] is False
    assert result["changes"] == []
    assert "neither terraform nor tofu is on PATH" in result["msg"]
    assert apply(commerce, required=True)["failed"] is True


def test_a_missing_folder_or_file_is_named(commerce: Path, apply: Apply, tmp_path: Path) -> None:
    assert "there is no such folder" in apply(tmp_path / "none")["msg"]
    assert "none.tfvars" in apply(commerce, variable_files=["none.tfvars"])["msg"]


def test_a_program_that_cannot_be_started_is_named(commerce: Path, apply: Apply, tmp_path: Path) -> None:
    program = tmp_path / "terraform"
    program.write_text("no program\n")
    program.chmod(0o755)
    result = apply(commerce, binary_path=str(program))
    assert result["failed"] is True
    assert "Exec format error" in result["msg"]
