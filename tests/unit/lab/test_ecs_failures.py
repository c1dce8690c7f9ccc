"""What the lab's ECS does when tasks fail: the circuit breaker, rollbacks, stopped reasons; time is passed in."""

from __future__ import annotations

from typing import Any

import pytest

from lab.aws.ecs_images import repository
from lab.aws.ecs_model import breaker_threshold
from lab.aws.ecs_rollout import RolloutError
from tests.support.ecs_rollouts import (
    BREAKER,
    BREAKER_ONLY,
    CANNOT_PULL,
    DAY,
    IMAGE,
    OUT_OF_MEMORY,
    Rollout,
    running_numbers,
    steady,
)


def test_the_breaker_returns_to_the_last_completed_deployment() -> None:
    lab = steady(3, BREAKER)
    good = lab.service.primary
    survivors = {task.id for task in lab.service.pool.running()}
    lab.images.fail("*/shop/api:*", CANNOT_PULL)
    bad = lab.deploy(20.0, "api:2")
    service = lab.at(21.2)
    assert [(entry.id, entry.status, entry.rollout_state) for entry in service.deployments] == [
        (good.id, "PRIMARY", "IN_PROGRESS"),
        (bad.id, "ACTIVE", "FAILED"),
    ]
    assert service.primary.reason == f"ECS deployment circuit breaker: rolling back to deploymentId {good.id}."
    assert service.deployments[1].reason == "ECS deployment circuit breaker: tasks failed to start."
    entry = service.history.entries[0]
    assert (entry.status, entry.breaker, entry.failure_count) == ("ROLLBACK_IN_PROGRESS", "TRIGGERED", 3)
    service = lab.at(30.0)
    assert [entry.id for entry in service.deployments] == [good.id]
    assert service.history.entries[0].status == "ROLLBACK_SUCCESSFUL"
    assert service.revisions[service.primary.number].task_definition == "api:1"
    assert {task.id for task in service.pool.running()} == survivors
    assert lab.messages()[-4:] == [
        f"(deployment {bad.id}) deployment failed: tasks failed to start.",
        f"rolling back to deployment {good.id}.",
        f"(deployment {good.id}) deployment completed.",
        "has reached a steady state.",
    ]


def test_a_rollback_starts_missing_tasks_from_the_digest_it_resolved_before_the_tag_failed() -> None:
    lab = steady(4, {**BREAKER, "minimumHealthyPercent": 50, "maximumPercent": 100})
    digest = lab.service.revisions[lab.service.primary.number].images[0].digest
    lab.images.fail(IMAGE, OUT_OF_MEMORY)
    lab.deploy(20.0, "api:2")
    service = lab.at(60.0)
    assert service.history.entries[0].status == "ROLLBACK_SUCCESSFUL"
    assert [task.images[0].digest for task in service.pool.running()] == [digest] * 4


def test_a_rollback_whose_own_image_is_gone_fails() -> None:
    lab = steady(4, {**BREAKER, "minimumHealthyPercent": 50, "maximumPercent": 100})
    digest = lab.service.revisions[lab.service.primary.number].images[0].digest
    lab.images.fail(IMAGE, OUT_OF_MEMORY)
    lab.images.fail(f"*@{digest}", CANNOT_PULL)
    lab.deploy(20.0, "api:2")
    service = lab.at(90.0)
    assert service.history.entries[0].status == "ROLLBACK_FAILED"
    assert service.primary.rollout_state == "FAILED"


def test_the_breaker_without_rollback_leaves_the_old_tasks_running() -> None:
    lab = steady(2, BREAKER_ONLY)
    good = lab.service.primary
    lab.images.fail(IMAGE, CANNOT_PULL)
    bad = lab.deploy(20.0, "api:2")
    service = lab.at(100.0)
    assert [(entry.id, entry.rollout_state) for entry in service.deployments] == [
        (bad.id, "FAILED"),
        (good.id, "COMPLETED"),
    ]
    assert running_numbers(service) == [good.number] * 2
    assert service.history.entries[0].status == "STOPPED"
    assert len([task for task in service.pool.tasks.values() if task.number == bad.number]) == 4


def test_the_breaker_has_nothing_to_return_to_on_a_first_deployment() -> None:
    lab = Rollout(2, BREAKER)
    lab.images.fail(IMAGE, CANNOT_PULL)
    lab.deploy(0.05, "api:1")
    service = lab.at(60.0)
    assert (service.primary.rollout_state, service.history.entries[0].status) == ("FAILED", "STOPPED")


def test_without_a_breaker_failed_tasks_grow_ever_more_slowly() -> None:
    lab = steady()
    lab.images.fail(IMAGE, CANNOT_PULL)
    lab.deploy(20.0, "api:2")
    failed = [lab.at(now).primary.failed_tasks for now in (22.0, 30.0, 80.0, 320.0)]
    assert failed == sorted(set(failed))
    assert failed[-1] < 30
    assert lab.service.primary.rollout_state == "IN_PROGRESS"
    assert len(lab.service.pool.running()) == 2
    assert any(message.startswith("is unable to consistently start tasks") for message in lab.messages())


@pytest.mark.parametrize(
    ("reason", "code", "stopped_reason", "exit_code", "container_reason", "started"),
    [
        (CANNOT_PULL, "TaskFailedToStart", CANNOT_PULL, None, CANNOT_PULL, False),
        (OUT_OF_MEMORY, "EssentialContainerExited", "Essential container in task exited", 137, OUT_OF_MEMORY, True),
        ("EssentialContainerExited", "EssentialContainerExited", "Essential container in task exited", 1, None, True),
        (
            "EssentialContainerExited: exit code 3",
            "EssentialContainerExited",
            "Essential container in task exited",
            3,
            None,
            True,
        ),
    ],
)
def test_stopped_tasks_say_why(
    reason: str, code: str, stopped_reason: str, exit_code: int | None, container_reason: str | None, started: bool
) -> None:
    lab = Rollout()
    lab.images.fail(IMAGE, reason)
    lab.deploy(0.05, "api:1")
    task = next(task for task in lab.at(1.5).pool.tasks.values() if task.last_status == "STOPPED")
    assert (task.stop_code, task.stopped_reason, task.exit_code) == (code, stopped_reason, exit_code)
    assert (task.container_reason, task.started_at is not None) == (container_reason, started)


def test_a_deployment_that_could_not_pull_goes_on_once_the_image_is_there() -> None:
    lab = steady()
    lab.images.fail(IMAGE, CANNOT_PULL)
    new = lab.deploy(20.0, "api:2")
    lab.at(25.0)
    lab.images.fail(IMAGE, None)
    service = lab.at(60.0)
    assert (service.primary.id, service.primary.rollout_state, service.primary.failed_tasks) == (new.id, "COMPLETED", 0)
    assert service.revisions[new.number].images[0].digest is not None


def test_a_deployment_of_a_crashing_image_keeps_crashing_after_the_tag_was_healed() -> None:
    lab = steady()
    lab.images.fail(IMAGE, OUT_OF_MEMORY)
    lab.deploy(20.0, "api:2")
    lab.images.fail(IMAGE, None)
    assert lab.at(60.0).primary.rollout_state == "IN_PROGRESS"
    lab.deploy(60.0, "api:2")
    assert lab.at(80.0).primary.rollout_state == "COMPLETED"


@pytest.mark.parametrize(
    ("kind", "asked", "ended", "primary_state"),
    [
        ("ROLLBACK", "ROLLBACK_REQUESTED", "ROLLBACK_SUCCESSFUL", "COMPLETED"),
        ("ABORT", "STOP_REQUESTED", "STOPPED", "FAILED"),
    ],
)
def test_a_deployment_ends_by_request(kind: str, asked: str, ended: str, primary_state: str) -> None:
    lab = steady()
    good = lab.service.primary
    lab.deploy(20.0, "api:2")
    lab.at(20.5)
    lab.service.request_stop(20.6, kind)
    assert lab.service.history.entries[0].status == asked
    service = lab.at(40.0)
    assert (service.history.entries[0].status, service.primary.rollout_state) == (ended, primary_state)
    assert (service.history.entries[0].stopped_at is not None) == (kind == "ABORT")
    assert running_numbers(service) == [good.number] * 2


def test_a_first_deployment_cannot_be_rolled_back() -> None:
    lab = Rollout()
    with pytest.raises(RolloutError, match="no completed service revision"):
        lab.service.request_stop(0.5, "ROLLBACK")


@pytest.mark.parametrize(
    ("desired", "configuration", "threshold"),
    [
        (0, {}, 3),
        (2, {}, 3),
        (7, {}, 4),
        (25, {}, 13),
        (1000, {}, 200),
        (2, {"deploymentCircuitBreaker": {"thresholdConfiguration": {"type": "COUNT", "value": 1}}}, 1),
        (
            1000,
            {"deploymentCircuitBreaker": {"thresholdConfiguration": {"type": "UNBOUNDED_PERCENT", "value": 50}}},
            500,
        ),
    ],
)
def test_breaker_thresholds(desired: int, configuration: dict[str, Any], threshold: int) -> None:
    assert breaker_threshold(desired, configuration) == threshold


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("api", "api"),
        ("api:stable", "api"),
        ("registry.example:5000/shop/api", "registry.example:5000/shop/api"),
        (IMAGE, "registry.example:5000/shop/api"),
        ("shop/api@sha256:12", "shop/api"),
    ],
)
def test_repository_of_an_image(image: str, expected: str) -> None:
    assert repository(image) == expected


def test_a_service_that_fails_for_a_year_is_still_quick_to_look_at() -> None:
    lab = steady()
    lab.images.fail(IMAGE, CANNOT_PULL)
    lab.deploy(20.0, "api:2")
    lab.at(30.0)
    lab.service.shift(-365 * DAY)
    # Slowed down to a try in 27 minutes, and what stopped over an hour ago is forgotten.
    failed = lab.at(30.0).primary.failed_tasks
    assert 2 * 365 * DAY / 1700 < failed < 2 * 365 * DAY / 1600
    assert len(lab.service.pool.tasks) < 12


def test_an_old_deployment_gets_its_task_back_when_its_successor_took_the_place_and_failed() -> None:
    lab = steady(1, {"minimumHealthyPercent": 100, "maximumPercent": 100})
    old = lab.service.primary.number
    lab.images.fail(IMAGE, CANNOT_PULL)
    new = lab.deploy(20.0, "api:2")
    lab.service.stop_task(21.0, lab.at(21.0).pool.running()[0], "trying")
    assert [task.number for task in lab.at(21.8).pool.pending()] == [new.number]
    assert running_numbers(lab.at(30.0)) == [old]
