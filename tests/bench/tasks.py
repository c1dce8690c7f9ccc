"""What a task costs: ours run directly, ours run as Ansible runs any module, and the peer's."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from tests.bench.estate import Estate
from tests.bench.plays import FEW, PEERS, Slope, Task, run_play, slope
from tests.bench.report import Table, quotients, ratio, seconds

FUNCTION = "tiktok-commerce-caption-parser"
GROUP = "/ecs/tiktok-commerce-ingestion-api"
# Directly is the default; the guard is not what is measured.
DIRECT = {"opsbook_direct": True, "opsbook_require_guard": False}
QUICK = 21
ORDINARY = {**DIRECT, "opsbook_direct": False}


@dataclass(frozen=True)
class Pair:
    """Two modules asked for the same thing."""

    ours: str
    our_options: dict[str, Any]
    peer: str
    peer_options: dict[str, Any]


PAIRS = (
    Pair("opsbook.runbooks.cloudwatch_alarm_info", {"alarm_names": ["production-ingestion-5xx"]},
         "amazon.aws.cloudwatch_metric_alarm_info", {"alarm_names": ["production-ingestion-5xx"]}),
    Pair("opsbook.runbooks.lambda_function_info", {"function_names": [FUNCTION]},
         "amazon.aws.lambda_info", {"function_name": FUNCTION, "query": "config"}),
    Pair("opsbook.runbooks.log_group_retention", {"rules": [{"pattern": GROUP, "days": 30}]},
         "amazon.aws.cloudwatchlogs_log_group", {"log_group_name": GROUP, "retention": 30}),
)
NOTE = (
    "Each row is the slope between plays of {few} and {many} equal tasks ({quick} where they are quick), so that start-up "
    "is not in it; it has a column of its own. CPU is user and system time of the whole process tree. `direct` and "
    "`ordinary` are the same module, inside the forked worker (the default) and as Ansible runs any module; both write "
    "their journal. The peers run under the `ansible-playbook` of PyPI's `ansible` bundle. The log group has its policy "
    "already: nothing changes on either side, ours reads back what it found. Ratios are CPU against the peer's, round by "
    "round."
)


def cases(estate: Estate) -> dict[str, Task]:
    """What is run in each round, in this order."""
    aws = estate.connection()
    found = {"debug (what any task costs)": Task("ansible.builtin.debug", {"msg": "nothing"}, many=QUICK)}
    for pair in PAIRS:
        name = pair.ours.rpartition(".")[2]
        found[f"{name}, direct"] = Task(pair.ours, {**pair.our_options, **aws}, variables=DIRECT, many=QUICK)
        found[f"{name}, ordinary"] = Task(pair.ours, {**pair.our_options, **aws}, variables=ORDINARY)
        found[pair.peer] = Task(pair.peer, {**pair.peer_options, **aws}, PEERS)
    return found


def warm_up(estate: Estate) -> None:
    """Run every case once, so that all libraries are compiled."""
    for task in cases(estate).values():
        run_play(estate, [task])


def one_round(estate: Estate) -> dict[str, Slope]:
    """Measure every case once."""
    return {name: slope(estate, task) for name, task in cases(estate).items()}


def table(rounds: list[dict[str, Slope]]) -> Table:
    """The medians of all rounds."""
    peers = {name: pair.peer for pair in PAIRS for name in _names(pair)}
    rows = [_row(name, rounds, peers.get(name)) for name in rounds[0]]
    return Table("A task", ("task", "CPU s", "wall s", "AWS calls", "start-up CPU s", "CPU by the peer's"), rows,
                 NOTE.format(few=FEW, many=Task.many, quick=QUICK))


def worst(rounds: list[dict[str, Slope]]) -> float:
    """The highest of the pairs' medians: CPU of a direct task by that of its peer."""
    return max(statistics.median(measures[_names(pair)[0]].task.cpu / measures[pair.peer].task.cpu for measures in rounds)
               for pair in PAIRS)


def _names(pair: Pair) -> tuple[str, str]:
    name = pair.ours.rpartition(".")[2]
    return f"{name}, direct", f"{name}, ordinary"


def _row(name: str, rounds: list[dict[str, Slope]], peer: str | None) -> tuple[str, ...]:
    found = [measures[name] for measures in rounds]
    cpu = [case.task.cpu for case in found]
    compared = ratio(quotients(cpu, [measures[peer].task.cpu for measures in rounds])) if peer else ""
    return (name, seconds(cpu), seconds(case.task.wall for case in found), f"{found[0].calls:g}",
            seconds(case.start.cpu for case in found), compared)
