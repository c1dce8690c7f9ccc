"""Run a procedure and judge it by what it called, said and left behind; vary its inventory and its playbook."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.audit import carried_out, changing, read_audit
from tests.support.labs import ROOT, Lab
from tests.support.playbooks import Finished, run_playbook

PLAYBOOK = "playbooks/weekly-maintenance.yml"
HEALTH_CHECK = "playbooks/morning-health-check.yml"
RECAP = "PLAY RECAP"
SERVICES = ("ingestion-api", "product-service")
FRONT_MATTER = {
    "ids": ["000-00"], "class": "routine", "title": "A procedure of a test", "purpose": "Show one thing.", "changes": True,
    "risk": "low", "duration": "a moment", "undo": "See the record.",
}


@dataclass(frozen=True)
class Maintained:
    """A run that ended, and the AWS calls that were made meanwhile."""

    finished: Finished
    calls: list[dict[str, Any]]

    @property
    def status(self) -> int:
        """The exit status of ansible-playbook."""
        return self.finished.status

    @property
    def output(self) -> str:
        """All that the terminal showed."""
        return self.finished.output

    @property
    def said(self) -> str:
        """The output in one line: Ansible wraps long messages, and doubles the quotes in them."""
        return " ".join(self.output.split()).replace("''", "'")

    @property
    def summary(self) -> list[str]:
        """What the terminal shows after the recap's heading."""
        return self.output.partition(RECAP)[2].splitlines()[1:]

    @property
    def record(self) -> dict[str, Any]:
        """The run's record."""
        return self.finished.record

    @property
    def folder(self) -> Path:
        """The run's record folder."""
        return self.finished.folder

    def changing(self, purpose: str | None = "work") -> list[str]:
        """`service:Action` of every changing call, whatever came of it."""
        return [named(call) for call in changing(self.calls, purpose)]

    def carried_out(self) -> list[str]:
        """`service:Action` of every change of the estate that was made."""
        return [named(call) for call in carried_out(self.calls)]

    def task(self, name: str) -> dict[str, Any]:
        """What the record says of one task."""
        return next(task for task in self.record["tasks"] if task["task"] == name)


def maintain(
    lab: Lab, records: Path, *arguments: str, playbook: str | Path = PLAYBOOK, environment: dict[str, str] | None = None
) -> Maintained:
    """Run a procedure, by default the weekly maintenance, to its end."""
    before = len(read_audit(lab.folder))
    finished = run_playbook(lab, playbook, *arguments, records=records, environment=environment)
    return Maintained(finished, read_audit(lab.folder)[before:])


def named(call: Mapping[str, Any]) -> str:
    """`service:Action`."""
    return f"{call['service']}:{call['action']}"


def received(lab: Lab) -> list[dict[str, Any]]:
    """The notices that were sent, oldest first."""
    path = lab.folder / "received.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def titles(lab: Lab) -> list[str]:
    """The titles of the notices that were sent."""
    return [attachment["title"] for notice in received(lab) for attachment in notice["body"]["attachments"]]


def faults(lab: Lab, *rules: Mapping[str, Any], seed: int = 1) -> None:
    """Put these faults in force, instead of all others."""
    lab.control("faults", {"seed": seed, "faults": list(rules)})


def inventory_with(folder: Path, **systems: Mapping[str, Any]) -> str:
    """A copy of the lab's inventory with systems that are like commerce but for these variables; returns its path."""
    copied = folder / "inventory"
    shutil.copytree(ROOT / "inventory" / "lab", copied)
    commerce = yaml.safe_load((copied / "host_vars" / "commerce.yml").read_text())
    for name, variables in systems.items():
        (copied / "host_vars" / f"{name}.yml").write_text(yaml.safe_dump({**commerce, **variables}))
    (copied / "hosts.yml").write_text(yaml.safe_dump({"systems": {"hosts": {name: {} for name in ("commerce", *systems)}}}))
    return str(copied)


def inventory_altered(folder: Path, **alterations: Callable[[dict[str, Any]], None]) -> str:
    """A copy of the lab's inventory with the variables of these systems altered; returns its path."""
    copied = folder / "inventory"
    shutil.copytree(ROOT / "inventory" / "lab", copied)
    for system, alter in alterations.items():
        path = copied / "host_vars" / f"{system}.yml"
        variables = yaml.safe_load(path.read_text())
        alter(variables)
        path.write_text(yaml.safe_dump(variables))
    return str(copied)


def procedure(
    folder: Path, work: list[dict[str, Any]], guarded: bool = True, front: Mapping[str, Any] = FRONT_MATTER
) -> Path:
    """A small procedure with this work, as a file."""
    guard = {"name": "Guard the procedure", "tags": ["always"],
             "ansible.builtin.import_role": {"name": "opsbook.runbooks.guard"}}
    release = {"name": "Release the run lock", "tags": ["always"],
               "ansible.builtin.import_role": {"name": "opsbook.runbooks.guard", "tasks_from": "release"}}
    play = {
        "name": "A procedure of a test", "hosts": "systems", "gather_facts": False,
        "module_defaults": {"group/opsbook.runbooks.aws": "{{ opsbook_aws | default({}) }}"},
        "vars": {"opsbook_procedure": dict(front)},
        "tasks": [*([guard] if guarded else []), {"name": "Work", "block": work, "always": [release]}],
    }
    path = folder / "procedure.yml"
    path.write_text(yaml.safe_dump([play], sort_keys=False))
    return path


def maintenance_with(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The weekly maintenance with each of its tasks of the phase Work changed, as a file."""
    plays = yaml.safe_load((ROOT / PLAYBOOK).read_text())
    phases = next(task["block"] for task in plays[0]["tasks"] if "block" in task)
    for task in next(phase["block"] for phase in phases if phase["name"] == "Work"):
        change(task)
    path = folder / "weekly-maintenance.yml"
    path.write_text(yaml.safe_dump(plays, sort_keys=False))
    return path


def files_with(needles: Iterable[str], *places: Path) -> dict[str, str]:
    """The files below these places that contain one of the needles, each with the needle."""
    wanted = [needle.encode() for needle in needles]
    found: dict[str, str] = {}
    for place in places:
        for path in [place, *place.rglob("*")]:
            content = path.read_bytes() if path.is_file() else b""
            found.update({str(path): needle.decode() for needle in wanted if needle in content})
    return found


def processes_of(records: Path) -> list[str]:
    """Command lines of the living processes of the runs that keep their records there: launcher, workers, modules."""
    mark = f"OPSBOOK_RECORD_DIR={records}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() + b"\0":
                found.append((process / "cmdline").read_text(errors="replace").replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # Gone meanwhile, or somebody else's.
    return [line for line in found if line]
