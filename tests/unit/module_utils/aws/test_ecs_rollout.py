"""How a deployment stands, when a service is back, which images are pinned, and what AWS keeps of the past."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_candidates import Candidate, Completed
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_definitions import pinned, pinned_images
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_history import (
    History,
    Image,
    Revision,
    ServiceDeployment,
    read_history,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_requests import Request
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_rollback import Way, go_back, is_back
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_rollout import (
    GIVEN_UP,
    Expected,
    Rollout,
    Verdict,
    after_time,
    judge,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_services import Deployment, Service
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_tasks import StoppedTask
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
ONE, TWO = "arn:aws:ecs:x:1:task-definition/orders:1", "arn:aws:ecs:x:1:task-definition/orders:2"
NEW = Expected("ecs-svc/2", TWO, rolling=True)


def deployment(number: int = 2, state: str = "COMPLETED", definition: str = TWO, status: str = "PRIMARY",
               running: int = 3, failed: int = 0) -> Deployment:
    return Deployment(f"ecs-svc/{number}", status, state, "", definition, 3, running, 0, failed, "", "", "")


def service(*deployments: Deployment, running: int = 3, breaker: bool = False, status: str = "ACTIVE") -> Service:
    return Service("orders", "arn", status, 3, running, 0, TWO, "ECS", breaker, breaker, "arn:d", deployments)


def entry(status: str, number: int = 2) -> ServiceDeployment:
    return ServiceDeployment("arn:d", status, "", f"arn:r/{number}", NOW, NOW)


OLD = deployment(1, definition=ONE, status="ACTIVE")


@pytest.mark.parametrize(
    ("seen", "known", "state"),
    [
        pytest.param(service(deployment()), entry("SUCCESSFUL"), "completed", id="completed"),
        pytest.param(service(deployment()), None, "completed", id="completed_without_history"),
        pytest.param(service(deployment()), entry("IN_PROGRESS"), "in progress", id="the_history_is_not_done"),
        pytest.param(service(deployment()), entry("ROLLBACK_SUCCESSFUL"), "rolled back", id="history_says_otherwise"),
        pytest.param(service(deployment()), entry("ROLLBACK_SUCCESSFUL", 9), "completed", id="anothers_history"),
        pytest.param(service(deployment(state="IN_PROGRESS"), OLD), None, "in progress", id="under_way"),
        pytest.param(service(deployment(), OLD), None, "in progress", id="old_tasks_are_left"),
        pytest.param(service(deployment(), running=2), None, "in progress", id="a_task_is_missing"),
        pytest.param(service(deployment(state="FAILED"), OLD), None, "failed", id="the_breaker_gave_it_up"),
        pytest.param(service(deployment(state="IN_PROGRESS", failed=3), OLD), None, "failing", id="no_breaker_ends_it"),
        pytest.param(service(deployment(state="IN_PROGRESS", failed=9), OLD, breaker=True), None, "in progress",
                     id="the_breaker_will_end_it"),
        pytest.param(service(deployment(1, definition=ONE)), entry("ROLLBACK_SUCCESSFUL"), "rolled back",
                     id="stable_again_but_taken_back"),
        pytest.param(service(deployment(3)), entry("IN_PROGRESS", 3), "replaced", id="somebody_elses_deployment"),
        pytest.param(service(deployment(definition=ONE)), None, "replaced", id="another_definition"),
        pytest.param(service(deployment(), status="DRAINING"), None, "failed", id="deleted_meanwhile"),
        pytest.param(service(deployment(state="")), None, "completed", id="classic_load_balancer_steady"),
    ],
)
def test_judges_a_deployment(seen: Service, known: ServiceDeployment | None, state: str) -> None:
    assert judge(seen, NEW, known).state == state


def test_tells_how_far_a_deployment_is() -> None:
    verdict = judge(service(deployment(state="IN_PROGRESS", running=2), OLD), NEW, None)

    assert verdict.reason == "2 of 3 new tasks run, 1 old"


FAILED_TASK = StoppedTask("t", TWO, "ecs-svc/2", "EssentialContainerExited", "exited", "", ())
SCALED_IN = StoppedTask("t", TWO, "ecs-svc/2", "ServiceSchedulerInitiated", "Scaling activity", "", ())


@pytest.mark.parametrize(
    ("running", "stopped", "state"),
    [
        pytest.param(2, [], "timed out", id="only_slow"),
        pytest.param(0, [SCALED_IN] * 5, "timed out", id="tasks_were_stopped_on_purpose"),
        pytest.param(2, [FAILED_TASK], "timed out", id="one_failure_beside_running_tasks"),
        pytest.param(0, [FAILED_TASK], "failing", id="nothing_runs_and_tasks_fail"),
        pytest.param(2, [FAILED_TASK] * 3, "failing", id="tasks_fail_after_they_came_up"),
    ],
)
def test_tells_a_slow_deployment_from_a_failing_one(running: int, stopped: list[StoppedTask], state: str) -> None:
    moving = Verdict("in progress", "1 of 3", service(deployment(state="IN_PROGRESS", running=running), OLD))

    assert after_time(600, moving, stopped) == (
        state, "not completed when time was up (wait_timeout 600 s): 1 of 3")


@pytest.mark.parametrize(
    ("seen", "way", "back"),
    [
        (service(deployment(1, definition=ONE)), Way("", ONE), True),
        (service(deployment(2, definition=ONE)), Way("", ONE), False),
        (service(deployment(1, definition=TWO)), Way("", ONE), False),
        (service(deployment(1, definition=ONE, state="IN_PROGRESS")), Way("", ONE), False),
        (service(deployment(1, definition=ONE), running=1), Way("", ONE), False),
        (service(deployment(5, definition=ONE)), Way("", ONE, "ecs-svc/5"), True),
        (service(deployment(6, definition=ONE)), Way("", ONE, "ecs-svc/5"), False),
    ],
)
def test_knows_when_a_service_is_back(seen: Service, way: Way, back: bool) -> None:
    assert is_back(seen, "ecs-svc/2", way) is back


def revision(**images: tuple[str, str]) -> Revision:
    return Revision("arn:r", ONE, {name: Image(*image) for name, image in images.items()})


STABLE = revision(app=("shop:stable", "sha256:aa"), log=("log:1", "sha256:11"))
PINNED = {"app": "shop@sha256:aa", "log": "log@sha256:11"}


@pytest.mark.parametrize(
    ("recorded", "latest", "forced", "expected"),
    [
        pytest.param(STABLE, revision(app=("shop:stable", "sha256:bb"), log=("log:1", "sha256:11")), True, PINNED,
                     id="a_tag_was_moved"),
        pytest.param(STABLE, revision(app=("shop:stable", ""), log=("log:1", "sha256:11")), True, PINNED,
                     id="the_tag_cannot_be_pulled"),
        pytest.param(STABLE, STABLE, True, {}, id="every_tag_is_as_it_was"),
        pytest.param(STABLE, None, True, PINNED, id="nobody_knows_and_only_the_image_can_have_changed"),
        pytest.param(STABLE, None, False, {}, id="nobody_knows_and_the_definition_is_another"),
        pytest.param(STABLE, revision(app=("shop:v2", "sha256:bb")), False, {}, id="another_reference"),
        pytest.param(revision(app=("shop@sha256:aa", "sha256:aa")), None, True, {}, id="pinned_already"),
        pytest.param(revision(app=("shop:stable", "")), None, True, {}, id="nothing_recorded"),
    ],
)
def test_pins_images_only_where_the_definition_would_not_give_the_same(
    recorded: Revision, latest: Revision | None, forced: bool, expected: dict[str, str]
) -> None:
    assert pinned_images(recorded, latest, forced) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("shop", "shop@sha256:aa"), ("shop:stable", "shop@sha256:aa"), ("host:5000/a/shop", "host:5000/a/shop@sha256:aa"),
     ("host:5000/shop:v1", "host:5000/shop@sha256:aa"), ("host/shop:v1@sha256:bb", "host/shop@sha256:aa")],
)
def test_names_an_image_by_digest(reference: str, expected: str) -> None:
    assert pinned(Image(reference, "sha256:aa")) == expected


@pytest.fixture
def ecs() -> Any:
    return boto3.client("ecs", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")


def test_reads_all_pages_of_a_history_newest_first(ecs: Any) -> None:
    def page(number: int) -> dict[str, Any]:
        return {"serviceDeploymentArn": f"arn:d{number}", "status": "SUCCESSFUL", "createdAt": NOW.replace(day=number)}

    asked = {"cluster": "shop", "service": "orders", "maxResults": 100}
    with Stubber(ecs) as stub:
        stub.add_response("list_service_deployments", {"serviceDeployments": [page(3)], "nextToken": "more"}, asked)
        stub.add_response("list_service_deployments", {"serviceDeployments": [page(5)]}, {**asked, "nextToken": "more"})
        history = read_history(lambda _service: ecs, "shop", "orders")

    assert [item.arn for item in history.entries] == ["arn:d5", "arn:d3"]
    assert history.offered is True


def test_a_history_that_aws_does_not_offer_is_said_to_be_none(ecs: Any) -> None:
    with Stubber(ecs) as stub:
        stub.add_client_error("list_service_deployments", "UnsupportedFeatureException", "not for this controller")
        history = read_history(lambda _service: ecs, "shop", "orders")

    assert (history.offered, history.newest) == (False, None)


def test_a_history_that_may_not_be_read_is_an_error(ecs: Any) -> None:
    with Stubber(ecs) as stub:
        stub.add_client_error("list_service_deployments", "AccessDeniedException", "no")
        with pytest.raises(Denied):
            read_history(lambda _service: ecs, "shop", "orders")


def shape(*deployments: tuple[int, str, str, str]) -> dict[str, Any]:
    """DescribeServices of an account without service revisions: id, status, rollout state, task definition."""
    return {"serviceName": "orders", "serviceArn": "arn", "status": "ACTIVE", "desiredCount": 3, "runningCount": 3,
            "taskDefinition": deployments[0][3], "deployments": [
                {"id": f"ecs-svc/{number}", "status": status, "rolloutState": state, "taskDefinition": definition}
                for number, status, state, definition in deployments]}


def failed_rollout(ecs: Any, before: str) -> Rollout:
    """A run whose deployment of TWO failed, after one of `before` was completed that AWS keeps no revision of."""
    request = Request("shop", ("orders",))
    candidate = Candidate(service(deployment(1, definition=before)), History("orders", offered=False),
                          Completed(before, None))
    given_up = Verdict(GIVEN_UP, "", service(deployment(state="FAILED"), OLD))
    return Rollout(lambda _service: ecs, lambda _service: ecs, Run(), request, {"orders": candidate},
                   {"orders": NEW}, {"orders": given_up})


def test_goes_back_to_the_earlier_definition_where_aws_keeps_no_revisions(ecs: Any) -> None:
    failed, old = (2, "PRIMARY", "FAILED", TWO), (1, "ACTIVE", "COMPLETED", ONE)
    with Stubber(ecs) as stub:
        stub.add_response("describe_services", {"services": [shape(failed, old)]})
        stub.add_response("update_service", {"service": shape((3, "PRIMARY", "IN_PROGRESS", ONE), old)},
                          {"cluster": "shop", "service": "orders", "taskDefinition": ONE})
        stub.add_response("describe_services", {"services": [shape((3, "PRIMARY", "COMPLETED", ONE))]})
        recovery = go_back(failed_rollout(ecs, ONE))
        stub.assert_no_pending_responses()

    assert recovery.summary == ("orders: rolled back by a new deployment of orders:1; now orders:1 runs "
                                "(deployment ecs-svc/3 is COMPLETED), 3 of 3 tasks")
    assert [item.ok for item in recovery.evidence] == [True]


def test_says_why_there_is_no_way_back_from_a_forced_deployment_without_a_record(ecs: Any) -> None:
    with Stubber(ecs) as stub:
        stub.add_response("describe_services", {"services": [shape((2, "PRIMARY", "FAILED", TWO))]})
        recovery = go_back(failed_rollout(ecs, TWO))

    assert "not rolled back, because the last completed deployment had the same task definition" in recovery.summary
    assert "left no record of its images" in recovery.summary
