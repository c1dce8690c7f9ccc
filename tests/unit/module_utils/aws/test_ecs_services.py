"""What a reply of DescribeServices means, which services are right, and why tasks stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_services import (
    Observed,
    evaluate_services,
    service_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_tasks import (
    StoppedContainer,
    StoppedTask,
    chunks,
    why_stopped,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
REVISION = "arn:aws:ecs:us-east-1:123456789012:service-revision/shop/orders/"


def reply(deployments: list[dict[str, Any]], running: int = 3, **more: Any) -> dict[str, Any]:
    return {"serviceName": "orders", "serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/shop/orders",
            "status": "ACTIVE", "desiredCount": 3, "runningCount": running, "deployments": deployments, **more}


PRIMARY = {"id": "ecs-svc/2", "status": "PRIMARY", "rolloutState": "COMPLETED"}
OLD = {"id": "ecs-svc/1", "status": "ACTIVE", "rolloutState": "COMPLETED"}


@pytest.mark.parametrize(
    ("told", "right"),
    [
        pytest.param(reply([PRIMARY]), [True, True], id="one_completed_deployment"),
        pytest.param(reply([PRIMARY], running=2), [False, True], id="a_task_is_missing"),
        pytest.param(reply([{**PRIMARY, "rolloutState": "IN_PROGRESS"}, OLD]), [True, False], id="one_is_under_way"),
        pytest.param(reply([{**PRIMARY, "rolloutState": "FAILED"}]), [True, False], id="it_failed"),
        pytest.param(reply([PRIMARY, OLD]), [True, False], id="an_old_one_is_left"),
        pytest.param(reply([{"id": "ecs-svc/2", "status": "PRIMARY"}]), [True, True],
                     id="behind_a_classic_load_balancer_no_state_is_told"),
        pytest.param(reply([PRIMARY], status="DRAINING"), [False, True], id="it_is_being_deleted"),
        pytest.param(reply([], deploymentController={"type": "EXTERNAL"}), [True], id="another_controller"),
    ],
)
def test_tells_whether_a_service_is_right(told: dict[str, Any], right: list[bool]) -> None:
    evidence = evaluate_services(Collected((Observed(service_of(told), ()),), NOW), "arn:aws:ecs:x:1:cluster/shop")

    assert [item.ok for item in evidence] == right
    assert {item.resource for item in evidence} == {"ecs-service:shop/orders"}


@pytest.mark.parametrize(
    ("deployments", "revisions", "expected"),
    [
        pytest.param([PRIMARY], [REVISION + "2"], [REVISION + "2"], id="the_same_number"),
        pytest.param([PRIMARY], [REVISION + "77"], [REVISION + "77"], id="the_only_one"),
        pytest.param([PRIMARY, OLD], [REVISION + "1", REVISION + "2"], [REVISION + "2", REVISION + "1"], id="its_own"),
        pytest.param([PRIMARY, OLD], [REVISION + "77", REVISION + "78"], ["", ""], id="no_guess_among_several"),
        pytest.param([PRIMARY], [], [""], id="none_kept"),
    ],
)
def test_finds_the_revision_of_a_deployment(
    deployments: list[dict[str, Any]], revisions: list[str], expected: list[str]
) -> None:
    service = service_of(reply(deployments, currentServiceRevisions=[{"arn": arn} for arn in revisions]))

    assert [deployment.service_revision for deployment in service.deployments] == expected


def stopped(code: str, reason: str, exit_code: int | None = None, said: str = "") -> StoppedTask:
    return StoppedTask("t", "d", "ecs-svc/1", code, reason, "", (StoppedContainer("app", exit_code, said),))


def test_counts_why_tasks_failed_and_leaves_out_those_that_were_stopped() -> None:
    killed = stopped("EssentialContainerExited", "Essential container in task exited", 137, "OutOfMemoryError")
    tasks = [
        killed, killed, stopped("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment 2)", 0),
        stopped("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group 1)", 0),
        stopped("UserInitiated", "by hand", 0), stopped("TaskFailedToStart", "CannotPull", None, "CannotPull"),
    ]

    assert why_stopped(tasks) == [
        "2 tasks: Essential container in task exited; container app: exit code 137, OutOfMemoryError",
        "1 task: Task failed ELB health checks in (target-group 1)", "1 task: CannotPull"]


def test_splits_names_into_calls() -> None:
    assert chunks(["a", "b", "c"], 2) == [["a", "b"], ["c"]]
    assert chunks([], 2) == []
