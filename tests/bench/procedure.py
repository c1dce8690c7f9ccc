"""What the weekly maintenance costs: ours, and the runbook's own shell commands, each on the same fresh estate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench.estate import Estate
from tests.bench.measure import Cost, Failed, measured
from tests.bench.plays import run_playbook
from tests.bench.report import Table, quotients, ratio, seconds
from tests.bench.shell import AWS_CLI, shell_variables
from tests.chaos.estate_state import differences, end_state
from tests.support.audit import carried_out
from tests.support.labs import ROOT

SCRIPT = Path(__file__).with_name("weekly-maintenance.sh")
NOTE = (
    "`playbooks/weekly-maintenance.yml` with guard, lock, record and verification, against "
    "`tests/bench/weekly-maintenance.sh`: the commands of procedure 000-09 one after another, corrected where they do not "
    "work or would do harm. Its health checks are those of that procedure; ours look at all that the system declares. Both "
    "begin on a freshly reset lab of this system, and a run counts only when both end in the same state of services, "
    "versions, secrets, log groups and Terraform resources. The lab's tasks start in less than a second, but `aws ecs wait` "
    "looks again only after 15; on real services both wait as long as the deployment takes. So the last row leaves out what "
    "either side waits, from the last deployment's beginning to the first call of the next step."
)


@dataclass(frozen=True)
class Run:
    """One run.

    :param waited: seconds from the beginning of the last deployment to the first call of the next step
    :param calls: AWS calls
    :param changes: changing ones of them that were carried out, lock and record apart
    """

    cost: Cost
    calls: int
    changes: int
    waited: float
    state: dict[str, Any]


def one_round(estate: Estate) -> tuple[Run, Run]:
    """Run ours and the shell's, each on a fresh estate.

    :raises Failed: when they do not end in the same state
    """
    ours, shell = _run(estate, _ours), _run(estate, _shell)
    differing = differences(ours.state, shell.state)
    if differing:
        raise Failed("\n".join(f"{path}: {what['expected']} here, {what['actual']} by the shell"
                               for path, what in differing.items()))
    return ours, shell


def warm_up(estate: Estate) -> None:
    """Run ours once, and one command of the AWS CLI, so that all libraries are compiled."""
    _run(estate, _ours)
    measured([AWS_CLI / "aws", "sts", "get-caller-identity"], estate.folder, _shell_variables(estate))


def _run(estate: Estate, maintain: Callable[[Estate, Path], Cost]) -> Run:
    estate.fresh()
    folder = estate.folder / "maintenance"
    folder.mkdir(exist_ok=True)
    cost = maintain(estate, folder)
    calls = estate.calls()
    return Run(cost, len(calls), len(carried_out(calls)), _waited(calls), end_state(estate.lab))


def _waited(calls: list[dict[str, Any]]) -> float:
    begun = max(number for number, call in enumerate(calls) if call["action"] == "UpdateService")
    following = next(call for call in calls[begun:] if call["service"] == "lambda")
    return (datetime.fromisoformat(following["time"]) - datetime.fromisoformat(calls[begun]["time"])).total_seconds()


def _ours(estate: Estate, folder: Path) -> Cost:
    return run_playbook(estate, ROOT / "playbooks" / "weekly-maintenance.yml", "--limit", "commerce")


def _shell(estate: Estate, folder: Path) -> Cost:
    return measured(["bash", SCRIPT], folder, _shell_variables(estate))


def _shell_variables(estate: Estate) -> dict[str, str]:
    status = estate.lab.status
    return {**shell_variables(estate), "PROJECT": str(estate.lab.folder / "terraform" / "commerce"),
            "SLACK": f"{status['endpoints']['web']}/receivers/slack/{status['receivers']['slack']}"}


def speeds(rounds: list[tuple[Run, Run]], waiting: bool = True) -> list[float]:
    """How many times longer the shell takes, round by round; waiting for the services may be left out, of both."""
    ours, shell = ([run.cost.wall - (0 if waiting else run.waited) for run in side] for side in zip(*rounds, strict=True))
    return quotients(shell, ours)


def table(rounds: list[tuple[Run, Run]]) -> Table:
    """The medians of all rounds."""
    ours, shell = ([pair[side] for pair in rounds] for side in (0, 1))
    rows = [_row("weekly-maintenance", ours), _row("the shell, AWS CLI call by call", shell)]
    cpu = ratio(quotients([run.cost.cpu for run in shell], [run.cost.cpu for run in ours]))
    rows.append(("shell / ours", f"{ratio(speeds(rounds))} times", f"{cpu} times", "", "", ""))
    rows.append(("shell / ours, both without waiting", f"{ratio(speeds(rounds, waiting=False))} times", "", "", "", ""))
    return Table("The weekly maintenance", ("way", "wall s", "CPU s", "AWS calls", "changes made", "waited s"), rows, NOTE)


def _row(name: str, runs: list[Run]) -> tuple[str, ...]:
    return (name, seconds(run.cost.wall for run in runs), seconds(run.cost.cpu for run in runs), str(runs[0].calls),
            str(runs[0].changes), seconds(run.waited for run in runs))
