"""The maintenance is cut off at a random moment and run again at once: nothing is lost, nothing is done twice.

The disturbances are many and each mostly waits, so they run three at a time, each on a lab of its own.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from subprocess import TimeoutExpired
from typing import Any

import pytest

from tests.chaos.disturbance import Reference, Verdict, judge_rerun, undisturbed
from tests.support.audit import carried_out, changing, read_audit
from tests.support.labs import Lab, running_lab
from tests.support.playbooks import start_playbook
from tests.support.procedures import PLAYBOOK, faults, maintain, maintenance_with, processes_of
from tests.support.waiting import eventually

LABS = 3
GRACE_SECONDS = 2.0
SEEDS = (11, 12, 13, 14, 15)


@dataclass(frozen=True)
class Cut:
    """A run that was cut off.

    :param survivors: processes of it that lived on for longer than the grace
    :param late: changing calls of the work that arrived after the grace and before the next run had the lock
    """

    moment: float
    survivors: list[str]
    late: list[str]
    verdict: Verdict


Disturbance = Callable[[Lab, Path, Reference], Cut]


def _killed(sent: signal.Signals, seed: int, direct: bool = True) -> Disturbance:
    def disturb(lab: Lab, records: Path, reference: Reference) -> Cut:
        # Three run at once, and the ordinary path is slower: the moment may be anywhere in such a run too.
        moment = random.Random(seed).uniform(0.3, reference.seconds * (1.3 if direct else 2))
        process = start_playbook(lab, PLAYBOOK, "-e", f"opsbook_direct={direct}", records=records, capture=False)
        try:
            process.wait(moment)
        except TimeoutExpired:
            process.send_signal(sent)
        process.wait(60)
        return _after(lab, records, reference, moment)

    return disturb


def _out_of_time(lab: Lab, records: Path, reference: Reference) -> Cut:
    # Of a second nothing is left on a busy machine in which the operation could say how far it has come.
    lab.control("ecs/settings", {"task_seconds": 5})
    playbook = maintenance_with(records.parent, lambda task: task.update(timeout=3))
    run = maintain(lab, records, playbook=playbook)
    assert run.status != 0
    assert "run again to wait for it" in run.said
    return _after(lab, records, reference, 3.0)


def _throttled(lab: Lab, records: Path, reference: Reference) -> Cut:
    faults(lab, {"kind": "throttle", "probability": 0.3, "except_purpose": "control"}, seed=1)
    verdict = judge_rerun(lab, records, reference)
    return Cut(0.0, [], [], verdict)


def _dropped(lab: Lab, records: Path, reference: Reference) -> Cut:
    faults(lab, {"kind": "drop", "when": "before", "probability": 0.02, "except_purpose": "control"},
           {"kind": "drop", "when": "after", "service": "ecs", "action": "UpdateService", "times": 1},
           {"kind": "drop", "when": "after", "service": "secretsmanager", "action": "RotateSecret", "times": 1}, seed=2)
    verdict = judge_rerun(lab, records, reference)
    if verdict.status:
        faults(lab)
        verdict = judge_rerun(lab, records, reference)
    return Cut(0.0, [], [], verdict)


def _deploying(lab: Lab, records: Path, reference: Reference) -> Cut:
    """Killed while a deployment is under way that takes longer than the lease of the run that began it."""
    lab.control("ecs/settings", {"task_seconds": 8})
    process = start_playbook(lab, PLAYBOOK, records=records, capture=False)
    eventually(lambda: sum(call["action"] == "UpdateService" for call in carried_out(read_audit(lab.folder))) == 2)
    process.kill()
    process.wait()
    return _after(lab, records, reference, 0.0)


def _after(lab: Lab, records: Path, reference: Reference, moment: float) -> Cut:
    ended = time.time()
    time.sleep(0.2)
    while processes_of(records) and time.time() < ended + GRACE_SECONDS:
        time.sleep(0.05)
    survivors = processes_of(records)
    verdict = judge_rerun(lab, records, reference)
    return Cut(moment, survivors, _late(read_audit(lab.folder), ended + GRACE_SECONDS), verdict)


def _late(calls: list[dict[str, Any]], since: float) -> list[str]:
    """Changing calls of the work between that moment and the next taking of the lock."""
    moment = datetime.fromtimestamp(since, UTC).isoformat()
    taken = [call["time"] for call in calls if call["action"] == "PutItem" and call["purpose"] == "control"
             and call["time"] > moment]
    return [f"{call['service']}:{call['action']}" for call in changing(calls, "work")
            if taken and moment < call["time"] < taken[0]]


DISTURBANCES: dict[str, Disturbance] = {
    "throttled": _throttled,
    "deploying": _deploying,
    "timeout": _out_of_time,
    "dropped": _dropped,
    **{f"SIGKILL-seed-{seed}": _killed(signal.SIGKILL, seed) for seed in SEEDS},
    "SIGKILL-ordinary-path": _killed(signal.SIGKILL, 16, direct=False),
    "SIGINT": _killed(signal.SIGINT, 17),
}


@pytest.fixture(scope="module")
def cuts(
    request: pytest.FixtureRequest, session_lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Cut]]]:
    """What became of each disturbed run, when it is through."""
    folder = tmp_path_factory.mktemp("disturbed")
    wanted = [item.callspec.params["name"] for item in request.session.items
              if item.parent is request.node and "name" in getattr(getattr(item, "callspec", None), "params", {})]
    with ExitStack() as stack:
        reference = undisturbed(session_lab, folder / "undisturbed")
        free: Queue[Lab] = Queue()
        free.put(session_lab)

        def carry_out(name: str) -> Cut:
            lab = free.get()
            try:
                lab.reset()
                place = folder / name
                place.mkdir()
                return DISTURBANCES[name](lab, place / "records", reference)
            finally:
                free.put(lab)

        pool = stack.enter_context(ThreadPoolExecutor(LABS))
        futures = {name: pool.submit(carry_out, name) for name in dict.fromkeys(wanted)}
        for number in range(min(LABS, len(futures)) - 1):
            free.put(stack.enter_context(running_lab(folder / f"lab-{number}")))
        yield futures


@pytest.mark.parametrize("name", DISTURBANCES)
def test_a_disturbed_maintenance_ends_as_an_undisturbed_one(cuts: dict[str, Future[Cut]], name: str) -> None:
    cut = cuts[name].result()
    assert cut.survivors == []
    assert cut.late == []
    assert cut.verdict.status == 0, f"cut off after {cut.moment:.2f} s\n{cut.verdict.output}"
    assert cut.verdict.differences == {}, f"cut off after {cut.moment:.2f} s"
    assert cut.verdict.twice == {}, f"cut off after {cut.moment:.2f} s"
