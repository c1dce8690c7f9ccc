"""How wall time and calls grow with the size of the estate: labs of several sizes, each started and worked on once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.estate.systems import ESTATES, estates
from tests.bench.estate import Estate, slow
from tests.bench.measure import Cost, Failed
from tests.bench.plays import run_playbook
from tests.bench.report import Table, seconds
from tests.support.audit import carried_out
from tests.support.labs import ROOT, running_lab

SIZES = (1, 4, 16)
HEALTH = "morning health check"
FIRST = "weekly maintenance"
SECOND = "the same again"
MAINTENANCE = "weekly-maintenance.yml"
RUNS: Mapping[str, str] = {HEALTH: "morning-health-check.yml", FIRST: MAINTENANCE, SECOND: MAINTENANCE}
LIMITED = ("ecs_service_deploy", "lambda_version_prune", "log_group_prune", "log_group_retention", "secret_rotate")
HELD_NOTE = (
    "What a lab of each size holds in its five systems, and the seconds of its second start: the first of a size also "
    "makes the databases' template folders."
)
NOTE = (
    "All five systems; wall time and CPU of the playbook, calls of all systems. Changes are the changing AWS "
    "calls that were carried out, lock and record apart; what a second run would change is too new by then. The limits of "
    "how much one task may change (`max_affected`) are lifted: a larger lab is meant to have more to do than they allow. "
    "Tables, queues and secrets are named one by one in the inventory, so there are as many at each size."
)


@dataclass(frozen=True)
class Work:
    """One run of a playbook."""

    cost: Cost
    calls: int
    changes: int


@dataclass(frozen=True)
class Size:
    """What was seen at one size.

    :param start: seconds of the lab's second start
    """

    size: int
    start: float
    runs: Mapping[str, Work]


def measure(folder: Path) -> list[Size]:
    """Measure every size once.

    :raises Failed: when the second weekly maintenance changes something
    """
    return [_of_size(folder / f"size-{size}", size) for size in SIZES]


def _of_size(folder: Path, size: int) -> Size:
    with _started(folder / "first", size):
        pass
    begun = time.monotonic()
    with _started(folder / "second", size) as estate:
        start = time.monotonic() - begun
        slow(estate.lab)
        found = Size(size, start, {name: _work(estate, name) for name in RUNS})
    if found.runs[SECOND].changes:
        raise Failed(f"the second weekly maintenance at size {size} carried out {found.runs[SECOND].changes} changes")
    return found


@contextmanager
def _started(folder: Path, size: int) -> Iterator[Estate]:
    folder.mkdir(parents=True)
    with running_lab(folder / "lab", ESTATES, size) as lab:
        yield Estate(lab, folder)


def _work(estate: Estate, name: str) -> Work:
    print(f"  {estate.lab.status['size']}: {name}", flush=True)
    before = len(estate.calls())
    cost = run_playbook(estate, _unlimited(estate.folder, ROOT / "playbooks" / RUNS[name]))
    calls = estate.calls()[before:]
    return Work(cost, len(calls), len(carried_out(calls)))


def _unlimited(folder: Path, playbook: Path) -> Path:
    """The playbook with the limits of its changing modules lifted, and nothing else changed."""
    plays: list[dict[str, Any]] = yaml.safe_load(playbook.read_text(encoding="utf-8"))
    for play in plays:
        play["module_defaults"] |= {f"opsbook.runbooks.{module}": {"max_affected": "100%"} for module in LIMITED}
    path = folder / playbook.name
    # JSON is YAML.
    path.write_text(json.dumps(plays, indent=1), encoding="utf-8")
    return path


def tables(sizes: list[Size]) -> list[Table]:
    """What the labs held, and what the playbooks took."""
    held = [(str(one.size), *_held(one.size), seconds([one.start])) for one in sizes]
    work: list[tuple[str, ...]] = [
        (name, str(one.size), seconds([run.cost.wall]), seconds([run.cost.cpu]), str(run.calls), str(run.changes))
        for name in RUNS for one in sizes for run in [one.runs[name]]
    ]
    parts = ("services", "functions", "versions", "tables", "log groups")
    return [
        Table("Growth", ("size", *parts, "start s"), held, HELD_NOTE, once=True),
        Table("Growth of the procedures", ("run", "size", "wall s", "CPU s", "AWS calls", "changes"), work, NOTE, once=True),
    ]


def _held(size: int) -> tuple[str, ...]:
    held = estates(ESTATES, size)
    functions = [function for estate in held for function in estate.functions]
    return tuple(str(number) for number in (
        sum(len(estate.services) for estate in held), len(functions), sum(function.versions for function in functions),
        sum(len(estate.tables) for estate in held), sum(len(estate.log_groups) for estate in held)))
