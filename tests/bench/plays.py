"""Plays of equal tasks, run by our ansible-playbook or by the peers', and our playbooks on the lab's inventory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.estate import Estate
from tests.bench.measure import Cost, measured
from tests.support.labs import ROOT

OURS = ROOT / ".venv" / "bin"
PEERS = ROOT / ".venv-bench" / "bin"
FEW = 1
"""Tasks of the shorter of two plays; what the additional ones of the longer cost is free of start-up."""


@dataclass(frozen=True)
class Task:
    """A task to repeat.

    :param programs: folder of the ansible-playbook that runs it
    :param variables: of the play's one host
    :param loop: repeats of the task itself, inside one task
    :param many: tasks of the longer play: more of the quick ones, whose cost is otherwise lost in that of start-up
    """

    module: str
    options: dict[str, Any]
    programs: Path = OURS
    variables: dict[str, Any] = field(default_factory=dict)
    loop: list[str] = field(default_factory=list)
    many: int = 6


@dataclass(frozen=True)
class Slope:
    """What a task costs, without start-up.

    :param start: seconds of a play with the fewest tasks
    :param calls: AWS calls a task
    """

    task: Cost
    start: Cost
    calls: float


def slope(estate: Estate, task: Task) -> Slope:
    """Run a play with few equal tasks, and one with many."""
    few = run_play(estate, [task] * FEW)
    before = len(estate.calls())
    many = run_play(estate, [task] * task.many)
    calls = len(estate.calls()) - before
    return Slope((many - few) / (task.many - FEW), few, calls / task.many)


def run_play(estate: Estate, tasks: list[Task]) -> Cost:
    """Run the tasks, all of one kind, in one play."""
    first = tasks[0]
    folder = estate.folder / "play"
    folder.mkdir(exist_ok=True)
    play = {"name": "Measured", "hosts": "all", "gather_facts": False, "tasks": [_written(task) for task in tasks]}
    host = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}", **first.variables}
    # JSON is YAML; and what Ansible reads, people can read who want to know what was measured.
    (folder / "play.yml").write_text(json.dumps([play], indent=1), encoding="utf-8")
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"measured": host}}}), encoding="utf-8")
    command: list[str | Path] = [first.programs / "ansible-playbook", "-i", "hosts.yml", "play.yml"]
    return measured(command, folder, _environment(estate, first))


def run_playbook(estate: Estate, playbook: Path, *arguments: str) -> Cost:
    """Run a playbook of ours on the systems of the lab."""
    folder = estate.folder / "playbook"
    folder.mkdir(exist_ok=True)
    variables = {**estate.environment(OURS), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                 "OPSBOOK_LAB_FOLDER": str(estate.lab.folder), "OPSBOOK_RECORD_DIR": str(estate.folder / "records")}
    command: list[str | Path] = [OURS / "ansible-playbook", "-i", ROOT / "inventory" / "lab", playbook, *arguments]
    return measured(command, folder, variables)


def _written(task: Task) -> dict[str, Any]:
    written: dict[str, Any] = {"name": "A measured task", task.module: task.options}
    return {**written, "loop": task.loop} if task.loop else written


def _environment(estate: Estate, task: Task) -> dict[str, str]:
    """Ours as in daily use, with the record of the run; the peers' with Ansible's own defaults."""
    variables = {**estate.environment(task.programs), "ANSIBLE_HOME": str(estate.folder / "home")}
    if task.programs == OURS:
        variables |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "OPSBOOK_RECORD_DIR": str(estate.folder / "records")}
    return variables
