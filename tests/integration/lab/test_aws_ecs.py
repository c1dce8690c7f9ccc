"""The lab's ECS services and tasks over HTTP with boto3. Each of these fails on moto alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ecs_lab import (
    BREAKER,
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
def test_a_created_service_rolls_out_in_real_time(lab: EcsLab) -> None:
    begun = time.monotonic()
    name = lab.create(desired=3)
    assert lab.service(name)["runningCount"] == 0
    assert lab.service(name)["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    lab.wait(name)
    assert time.monotonic() - begun >= SLOW
    service = lab.service(name)
    assert (service["runningCount"], service["pendingCount"], service["desiredCount"]) == (3, 0, 3)
    assert {task["lastStatus"] for task in lab.tasks(name)} == {"RUNNING"}


def test_inputs_are_kept_in_the_output(lab: EcsLab) -> None:
    name = lab.steady(
        deploymentConfiguration={**BREAKER, "minimumHealthyPercent": 50},
        healthCheckGracePeriodSeconds=30,
        enableExecuteCommand=True,
        tags=[{"key": "team", "value": "shop"}],
    )
    lab.update(name, deploymentConfiguration={"maximumPercent": 150})
    service = lab.service(name)
    configuration = service["deploymentConfiguration"]
    assert configuration["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert (configuration["minimumHealthyPercent"], configuration["maximumPercent"]) == (50, 150)
    assert (service["healthCheckGracePeriodSeconds"], service["enableExecuteCommand"]) == (30, True)
    assert len(lab.deployments(name)) == 1
    assert "tags" not in service
    tagged = lab.ecs.describe_services(cluster=CLUSTER, services=[name], include=["TAGS"])["services"][0]
    assert tagged["tags"] == [{"key": "team", "value": "shop"}]


def test_a_forced_deployment_rolls_and_the_stable_waiter_waits_for_it(lab: EcsLab) -> None:
    name = lab.steady()
    before = lab.service(name)["deployments"][0]
    answer = lab.update(name, forceNewDeployment=True)
    new, old = answer["deployments"]
    assert (new["status"], old["status"], old["id"]) == ("PRIMARY", "ACTIVE", before["id"])
    assert new["id"].startswith("ecs-svc/")
    assert new["id"] != old["id"]
    assert new["taskDefinition"] == old["taskDefinition"]
    assert new["taskDefinition"].startswith("arn:aws:ecs:")
    lab.wait(name)
    service = lab.service(name)
    [only] = service["deployments"]
    assert (only["id"], only["rolloutState"], only["runningCount"]) == (new["id"], "COMPLETED", 2)
    assert only["rolloutStateReason"] == f"ECS deployment {new['id']} completed."
    assert {task["startedBy"] for task in lab.tasks(name)} == {new["id"]}
    stopped = lab.tasks(name, "STOPPED")
    assert {task["stopCode"] for task in stopped} == {"ServiceSchedulerInitiated"}
    assert messages(service)[-2:] == [f"(deployment {new['id']}) deployment completed.", "has reached a steady state."]
    assert any(message.startswith("has started 2 tasks: (task ") for message in messages(service))


def test_a_new_revision_is_deployed_and_named_by_its_full_arn(lab: EcsLab) -> None:
    name = lab.steady()
    arn = lab.register(name, f"{IMAGE}:{name}-2")
    assert lab.update(name, taskDefinition=f"{name}:2")["taskDefinition"] == arn
    lab.wait(name)
    assert {task["taskDefinitionArn"] for task in lab.tasks(name)} == {arn}
    assert len(lab.deployments(name)) == 2
    lab.update(name, taskDefinition=f"{name}:2")
    assert len(lab.deployments(name)) == 2


def test_scaling_is_no_deployment_and_takes_time(lab: EcsLab) -> None:
    name = lab.steady()
    answer = lab.update(name, desiredCount=5)
    assert (answer["desiredCount"], answer["runningCount"]) == (5, 2)
    assert answer["deployments"][0]["desiredCount"] == 5
    lab.wait(name)
    assert len(lab.tasks(name)) == 5
    lab.update(name, desiredCount=0)
    lab.wait(name)
    assert lab.tasks(name) == []
    assert len(lab.deployments(name)) == 1


def test_a_stopped_task_is_replaced(lab: EcsLab) -> None:
    name = lab.steady()
    victim = lab.tasks(name)[0]["taskArn"]
    answer = lab.ecs.stop_task(cluster=CLUSTER, task=victim, reason="by hand")["task"]
    assert (answer["desiredStatus"], answer["stoppedReason"]) == ("STOPPED", "by hand")
    assert victim not in lab.ecs.list_tasks(cluster=CLUSTER, serviceName=name)["taskArns"]
    lab.wait(name)
    assert len(lab.tasks(name)) == 2
    [stopped] = lab.tasks(name, "STOPPED")
    assert (stopped["taskArn"], stopped["stopCode"]) == (victim, "UserInitiated")
    lab.ecs.get_waiter("tasks_stopped").wait(cluster=CLUSTER, tasks=[victim], WaiterConfig={"Delay": 0.05})


def test_tasks_are_listed_by_filter_and_page(lab: EcsLab) -> None:
    name = lab.steady(desired=5)
    deployment = lab.service(name)["deployments"][0]["id"]
    pages = list(lab.ecs.get_paginator("list_tasks").paginate(cluster=CLUSTER, serviceName=name, maxResults=2))
    assert [len(page["taskArns"]) for page in pages] == [2, 2, 1]
    everything = {arn for page in pages for arn in page["taskArns"]}
    assert set(lab.ecs.list_tasks(cluster=CLUSTER, startedBy=deployment)["taskArns"]) == everything
    assert set(lab.ecs.list_tasks(cluster=CLUSTER, family=name)["taskArns"]) == everything
    assert lab.ecs.list_tasks(cluster=CLUSTER, family=f"{name}-other")["taskArns"] == []
    assert code_of(lab.ecs.list_tasks, cluster=CLUSTER, serviceName=name, maxResults=101) == "InvalidParameterException"
    assert code_of(lab.ecs.list_tasks, cluster=CLUSTER, serviceName=name, nextToken="x") == "InvalidParameterException"
    assert code_of(lab.ecs.list_tasks, cluster=CLUSTER, serviceName="ghost") == "ServiceNotFoundException"


def test_an_unknown_task_is_a_failure(lab: EcsLab) -> None:
    reply = lab.ecs.describe_tasks(cluster=CLUSTER, tasks=["0" * 32])
    [failure] = reply["failures"]
    assert (reply["tasks"], failure["reason"]) == ([], "MISSING")
    assert failure["arn"].endswith(f":task/{CLUSTER}/{'0' * 32}")


def test_a_task_of_run_task_keeps_running_and_is_listed(lab: EcsLab) -> None:
    lab.register("job")
    [task] = lab.ecs.run_task(cluster=CLUSTER, taskDefinition="job", launchType="FARGATE", startedBy="tester")["tasks"]
    for _ in range(3):
        [seen] = lab.ecs.describe_tasks(cluster=CLUSTER, tasks=[task["taskArn"]])["tasks"]
        assert seen["lastStatus"] == "RUNNING"
    assert lab.ecs.list_tasks(cluster=CLUSTER, startedBy="tester")["taskArns"] == [task["taskArn"]]
    lab.ecs.stop_task(cluster=CLUSTER, task=task["taskArn"], reason="done")
    assert lab.ecs.list_tasks(cluster=CLUSTER, startedBy="tester")["taskArns"] == []


def test_a_deleted_service_drains_and_becomes_inactive(lab: EcsLab) -> None:
    name = lab.steady()
    assert code_of(lab.ecs.delete_service, cluster=CLUSTER, service=name) == "InvalidParameterException"
    answer = lab.ecs.delete_service(cluster=CLUSTER, service=name, force=True)["service"]
    assert (answer["status"], answer["desiredCount"]) == ("DRAINING", 0)
    lab.wait(name, "services_inactive")
    assert lab.tasks(name) == []
    listed = [
        arn for page in lab.ecs.get_paginator("list_services").paginate(cluster=CLUSTER) for arn in page["serviceArns"]
    ]
    assert answer["serviceArn"] not in listed
    assert code_of(lab.ecs.update_service, cluster=CLUSTER, service=name, desiredCount=1) == "ServiceNotActiveException"


def test_errors_name_what_is_missing(lab: EcsLab) -> None:
    name = lab.steady()
    update = lab.ecs.update_service
    assert code_of(update, cluster=CLUSTER, service=name, taskDefinition=f"{name}:99") == "ClientException"
    assert code_of(update, cluster=CLUSTER, service=name, taskDefinition="ghost") == "ClientException"
    assert code_of(update, cluster=CLUSTER, service="ghost", desiredCount=1) == "ServiceNotFoundException"
    assert code_of(update, cluster="ghost", service=name, desiredCount=1) == "ClusterNotFoundException"
    create = {"cluster": CLUSTER, "serviceName": name, "taskDefinition": name, "desiredCount": 1}
    assert code_of(lab.ecs.create_service, **create) == "InvalidParameterException"
    lab.register(name)
    lab.ecs.deregister_task_definition(taskDefinition=f"{name}:2")
    assert code_of(update, cluster=CLUSTER, service=name, taskDefinition=f"{name}:2") == "ClientException"
    [failure] = lab.ecs.describe_services(cluster=CLUSTER, services=["ghost"])["failures"]
    assert failure["reason"] == "MISSING"
    eleven = [f"s{number}" for number in range(11)]
    assert code_of(lab.ecs.describe_services, cluster=CLUSTER, services=eleven) == "InvalidParameterException"


def test_clusters_count_what_is_there(lab: EcsLab) -> None:
    lab.ecs.create_cluster(clusterName="counted")
    lab.register("counted")
    create = {"cluster": "counted", "taskDefinition": "counted", "desiredCount": 3}
    for name in ("one", "two"):
        lab.ecs.create_service(serviceName=name, **create)
        lab.control("ecs/settle", {"cluster": "counted", "service": name, "age_days": 0})
    lab.ecs.update_service(cluster="counted", service="two", desiredCount=4)
    eventually(lambda: _cluster(lab)["runningTasksCount"] == 7, 10)
    assert (_cluster(lab)["activeServicesCount"], _cluster(lab)["pendingTasksCount"]) == (2, 0)


def _cluster(lab: EcsLab) -> dict[str, Any]:
    return dict(lab.ecs.describe_clusters(clusters=["counted"])["clusters"][0])


def test_services_are_listed_ten_a_page(lab: EcsLab) -> None:
    lab.ecs.create_cluster(clusterName="wide")
    lab.register("wide")
    for number in range(12):
        lab.ecs.create_service(cluster="wide", serviceName=f"s{number:02}", taskDefinition="wide", desiredCount=0)
    first = lab.ecs.list_services(cluster="wide")
    assert len(first["serviceArns"]) == 10
    rest = lab.ecs.list_services(cluster="wide", nextToken=first["nextToken"])
    assert (len(rest["serviceArns"]), "nextToken" in rest) == (2, False)


def test_task_definitions_are_sorted_by_number_and_paged(lab: EcsLab) -> None:
    arns = [lab.register("sorted") for _ in range(12)]
    lab.register("sorted-other")
    newest = lab.ecs.list_task_definitions(familyPrefix="sorted", sort="DESC", maxResults=3)
    assert newest["taskDefinitionArns"] == arns[:-4:-1]
    pages = lab.ecs.get_paginator("list_task_definitions").paginate(familyPrefix="sorted", maxResults=5)
    assert [arn for page in pages for arn in page["taskDefinitionArns"]] == arns
    lab.ecs.deregister_task_definition(taskDefinition="sorted:12")
    inactive = lab.ecs.list_task_definitions(familyPrefix="sorted", status="INACTIVE")["taskDefinitionArns"]
    assert inactive == arns[-1:]
    assert lab.ecs.describe_task_definition(taskDefinition="sorted")["taskDefinition"]["revision"] == 11


@pytest.mark.parametrize("sort", ["ASC", "DESC"])
def test_deregistering_between_two_pages_skips_and_repeats_nothing(lab: EcsLab, sort: str) -> None:
    family = f"pruned-{sort.lower()}"
    arns = [lab.register(family) for _ in range(12)]
    expected = arns if sort == "ASC" else arns[::-1]
    list_definitions = lab.ecs.list_task_definitions
    first = list_definitions(familyPrefix=family, sort=sort, maxResults=5)
    for arn in first["taskDefinitionArns"]:
        lab.ecs.deregister_task_definition(taskDefinition=arn)
    rest = list_definitions(familyPrefix=family, sort=sort, nextToken=first["nextToken"])
    assert first["taskDefinitionArns"] + rest["taskDefinitionArns"] == expected
