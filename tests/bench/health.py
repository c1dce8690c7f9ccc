"""What the morning health check of all five systems costs: ours, the runbooks' own shell commands, and an empty play."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.bench.estate import Estate
from tests.bench.measure import Cost, Failed, measured
from tests.bench.plays import run_playbook
from tests.bench.report import Table, quotients, ratio, seconds
from tests.bench.shell import AWS_CLI, database_variables, shell_variables
from tests.support.labs import ROOT

SCRIPT = Path(__file__).with_name("morning-health-check.sh")
PLAYBOOK = ROOT / "playbooks" / "morning-health-check.yml"
# A task that does nothing: a play without any is not begun.
EMPTY = [{"name": "Empty", "hosts": "systems", "gather_facts": False, "strategy": "free",
          "tasks": [{"name": "Nothing", "ansible.builtin.meta": "noop"}]}]
ASKED_ABOUT = {
    "AssumeRole": "RoleArn", "DescribeServices": "services", "DescribeTargetHealth": "TargetGroupArn",
    "GetFunctionConfiguration": "FunctionName", "DescribeTable": "TableName", "ListBackups": "TableName",
    "GetQueueAttributes": "QueueUrl", "DescribeDBInstances": None, "DescribeDBSnapshots": "DBInstanceIdentifier",
    "DescribeCacheClusters": None, "ListDistributions": None, "ListObjectsV2": "Prefix", "DescribeAlarms": None,
}
"""What a call is about, by action: the parameter that says it, None for calls about a whole account."""
NOTE = (
    "`playbooks/morning-health-check.yml` with guard, record and verdict over five systems in five accounts, against "
    "`tests/bench/morning-health-check.sh`: the commands of the runbooks one after another, a role assumed once an account. "
    "A run counts only when both find everything healthy and both asked about the same services, functions, targets, "
    "tables, backups, queues, databases, caches, distributions, files and alarms. The script asks for {metrics} metrics, "
    "ours for {ours} series: averages as sums and counts, and the throttling of tables too. The script does not resolve the "
    "systems' names, ours does. The floor is a play over the same systems that does nothing, with the same inventory and "
    "callbacks."
)


@dataclass(frozen=True)
class Run:
    """One run.

    :param asked: what was asked about, as account, action and name
    :param series: metric series asked for
    """

    cost: Cost
    calls: int
    asked: frozenset[tuple[str, str, str]]
    series: int


@dataclass(frozen=True)
class Round:
    """The three ways, one after another."""

    ours: Run
    shell: Run
    floor: Run


def one_round(estate: Estate) -> Round:
    """Run all three.

    :raises Failed: when ours and the shell's did not ask about the same things
    """
    found = Round(_run(estate, _ours), _run(estate, _shell), _run(estate, _floor))
    if found.ours.asked != found.shell.asked:
        ours, shell = sorted(found.ours.asked - found.shell.asked), sorted(found.shell.asked - found.ours.asked)
        raise Failed(f"asked about by ours only: {ours}; by the shell only: {shell}")
    return found


def warm_up(estate: Estate) -> None:
    """Run ours once, and one command of the AWS CLI, so that all libraries are compiled."""
    _ours(estate)
    measured([AWS_CLI / "aws", "sts", "get-caller-identity"], estate.folder, shell_variables(estate))


def _run(estate: Estate, check: Any) -> Run:
    before = len(estate.calls())
    cost = check(estate)
    calls = estate.calls()[before:]
    return Run(cost, len(calls), frozenset(found for call in calls for found in _asked(call)), sum(map(_series, calls)))


def _asked(call: dict[str, Any]) -> list[tuple[str, str, str]]:
    if call["action"] not in ASKED_ABOUT:
        return []
    parameter = ASKED_ABOUT[call["action"]]
    named = call["parameters"].get(parameter, "") if parameter else ""
    names = named if isinstance(named, list) else [named]
    return [(call["account"], call["action"], name.rpartition("/")[2] or name) for name in names]


def _series(call: dict[str, Any]) -> int:
    if call["action"] == "GetMetricData":
        return len(call["parameters"]["MetricDataQueries"])
    return int(call["action"] == "GetMetricStatistics")


def _ours(estate: Estate) -> Cost:
    return run_playbook(estate, PLAYBOOK)


def _floor(estate: Estate) -> Cost:
    path = estate.folder / "empty.yml"
    path.write_text(json.dumps(EMPTY), encoding="utf-8")
    return run_playbook(estate, path)


def _shell(estate: Estate) -> Cost:
    folder = estate.folder / "health"
    folder.mkdir(exist_ok=True)
    return measured(["bash", SCRIPT], folder, {**shell_variables(estate), **database_variables(estate)})


def speeds(rounds: list[Round]) -> list[float]:
    """How many times longer the shell takes, round by round."""
    return quotients([one.shell.cost.wall for one in rounds], [one.ours.cost.wall for one in rounds])


def table(rounds: list[Round]) -> Table:
    """The medians of all rounds."""
    ours, shell, floor = ([getattr(one, way) for one in rounds] for way in ("ours", "shell", "floor"))
    above = [replace(mine, cost=mine.cost - empty.cost) for mine, empty in zip(ours, floor, strict=True)]
    rows = [_row("morning-health-check", ours), _row("the shell, command by command", shell), _row("the floor", floor),
            _row("ours above the floor", above)]
    cpu = ratio(quotients([run.cost.cpu for run in shell], [run.cost.cpu for run in ours]))
    calls = shell[0].calls / ours[0].calls
    rows.append(("shell / ours", f"{ratio(speeds(rounds))} times", f"{cpu} times", f"{calls:.2f} times"))
    note = NOTE.format(metrics=shell[0].series, ours=ours[0].series)
    return Table("The morning health check", ("way", "wall s", "CPU s", "AWS calls"), rows, note)


def _row(name: str, runs: list[Run]) -> tuple[str, ...]:
    return (name, seconds(run.cost.wall for run in runs), seconds(run.cost.cpu for run in runs), str(runs[0].calls))
