# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why the tasks of an ECS service stopped. AWS shows a stopped task for an hour (DescribeTasks, API reference)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .calls import all_pages
from .client import Connect
from .errors import explaining

TASKS_A_CALL = 100
FAILURE_CODES = frozenset({"TaskFailedToStart", "EssentialContainerExited", "InfrastructureHealth"})


@dataclass(frozen=True)
class StoppedContainer:
    """How one container of a stopped task ended.

    :param exit_code: None where it never ran
    :param reason: ECS's words ("OutOfMemoryError: ..."), often empty
    """

    name: str
    exit_code: int | None
    reason: str


@dataclass(frozen=True)
class StoppedTask:
    """A task that stopped.

    :param deployment: the deployment that started it ("ecs-svc/...")
    :param stop_code: ECS's kind of reason ("EssentialContainerExited")
    :param stopped_at: ISO 8601, UTC; empty while it is still stopping
    """

    task: str
    task_definition: str
    deployment: str
    stop_code: str
    reason: str
    stopped_at: str
    containers: tuple[StoppedContainer, ...]

    @property
    def failed(self) -> bool:
        """Whether it stopped because something is wrong, not because somebody or a deployment stopped it."""
        return self.stop_code in FAILURE_CODES or "health check" in self.reason.lower()


def stopped_tasks(connect: Connect, cluster: str, service: str) -> tuple[StoppedTask, ...]:
    """The tasks of a service that stopped within the last hour, newest first.

    :raises OperationError: when they cannot be read
    """
    client = connect("ecs")
    with explaining("read the stopped tasks of an ECS service", f"{cluster}/{service}"):
        arns = list(all_pages(client, "list_tasks", "taskArns", cluster=cluster, serviceName=service,
                              desiredStatus="STOPPED"))
        tasks = [_task(reply) for part in chunks(arns, TASKS_A_CALL)
                 for reply in client.describe_tasks(cluster=cluster, tasks=part)["tasks"]]
    return tuple(sorted(tasks, key=lambda task: (task.stopped_at, task.task), reverse=True))


def why_stopped(tasks: Iterable[StoppedTask]) -> list[str]:
    """One line for each kind of failure, the commonest first: "3 tasks: CannotPullContainerError: ..."."""
    counted = Counter(_failure(task) for task in tasks if task.failed)
    return [f"{number} {'task' if number == 1 else 'tasks'}: {reason}" for reason, number in counted.most_common()]


def chunks(items: Sequence[str], size: int) -> list[list[str]]:
    """The items in lists of at most `size`, in order."""
    return [list(items[start:start + size]) for start in range(0, len(items), size)]


def moment(value: Any) -> str:
    """A time of a reply as ISO 8601 in UTC, empty where there is none."""
    return value.astimezone(timezone.utc).isoformat() if isinstance(value, datetime) else ""


def _failure(task: StoppedTask) -> str:
    details = [f"container {container.name}: {_ending(container)}" for container in task.containers
               if container.exit_code not in (None, 0) or container.reason not in ("", task.reason)]
    return "; ".join([task.reason or task.stop_code, *details])


def _ending(container: StoppedContainer) -> str:
    code = "" if container.exit_code is None else f"exit code {container.exit_code}"
    return ", ".join(text for text in (code, container.reason) if text)


def _task(reply: Mapping[str, Any]) -> StoppedTask:
    containers = tuple(StoppedContainer(entry.get("name", ""), entry.get("exitCode"), entry.get("reason", ""))
                       for entry in reply.get("containers") or ())
    return StoppedTask(
        task=reply["taskArn"].rpartition("/")[2], task_definition=reply.get("taskDefinitionArn", ""),
        deployment=reply.get("startedBy", ""), stop_code=reply.get("stopCode", ""),
        reason=reply.get("stoppedReason", ""), stopped_at=moment(reply.get("stoppedAt")), containers=containers)
