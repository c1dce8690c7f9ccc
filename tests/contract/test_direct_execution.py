"""Both ways to run a module are the same: in this worker (direct) and in a process of its own (ordinary).

Real ansible-playbook runs, one for all modules on the lab and one for what a task may ask of Ansible, each task on a
host of either path. Results are compared as core's own encoder keeps them: types, warnings, deprecations and trust in
templates included. Not compared is what the terminal shows.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ansible.release
import pytest
import yaml
from ansible.module_utils import _internal as core_internal
from ansible.module_utils.common import warnings as core_warnings
from ansible.plugins.action import ActionBase

from ansible_collections.opsbook.runbooks.plugins.plugin_utils import direct
from tests.contract.test_inventory import merged
from tests.contract.tree import CONTROLLER_ONLY, MODULES
from tests.support.both_paths import PATHS, BothPaths, other_interpreter, run_both, vaulted, without_library
from tests.support.labs import ROOT, Lab, running_lab

PLAYBOOKS = Path(__file__).with_name("direct_execution")
CANARY = "canary-of-direct-execution"
TEMPLATE = "{{ 1 + 1 }} {{ lookup('pipe', 'id') }}"

FALLS_BACK = {
    "Delegated to a host that is elsewhere",
    "Delegated to a local host with a Python of its own",
    "Another interpreter",
    "Async",
    "Become",
}
TIMED = {"The task's timeout", "Its own deadline, before the task's"}


def tasks_of(playbook: str) -> list[dict[str, Any]]:
    play = yaml.safe_load((PLAYBOOKS / playbook).read_text(encoding="utf-8"))[0]
    return [task for entry in play["tasks"] for task in entry.get("block", [entry])]


def names_of(playbook: str) -> list[str]:
    return [task["name"] for task in tasks_of(playbook)]


@dataclass(frozen=True)
class Runs:
    """All runs of this file, made side by side."""

    folder: Path
    conditions: BothPaths
    every_module: BothPaths
    retention: dict[str, int]
    without_boto3: BothPaths
    asked_for: BothPaths


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("direct")
    with ThreadPoolExecutor() as pool:

        def start(name: str, *arguments: str, **more: Any) -> Future[BothPaths]:
            return pool.submit(run_both, PLAYBOOKS / f"{name}.yml", folder / name, *arguments, **more)

        conditions = start("conditions", **conditions_of(folder))
        with running_lab(folder / "lab", ["commerce", "media"]) as lab:
            every_module = start("every_module", variables=lab_variables(lab))
            without_boto3 = start("without_boto3", environment=without_library(folder / "shim", "boto3", "botocore"))
            asked_for = start("asked_for", "-e", "opsbook_direct=false", asked={"direct": True})
            every_module.result()
            groups = lab.client("logs").describe_log_groups(logGroupNamePrefix="/test/")["logGroups"]
        yield Runs(folder, conditions.result(), every_module.result(),
                   {group["logGroupName"]: group.get("retentionInDays", 0) for group in groups},
                   without_boto3.result(), asked_for.result())


def conditions_of(folder: Path) -> dict[str, Any]:
    """Variables and further hosts of conditions.yml."""
    other, password = other_interpreter(folder / "bin"), folder / "password"
    return {
        "variables": {"canary": CANARY, "vaulted": vaulted(f"vaulted-{CANARY}", password), "other_python": other},
        "hosts": {"neighbour": {}, "elsewhere": {"ansible_connection": "example.toys.elsewhere"},
                  "other_python": {"ansible_python_interpreter": other}},
        "environment": {"ANSIBLE_VAULT_PASSWORD_FILE": str(password)},
    }


def lab_variables(lab: Lab) -> dict[str, Any]:
    """What the inventory says of the commerce system, a log group of each host's own, an alarm that is a template."""
    for path in PATHS:
        lab.client("logs").create_log_group(logGroupName=f"/test/of-{path}")
    lab.client("cloudwatch").put_metric_alarm(
        AlarmName="templated", AlarmDescription=TEMPLATE, Namespace="Test", MetricName="Any", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold")
    return {
        **merged(ROOT / "inventory" / "lab" / "host_vars" / "commerce.yml"), "lab": lab.status, "system": "commerce",
        "opsbook_require_guard": False, "own_log_group": "/test/of-{{ inventory_hostname }}",
        "metrics_end": f"{datetime.now(UTC) - timedelta(minutes=2):%Y-%m-%dT%H:%M:00Z}",
    }


def test_every_module_is_run_both_ways() -> None:
    run = {key.rpartition(".")[2] for task in tasks_of("every_module.yml") for key in task
           if key.startswith("opsbook.runbooks.")}
    assert run == set(MODULES) - CONTROLLER_ONLY


@pytest.mark.parametrize("task", names_of("every_module.yml"))
def test_a_module_gives_the_same_result_both_ways(runs: Runs, task: str) -> None:
    of_each = {path: runs.every_module.comparable(task, path) for path in PATHS}
    if task == "Give log groups a retention policy":
        # Each path has a log group of its own, so each has a plan of its own.
        assert len({entry["result"].pop("plan_digest") for entry in of_each.values()}) == 2
    assert of_each["direct"] == of_each["ordinary"]


def test_a_real_change_is_made_both_ways(runs: Runs) -> None:
    assert runs.retention == {"/test/of-direct": 30, "/test/of-ordinary": 30}
    assert runs.every_module.status == 0


@pytest.mark.parametrize("path", PATHS)
def test_what_a_system_returns_is_no_template(runs: Runs, path: str) -> None:
    assert TEMPLATE in json.dumps(runs.every_module.result("Say what an alarm says", path))
    assert "{{ 1 + 1 }} {% raw %}" in json.dumps(runs.conditions.result("A template that a system returns", path))
    assert "TrustedAsTemplate" not in str(runs.every_module.result("Read the alarms", path))
    assert "TrustedAsTemplate" not in str(runs.conditions.result("Values that are no JSON", path))


@pytest.mark.parametrize("task", [name for name in names_of("conditions.yml") if name not in TIMED])
def test_a_task_gives_the_same_result_both_ways(runs: Runs, task: str) -> None:
    assert runs.conditions.comparable(task, "direct") == runs.conditions.comparable(task, "ordinary")


@pytest.mark.parametrize("task", [task["name"] for task in tasks_of("conditions.yml")
                                  if any(key.endswith("probe") for key in task) and "ignore_errors" not in task
                                  and "no_log" not in task])
def test_a_task_runs_in_the_worker_only_where_that_is_the_same(runs: Runs, task: str) -> None:
    assert runs.conditions.where(task, "direct") == {"process" if task in FALLS_BACK else "worker"}
    assert runs.conditions.where(task, "ordinary") == {"process"}


@pytest.mark.parametrize(
    ("task", "environment"),
    [
        ("Environment of play, block and task", {"PLAY": "play", "BLOCK": "block", "LEVEL": "task", "NUMBER": "7"}),
        ("Environment of play and block", {"PLAY": "play", "BLOCK": "block", "LEVEL": "block", "NUMBER": None}),
        ("Environment of the play", {"PLAY": "play", "BLOCK": None, "LEVEL": "play", "NUMBER": None}),
    ],
)
def test_environment_is_honoured_and_gone_afterwards(runs: Runs, task: str, environment: dict[str, Any]) -> None:
    assert runs.conditions.result(task)["environment"] == environment


def test_check_mode_and_diff_mode_reach_the_module(runs: Runs) -> None:
    asked, not_asked = (runs.conditions.result(name) for name in ("Check mode and diff mode", "A relative path"))
    assert (asked["check_mode"], asked["diff_mode"]) == (True, True)
    assert (not_asked["check_mode"], not_asked["diff_mode"]) == (False, False)


def test_module_defaults_of_module_and_group_reach_the_module(runs: Runs) -> None:
    result = runs.conditions.result("A no_log option, by module_defaults of the group")
    assert result["echo"][0] == "by module_defaults"
    assert result["secret_echo"] == "<********>"


def test_secrets_stay_hidden(runs: Runs) -> None:
    assert runs.conditions.result("A vaulted option")["echo"] == [["a secret: ********"], None]
    assert "censored" in runs.conditions.result("A no_log task")
    assert CANARY not in runs.conditions.output
    assert CANARY not in str(runs.conditions.entries)
    records = [path for path in (runs.folder / "conditions" / "records").rglob("*") if path.is_file()]
    assert records
    assert not [path for path in records if CANARY in path.read_text(encoding="utf-8")]


def test_progress_is_shown_while_a_task_runs_unless_it_hides_itself(runs: Runs) -> None:
    shown = sorted(line.strip() for line in runs.conditions.output.splitlines() if "turning on" in line)
    assert [line for line in shown if line.startswith("Progress")] == [
        f"Progress: turning on switch:{number} with ********" for number in (0, 1)]


def test_an_item_finds_the_process_as_the_first_one_did(runs: Runs) -> None:
    items = runs.conditions.result("A loop over items that spoil their process")["results"]
    seen = [(item["environment"], item["folder"], item["umask"], item["interrupt"]) for item in items]
    after = runs.conditions.result("After the loop")
    assert len(seen) == 2
    assert all(one == (after["environment"], after["folder"], after["umask"], True) for one in seen)
    assert after["environment"] == {"SPOILED": None, "HOME": os.environ.get("HOME")}


def test_until_tries_again(runs: Runs) -> None:
    result = runs.conditions.result("Until")
    assert result["attempts"] == 2
    assert len(result["warnings"]) == 1
    assert result["environment"]["HOME"] == os.environ.get("HOME")


def test_a_warning_is_in_the_result_and_said_once(runs: Runs) -> None:
    result = runs.conditions.result("Warnings")
    assert [len(result["warnings"]), len(result["deprecations"])] == [1, 1]
    assert runs.conditions.output.count("[WARNING]: a once said warning") == 1
    assert runs.conditions.output.count("old a once said warning") == 1


def test_warnings_of_a_loop_do_not_pile_up(runs: Runs) -> None:
    result = runs.conditions.result("A loop over items that spoil their process")
    said = [warning["event"]["msg"] for warning in result["warnings"]]
    assert said == ["of first", "of second"]


def test_a_relative_path_is_relative_to_the_playbook(runs: Runs) -> None:
    assert runs.conditions.result("A relative path")["folder"] == str(PLAYBOOKS)


@pytest.mark.parametrize("path", PATHS)
def test_a_timeout_fails_the_task_and_nothing_new_starts(runs: Runs, path: str) -> None:
    entry = runs.conditions.entry("The task's timeout", path)
    log = runs.folder / "conditions" / f"of-{path}.timeout"
    assert entry["status"] == "failed"
    assert entry["result"]["timedout"]
    assert "began switch:1" not in (log.read_text(encoding="utf-8") if log.exists() else "")


@pytest.mark.parametrize("path", PATHS)
def test_an_operation_ends_itself_before_the_tasks_timeout(runs: Runs, path: str) -> None:
    entry = runs.conditions.entry("Its own deadline, before the task's", path)
    log = (runs.folder / "conditions" / f"of-{path}.deadline").read_text(encoding="utf-8").splitlines()
    began, ended = (sum(line.startswith(word) for line in log) for word in ("began", "ended"))
    assert entry["status"] == "failed"
    assert 0 < began == ended < 30
    if path == "direct":  # on the ordinary path a slow machine may need the time for starting
        assert "its deadline of 1 s passed" in entry["result"]["msg"]
        assert len(entry["result"]["failed_resources"]) == 30 - ended


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("An exception in main", "raised outside of every handler"),
        ("An end without a result", "deserialization failed"),
        ("A return without a result", "did not handle its own exit"),
        ("An option that does not exist", "Unsupported parameters"),
    ],
)
def test_what_goes_wrong_in_a_module_fails_its_task_alone(runs: Runs, task: str, message: str) -> None:
    entry = runs.conditions.entry(task, "direct")
    assert entry["status"] == "failed"
    assert message in str(entry["result"])
    assert runs.conditions.status == 0


@pytest.mark.parametrize("path", PATHS)
def test_without_boto3_only_the_task_fails_and_says_what_to_install(runs: Runs, path: str) -> None:
    run = runs.without_boto3
    assert "Failed to import the required Python library (boto3)" in run.result("Read the functions", path)["msg"]
    assert run.comparable("Read the functions", path) == run.comparable("Read the functions", "ordinary")
    assert run.entry("Go on", path)["status"] == "ok"


def test_the_command_line_can_ask_for_the_ordinary_path(runs: Runs) -> None:
    assert runs.asked_for.where("Where", "direct") == {"process"}


@pytest.mark.parametrize(
    "missing",
    [
        lambda patch: patch.setattr(ansible.release, "__version__", "2.22.0"),
        lambda patch: patch.setattr(ansible.release, "__version__", "3.0.0b1"),
        lambda patch: patch.delattr(core_internal, "is_controller"),
        lambda patch: patch.delattr(core_warnings, "_global_warnings"),
        lambda patch: patch.delattr(ActionBase, "_parse_returned_data"),
        lambda patch: patch.setitem(sys.modules, "ansible.module_utils.testing", None),
        lambda patch: patch.setitem(sys.modules, "ansible.module_utils._internal._ansiballz._loader", None),
    ],
    ids=["next_release", "far_release", "no_side", "no_warnings", "no_parser", "no_arguments", "no_report"],
)
def test_an_unknown_core_has_the_ordinary_path(
    monkeypatch: pytest.MonkeyPatch, missing: Callable[[pytest.MonkeyPatch], None]
) -> None:
    assert loaded_anew().SEAM is True
    with monkeypatch.context() as patch:
        missing(patch)
        assert loaded_anew().SEAM is False


def loaded_anew() -> Any:
    """The module `direct` as it would be on the core of this moment."""
    spec = importlib.util.spec_from_file_location(f"{direct.__name__}_anew", direct.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
