"""The lab's ECS when deployments fail, are stopped or looked back at, over HTTP. Each of these fails on moto alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.support.ecs_lab import (
    BREAKER,
    CANNOT_PULL,
    CLUSTER,
    IMAGE,
    QUICK,
    SLOW,
    EcsLab,
    code_of,
    messages,
    running_ecs_lab,
)
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EcsLab]:
    """A lab's AWS for this module."""
    with running_ecs_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def slow(lab: EcsLab) -> Iterator[None]:
    """Tasks start slowly during this test, so that what happens meanwhile can be seen on a busy machine too."""
    lab.pace(SLOW)
    yield
    lab.pace(QUICK)


@pytest.mark.usefixtures("slow")
def test_a_failed_deployment_is_rolled_back_to_the_resolved_image(lab: EcsLab) -> None:
    name = lab.steady(desired=3, deploymentConfiguration=BREAKER)
    [first] = lab.deployments(name)
    good = lab.service(name)["deployments"][0]
    digest = lab.revision(first["targetServiceRevision"]["arn"])["containerImages"][0]["imageDigest"]
    lab.fail(name, CANNOT_PULL)
    bad = lab.update(name, forceNewDeployment=True)["deployments"][0]
    rolling = eventually(lambda: [d for d in lab.deployments(name) if d["status"] == "ROLLBACK_IN_PROGRESS"], 10)[0]
    assert (rolling["rollback"]["serviceRevisionArn"]) == first["targetServiceRevision"]["arn"]
    failed = lab.service(name)["deployments"]
    assert [(entry["id"], entry["rolloutState"]) for entry in failed] == [
        (good["id"], "IN_PROGRESS"),
        (bad["id"], "FAILED"),
    ]
    lab.wait(name)
    service = lab.service(name)
    assert (service["deployments"][0]["id"], service["runningCount"]) == (good["id"], 3)
    newest = lab.deployments(name)[0]
    assert newest["status"] == "ROLLBACK_SUCCESSFUL"
    assert newest["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    assert newest["sourceServiceRevisions"][0]["arn"] == first["targetServiceRevision"]["arn"]
    # The tag still fails, but a task of the old revision is replaced from its digest.
    lab.ecs.stop_task(cluster=CLUSTER, task=lab.tasks(name)[0]["taskArn"])
    lab.wait(name)
    assert {task["containers"][0]["imageDigest"] for task in lab.tasks(name)} == {digest}
    text = "\n".join(messages(service))
    assert f"(deployment {bad['id']}) deployment failed: tasks failed to start." in text
    assert f"rolling back to deployment {good['id']}." in text


def test_a_failed_deployment_without_rollback_stays_failed_beside_the_old_tasks(lab: EcsLab) -> None:
    name = lab.steady(deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}})
    lab.fail(name, CANNOT_PULL)
    lab.update(name, forceNewDeployment=True)
    eventually(lambda: lab.service(name)["deployments"][0]["rolloutState"] == "FAILED", 10)
    waiter = lab.ecs.get_waiter("services_stable")
    with pytest.raises(WaiterError):
        waiter.wait(cluster=CLUSTER, services=[name], WaiterConfig={"Delay": 0.05, "MaxAttempts": 10})
    service = lab.service(name)
    assert (service["runningCount"], len(service["deployments"])) == (2, 2)
    assert lab.deployments(name)[0]["status"] == "STOPPED"


def test_without_a_breaker_a_failing_deployment_goes_on_failing(lab: EcsLab) -> None:
    name = lab.steady()
    lab.fail(name, CANNOT_PULL)
    lab.update(name, forceNewDeployment=True)
    eventually(lambda: lab.service(name)["deployments"][0]["failedTasks"] >= 4, 10)
    primary = lab.service(name)["deployments"][0]
    assert (primary["rolloutState"], lab.service(name)["runningCount"]) == ("IN_PROGRESS", 2)
    assert lab.deployments(name)[0]["deploymentCircuitBreaker"]["status"] == "DISABLED"
    stopped = lab.tasks(name, "STOPPED")[0]
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("TaskFailedToStart", CANNOT_PULL)
    assert stopped["containers"][0]["reason"] == CANNOT_PULL
    assert "imageDigest" not in stopped["containers"][0]


def test_a_container_out_of_memory_says_so(lab: EcsLab) -> None:
    name = lab.steady()
    reason = "OutOfMemoryError: Container killed due to memory usage"
    lab.fail(name, reason)
    lab.update(name, forceNewDeployment=True)
    task = eventually(lambda: lab.tasks(name, "STOPPED"), 10)[0]
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert (task["containers"][0]["exitCode"], task["containers"][0]["reason"]) == (137, reason)


@pytest.mark.usefixtures("slow")
def test_service_deployments_are_listed_by_status_time_and_page(lab: EcsLab) -> None:
    lab.pace(QUICK)
    name = lab.steady(age_days=6)
    for _ in range(3):
        lab.update(name, forceNewDeployment=True)
        lab.wait(name)
    lab.pace(SLOW)
    lab.update(name, forceNewDeployment=True)
    list_deployments = lab.ecs.list_service_deployments
    first = list_deployments(cluster=CLUSTER, service=name, maxResults=2)
    second = list_deployments(cluster=CLUSTER, service=name, maxResults=2, nextToken=first["nextToken"])
    third = list_deployments(cluster=CLUSTER, service=name, maxResults=2, nextToken=second["nextToken"])
    assert "nextToken" not in third
    pages = (first, second, third)
    listed = [entry["serviceDeploymentArn"] for page in pages for entry in page["serviceDeployments"]]
    assert len(set(listed)) == 5
    done = list_deployments(cluster=CLUSTER, service=name, status=["SUCCESSFUL"])["serviceDeployments"]
    assert len(done) == 4
    assert done[0]["finishedAt"] >= done[0]["startedAt"] >= done[0]["createdAt"]
    yesterday = datetime.now(UTC) - timedelta(days=1)
    recent = list_deployments(cluster=CLUSTER, service=name, createdAt={"after": yesterday})["serviceDeployments"]
    older = list_deployments(cluster=CLUSTER, service=name, createdAt={"before": yesterday})["serviceDeployments"]
    assert (len(recent), len(older)) == (4, 1)
    assert recent[0]["status"] in ("PENDING", "IN_PROGRESS")
    assert lab.service(name)["currentServiceDeployment"] == recent[0]["serviceDeploymentArn"]


def test_unknown_deployments_and_revisions_are_failures(lab: EcsLab) -> None:
    name = lab.steady()
    known = lab.deployments(name)[0]["serviceDeploymentArn"]
    unknown = known.rpartition("/")[0] + "/unknown"
    reply = lab.ecs.describe_service_deployments(serviceDeploymentArns=[known, unknown])
    assert (len(reply["serviceDeployments"]), reply["failures"][0]["reason"]) == (1, "MISSING")
    revision = unknown.replace("service-deployment", "service-revision")
    reply = lab.ecs.describe_service_revisions(serviceRevisionArns=[revision])
    assert reply["failures"] == [{"arn": revision, "reason": "MISSING"}]
    assert code_of(lab.ecs.stop_service_deployment, serviceDeploymentArn=unknown) == "ServiceDeploymentNotFoundException"
    assert code_of(lab.ecs.stop_service_deployment, serviceDeploymentArn="x") == "InvalidParameterException"


@pytest.mark.usefixtures("slow")
def test_a_deployment_in_progress_is_stopped_with_a_rollback(lab: EcsLab) -> None:
    name = lab.steady()
    good = lab.service(name)["deployments"][0]["id"]
    lab.fail(name, CANNOT_PULL)
    arn = lab.update(name, forceNewDeployment=True)["currentServiceDeployment"]
    assert lab.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")["serviceDeploymentArn"] == arn
    eventually(lambda: lab.deployments(name)[0]["status"] == "ROLLBACK_SUCCESSFUL", 10)
    assert lab.service(name)["deployments"][0]["id"] == good
    assert code_of(lab.ecs.stop_service_deployment, serviceDeploymentArn=arn) == "ConflictException"


@pytest.mark.usefixtures("slow")
def test_a_deployment_in_progress_is_aborted(lab: EcsLab) -> None:
    name = lab.steady()
    arn = lab.update(name, forceNewDeployment=True)["currentServiceDeployment"]
    lab.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ABORT")
    assert lab.deployments(name)[0]["status"] in ("STOP_REQUESTED", "STOPPED")
    eventually(lambda: lab.deployments(name)[0]["status"] == "STOPPED", 10)
    assert lab.service(name)["runningCount"] == 2


@pytest.mark.usefixtures("slow")
def test_a_first_deployment_cannot_be_rolled_back(lab: EcsLab) -> None:
    arn = lab.service(lab.create())["currentServiceDeployment"]
    assert code_of(lab.ecs.stop_service_deployment, serviceDeploymentArn=arn) == "ClientException"


def test_a_settled_service_is_as_old_as_asked_and_can_be_backdated(lab: EcsLab) -> None:
    name = lab.steady(age_days=6)
    service, [deployment] = lab.service(name), lab.deployments(name)
    six_days = datetime.now(UTC) - timedelta(days=6)
    for moment in (deployment["finishedAt"], service["deployments"][0]["updatedAt"], lab.tasks(name)[0]["startedAt"]):
        assert abs(moment - six_days) < timedelta(minutes=1)
    assert (service["runningCount"], deployment["status"]) == (2, "SUCCESSFUL")
    assert len(service["events"]) > 20
    body = {"kind": "ecs-deployment", "name": f"{CLUSTER}/{name}", "days": 2}
    assert lab.control("backdate", body)[0] == 200
    [older] = lab.deployments(name)
    assert deployment["finishedAt"] - older["finishedAt"] == timedelta(days=2)


@pytest.mark.parametrize(
    ("route", "body", "complaint"),
    [
        ("ecs/settle", {"cluster": CLUSTER, "service": "ghost", "age_days": 1}, f"no ECS service {CLUSTER}/ghost"),
        ("ecs/settle", {"cluster": CLUSTER}, "ecs/settle needs age_days, service"),
        ("ecs/settle", {"cluster": CLUSTER, "service": "ghost", "age_days": "old"}, "age_days must be a number"),
        ("ecs/settings", {"task_seconds": 0}, "a number above 0"),
        ("ecs/settings", {"seconds": 1}, "a number above 0"),
        ("ecs/failing-images", {"image": "x"}, 'needs "image"'),
        ("ecs/failing-images", {"image": "never-failed", "reason": None}, "does not fail"),
        ("backdate", {"kind": "ecs-deployment", "name": f"{CLUSTER}/ghost", "days": 1}, "no ECS service"),
        ("backdate", {"kind": "ecs-deployment", "name": "ghost", "days": 1}, "<cluster>/<service>"),
    ],
)
def test_control_routes_refuse_what_they_cannot_do(lab: EcsLab, route: str, body: dict[str, Any], complaint: str) -> None:
    status, answer = lab.control(route, body)
    assert status == 400
    assert complaint in answer["error"]


def test_the_pace_can_be_changed(lab: EcsLab) -> None:
    lab.pace(30)
    try:
        name = lab.create()
        assert lab.service(name)["deployments"][0]["rolloutState"] == "IN_PROGRESS"
        lab.control("ecs/settle", {"cluster": CLUSTER, "service": name, "age_days": 0})
        assert lab.service(name)["runningCount"] == 2
    finally:
        lab.pace(QUICK)


@pytest.mark.usefixtures("slow")
def test_concurrent_updates_each_get_a_deployment(lab: EcsLab) -> None:
    name = lab.steady()
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: lab.update(name, forceNewDeployment=True), range(8)))
    ids = {answer["deployments"][0]["id"] for answer in answers}
    assert len(ids) == 8
    lab.pace(QUICK)
    lab.wait(name)
    assert lab.service(name)["deployments"][0]["id"] in ids
    assert [entry["status"] for entry in lab.deployments(name)].count("STOPPED") == 7


def test_a_reset_forgets_services_and_failing_images(lab: EcsLab) -> None:
    name = lab.steady()
    lab.fail(name, CANNOT_PULL)
    assert lab.control("reset", {})[0] == 200
    assert code_of(lab.ecs.describe_services, cluster=CLUSTER, services=[name]) == "ClusterNotFoundException"
    lab.ecs.create_cluster(clusterName=CLUSTER)
    assert lab.ecs.describe_services(cluster=CLUSTER, services=[name])["failures"][0]["reason"] == "MISSING"
    lab.register(name, f"{IMAGE}:{name}")
    lab.ecs.create_service(cluster=CLUSTER, serviceName=name, taskDefinition=name, desiredCount=1)
    lab.wait(name)


def test_healing_an_image_changes_nothing_that_already_happened(lab: EcsLab) -> None:
    name = lab.steady(deploymentConfiguration=BREAKER, desired=3)
    lab.fail(name, CANNOT_PULL)
    lab.update(name, forceNewDeployment=True)
    # Nobody looks while the deployment fails; what is due is worked out when the image is healed.
    due = time.monotonic() + 0.5
    eventually(lambda: time.monotonic() > due, 10)
    lab.fail(name, None)
    lab.wait(name)
    assert lab.deployments(name)[0]["status"] == "ROLLBACK_SUCCESSFUL"
