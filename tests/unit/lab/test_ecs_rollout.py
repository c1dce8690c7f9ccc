"""How a service of the lab's ECS moves while all goes well, with time passed in: nothing here waits."""

from __future__ import annotations

import pytest

from lab.aws.ecs_rollout import RolloutError
from tests.support.ecs_rollouts import (
    CANNOT_PULL,
    DAY,
    IMAGE,
    OUT_OF_MEMORY,
    Rollout,
    running_numbers,
    steady,
)


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
    service = Rollout().at(now)
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
        [message.partition("(task")[0].partition("ecs-svc")[0] for message in lab.messages()] for lab in (polled, seldom)
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


def test_deleting_drains_first() -> None:
    lab = steady()
    lab.service.drain(20.0)
    assert lab.at(20.3).status == "DRAINING"
    assert lab.at(21.0).status == "INACTIVE"
    assert not lab.service.pool.running()


def test_settling_gives_an_old_and_eventful_service() -> None:
    lab = Rollout(3)
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
    lab = Rollout()
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
