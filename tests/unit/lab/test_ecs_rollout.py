"""The state machine behind the lab's ECS, with time passed in: nothing here waits."""

from __future__ import annotations

from typing import Any

import pytest

from lab.aws.ecs_images import ImageRegistry, repository
from lab.aws.ecs_model import Deployment, breaker_threshold
from lab.aws.ecs_rollout import RolloutError, ServiceRollout
from lab.aws.ecs_taskpool import Timing

IMAGE = "registry.example:5000/shop/api:stable"
CANNOT_PULL = "CannotPullContainerError: pull image manifest has been retried 5 time(s): not found"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
DAY = 86400.0
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
BREAKER_ONLY = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}


class Lab:
    """A service and the registry its images come from; a task takes one second to start."""

    def __init__(self, desired: int = 2, configuration: dict[str, Any] | None = None) -> None:
        self.images = ImageRegistry()
        self.service = ServiceRollout("api", 0.0, self.images, Timing(task_seconds=1.0))
        self.service.configuration = configuration or {}
        self.service.scale(0.0, desired)
        self.deploy(0.0, "api:1")

    def deploy(self, at: float, task_definition: str, image: str = IMAGE) -> Deployment:
        return self.service.deploy(at, task_definition, [{"name": "app", "image": image}], {})

    def at(self, now: float) -> ServiceRollout:
        self.service.advance(now)
        return self.service

    def messages(self) -> list[str]:
        return [event.message.removeprefix("(service api) ") for event in reversed(self.service.events)]


def steady(desired: int = 2, configuration: dict[str, Any] | None = None) -> Lab:
    lab = Lab(desired, configuration)
    lab.at(10.0)
    assert lab.service.primary.rollout_state == "COMPLETED"
    return lab


def running_numbers(service: ServiceRollout) -> list[int]:
    return [task.number for task in service.pool.running()]


@pytest.mark.parametrize(
    ("now", "running", "pending", "state", "history"),
    [
        (0.0, 0, 0, "IN_PROGRESS", "PENDING"),
        (0.5, 0, 2, "IN_PROGRESS", "IN_PROGRESS"),
        (1.05, 0, 2, "IN_PROGRESS", "IN_PROGRESS"),
        (1.2, 2, 0, "COMPLETED", "SUCCESSFUL"),
        (500.0, 2, 0, "COMPLETED", "SUCCESSFUL"),
    ],
)
def test_a_first_deployment_takes_the_time_its_tasks_take(
    now: float, running: int, pending: int, state: str, history: str
) -> None:
    service = Lab().at(now)
    assert (len(service.pool.running()), len(service.pool.pending())) == (running, pending)
    assert (service.primary.rollout_state, service.history.entries[0].status) == (state, history)


def test_a_service_polled_often_and_one_looked_at_once_have_the_same_history() -> None:
    polled, seldom = steady(3), steady(3)
    for lab in (polled, seldom):
        lab.images.fail(IMAGE, OUT_OF_MEMORY)
        lab.deploy(20.0, "api:2")
    for step in range(2000, 6000, 7):
        polled.at(step / 100)
    polled.at(60.0)
    seldom.at(60.0)
    kinds = [
        [message.partition("(task")[0].partition("ecs-svc")[0] for message in lab.messages()]
        for lab in (polled, seldom)
    ]
    assert kinds[0] == kinds[1]
    times = [[event.created_at for event in lab.service.events] for lab in (polled, seldom)]
    assert times[0] == times[1]


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "fewest", "most"),
    [(4, 100, 200, 4, 8), (4, 50, 100, 2, 4), (4, 100, 150, 4, 6), (3, 50, 150, 2, 4), (1, 100, 200, 1, 2)],
)
def test_a_rolling_deployment_stays_within_its_percentages(
    desired: int, minimum: int, maximum: int, fewest: int, most: int
) -> None:
    lab = steady(desired, {"minimumHealthyPercent": minimum, "maximumPercent": maximum})
    new = lab.deploy(20.0, "api:2")
    running, live = [], []
    for step in range(2000, 4000, 5):
        service = lab.at(step / 100)
        running.append(len(service.pool.running()))
        live.append(len(service.pool.live()))
    assert min(running) == fewest
    assert max(live) == most
    assert running_numbers(lab.service) == [new.number] * desired
    assert [entry.id for entry in lab.service.deployments] == [new.id]


def test_the_old_deployment_stays_active_until_its_tasks_have_stopped() -> None:
    lab = steady()
    old = lab.service.primary
    new = lab.deploy(20.0, "api:2")
    assert [(entry.id, entry.status) for entry in lab.at(20.5).deployments] == [(new.id, "PRIMARY"), (old.id, "ACTIVE")]
    # The new tasks run from 21.1; the old ones need half a second to stop.
    assert len(lab.at(21.3).deployments) == 2
    assert lab.service.primary.rollout_state == "IN_PROGRESS"
    assert len(lab.at(21.7).deployments) == 1
    assert lab.messages()[-2:] == [f"(deployment {new.id}) deployment completed.", "has reached a steady state."]


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
    lab = Lab(2, BREAKER)
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
    lab = Lab()
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


@pytest.mark.parametrize("moment", [15.0, 20.5])
def test_a_stopped_task_is_replaced_by_its_own_revision(moment: float) -> None:
    lab = steady()
    old = lab.service.primary.number
    lab.images.fail(IMAGE, CANNOT_PULL)
    if moment > 20:
        lab.deploy(20.0, "api:2")
    task = lab.at(moment).pool.running()[0]
    lab.service.stop_task(moment, task, "trying")
    assert len(lab.at(moment + 0.05).pool.running()) == 1
    service = lab.at(moment + 2.0)
    assert running_numbers(service) == [old, old]
    assert (task.last_status, task.stop_code, task.stopped_reason) == ("STOPPED", "UserInitiated", "trying")
    assert any(entry.id != task.id and entry.created_at > moment for entry in service.pool.running())


@pytest.mark.parametrize(("desired", "stopped"), [(5, 0), (1, 2), (0, 3)])
def test_scaling_starts_no_deployment(desired: int, stopped: int) -> None:
    lab = steady(3)
    before = lab.service.primary.id
    lab.service.scale(20.0, desired)
    service = lab.at(30.0)
    assert ([entry.id for entry in service.deployments], len(service.history.entries)) == ([before], 1)
    assert len(service.pool.running()) == desired
    assert sum(task.last_status == "STOPPED" for task in service.pool.tasks.values()) == stopped
    assert lab.messages()[-1] == "has reached a steady state."


def test_a_deployment_replaces_one_that_is_still_going_on() -> None:
    lab = steady()
    lab.deploy(20.0, "api:2")
    lab.at(20.5)
    third = lab.deploy(20.6, "api:3")
    assert [entry.status for entry in lab.service.history.entries] == ["PENDING", "STOPPED", "SUCCESSFUL"]
    service = lab.at(30.0)
    assert running_numbers(service) == [third.number] * 2
    assert "stopped 2 pending tasks." in lab.messages()


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
    assert running_numbers(service) == [good.number] * 2


def test_a_first_deployment_cannot_be_rolled_back() -> None:
    lab = Lab()
    with pytest.raises(RolloutError, match="no completed service revision"):
        lab.service.request_stop(0.5, "ROLLBACK")


def test_deleting_drains_first() -> None:
    lab = steady()
    lab.service.drain(20.0)
    assert lab.at(20.3).status == "DRAINING"
    assert lab.at(21.0).status == "INACTIVE"
    assert not lab.service.pool.running()


def test_settling_gives_an_old_and_eventful_service() -> None:
    lab = Lab(3)
    lab.service.settle(0.5, 6 * DAY)
    service = lab.service
    assert service.primary.rollout_state == "COMPLETED"
    assert len(service.pool.running()) == 3
    assert 0.5 - (service.history.entries[0].finished_at or 0.0) == pytest.approx(6 * DAY)
    assert len([message for message in lab.messages() if "steady state" in message]) == 25
    assert service.events[0].created_at <= 0.5
    later = lab.deploy(1.0, "api:2")
    assert lab.at(5.0).primary.id == later.id


def test_a_failing_service_cannot_be_settled() -> None:
    lab = Lab()
    lab.images.fail(IMAGE, CANNOT_PULL)
    lab.deploy(0.05, "api:1")
    with pytest.raises(RolloutError, match="tasks fail to start"):
        lab.service.settle(0.5, DAY)


def test_events_are_capped_newest_first() -> None:
    lab = steady()
    lab.service.shift(-90 * DAY)
    service = lab.at(20.0)
    assert len(service.events) == 100
    assert service.events[0].created_at == max(event.created_at for event in service.events)


def test_stopped_tasks_are_forgotten_after_an_hour() -> None:
    lab = steady()
    lab.service.stop_task(20.0, lab.service.pool.running()[0], "trying")
    assert len(lab.at(3000.0).pool.tasks) == 3
    assert len(lab.at(4000.0).pool.tasks) == 2


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
