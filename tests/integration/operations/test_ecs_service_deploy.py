"""ecs_service_deploy against the lab's AWS: check, run, run again, what may go wrong, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import carried_out, changing
from tests.support.waiting import eventually

MODULE = "ecs_service_deploy"
CANNOT_PULL = "CannotPullContainerError: pull image manifest has been retried 5 time(s): not found"
BREAKER = {"enable": True, "rollback": True}
NO_ROLLBACK = {"enable": True, "rollback": False}
NO_BREAKER = {"enable": False, "rollback": False}


class Shop:
    """A cluster of the lab with services of the test's own."""

    def __init__(self, aws: Aws, cluster: str) -> None:
        self.aws, self.cluster, self.ecs = aws, cluster, aws.client("ecs")
        self.ecs.create_cluster(clusterName=cluster)
        aws.control("ecs/settings", {"task_seconds": 0.15})

    def image(self, name: str) -> str:
        return f"registry.example:5000/{self.cluster}-{name}:stable"

    def register(self, name: str, image: str = "") -> str:
        container = {"name": "app", "image": image or self.image(name), "memory": 128, "essential": True,
                     "environment": [{"name": "PASSWORD", "value": "canary-in-the-environment"}]}
        reply = self.ecs.register_task_definition(family=f"{self.cluster}-{name}", containerDefinitions=[container],
                                                  tags=[{"key": "team", "value": "shop"}])
        return str(reply["taskDefinition"]["taskDefinitionArn"])

    def service(self, name: str, desired: int = 3, breaker: dict[str, bool] | None = None, days: float = 6) -> str:
        """A steady service whose last deployment was completed some days ago."""
        self.register(name)
        self.ecs.create_service(
            cluster=self.cluster, serviceName=name, taskDefinition=f"{self.cluster}-{name}:1", desiredCount=desired,
            deploymentConfiguration={"deploymentCircuitBreaker": breaker or BREAKER})
        self.aws.control("ecs/settle", {"cluster": self.cluster, "service": name, "age_days": days})
        return name

    def break_image(self, image: str, reason: str | None = CANNOT_PULL) -> None:
        self.aws.control("ecs/failing-images", {"image": image, "reason": reason})

    def see(self, name: str) -> dict[str, Any]:
        return dict(self.ecs.describe_services(cluster=self.cluster, services=[name])["services"][0])

    def history(self, name: str) -> list[str]:
        entries = self.ecs.list_service_deployments(cluster=self.cluster, service=name)["serviceDeployments"]
        return [entry["status"] for entry in entries]

    def digests(self, name: str) -> set[str]:
        arns = self.ecs.list_tasks(cluster=self.cluster, serviceName=name)["taskArns"]
        tasks = self.ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"]
        return {container["imageDigest"] for task in tasks for container in task["containers"]}


@pytest.fixture
def shop(aws: Aws, unique: str) -> Shop:
    return Shop(aws, unique)


def names(calls: list[dict[str, Any]]) -> list[str]:
    return [call["action"] for call in carried_out(calls)]


def test_check_then_run_then_run_again_within_the_age(aws: Aws, operate: Operate, shop: Shop) -> None:
    wanted = {"cluster": shop.cluster, "services": [shop.service("orders"), shop.service("stock", 2)],
              "not_within": "20h"}
    with aws.calls() as calls:
        checked = operate(MODULE, check_mode=True, diff=True, **wanted)
    assert changing(calls) == []
    assert checked["changed"] is True
    assert [entry["before_header"] for entry in checked["diff"]] == [
        f"ecs-service:{shop.cluster}/{name} (deploy)" for name in ("orders", "stock")]
    assert shop.history("orders") == ["SUCCESSFUL"]

    with aws.calls() as calls:
        done = operate(MODULE, **wanted)
    assert done.get("failed", False) is False, done.get("msg")
    assert done["changed"] is True
    assert done["plan_digest"] == checked["plan_digest"]
    assert [(item["check"], item["ok"]) for item in done["evidence"]] == [("deployment", True)] * 2
    assert names(calls) == ["UpdateService", "UpdateService"]
    assert all("desiredCount" not in call["parameters"] for call in carried_out(calls))
    assert shop.history("orders") == shop.history("stock") == ["SUCCESSFUL", "SUCCESSFUL"]

    with aws.calls() as calls:
        again = operate(MODULE, **wanted)
    assert again["changed"] is False
    assert ["within 20 h" in kept["reason"] for kept in again["kept"]] == [True, True]
    assert [item["ok"] for item in again["evidence"]] == [True, True]
    assert changing(calls) == []


def test_a_deployment_older_than_not_within_is_repeated(operate: Operate, shop: Shop) -> None:
    name = shop.service("orders", days=1)
    result = operate(MODULE, cluster=shop.cluster, services=[name], not_within="20h")
    assert result["changed"] is True
    assert shop.history(name) == ["SUCCESSFUL", "SUCCESSFUL"]


def test_a_run_repeated_while_the_first_deployment_is_in_progress_only_waits(
    aws: Aws, operate: Operate, shop: Shop
) -> None:
    name = shop.service("orders")
    aws.control("ecs/settings", {"task_seconds": 2})
    with aws.calls() as calls:
        first = operate(MODULE, cluster=shop.cluster, services=[name], wait_timeout=1)
        second = operate(MODULE, cluster=shop.cluster, services=[name])
    assert first["failed"] is True
    assert first["changed"] is True
    assert "not completed when time was up" in first["msg"]
    assert "its tasks do not fail; run again to wait for it" in first["msg"]
    assert second.get("failed", False) is False, second.get("msg")
    assert second["changed"] is False
    assert "is in progress; it is waited for" in second["kept"][0]["reason"]
    assert names(calls) == ["UpdateService"]
    assert shop.history(name) == ["SUCCESSFUL", "SUCCESSFUL"]


def test_a_named_task_definition_is_deployed_once_and_undone_by_its_undo(operate: Operate, shop: Shop) -> None:
    name = shop.service("orders")
    shop.register(name, "registry.example:5000/orders:v2")
    wanted = {"cluster": shop.cluster, "services": [name], "task_definition": f"{shop.cluster}-{name}:2"}

    done = operate(MODULE, **wanted)
    assert done.get("failed", False) is False, done.get("msg")
    assert shop.see(name)["taskDefinition"].endswith(f"{name}:2")
    assert operate(MODULE, **wanted)["kept"][0]["reason"] == f"runs {shop.cluster}-{name}:2 already"

    undo = done["changes"][0]["undo"]
    assert undo["module"] == f"opsbook.runbooks.{MODULE}"
    undone = operate(MODULE, **undo["arguments"])
    assert undone.get("failed", False) is False, undone.get("msg")
    assert shop.see(name)["taskDefinition"].endswith(f"{name}:1")
    assert operate(MODULE, **undo["arguments"])["changed"] is False


def test_a_forced_deployment_is_undone_by_a_copy_with_the_images_of_before(
    aws: Aws, operate: Operate, shop: Shop
) -> None:
    name = shop.service("orders", breaker=NO_ROLLBACK)
    before = shop.digests(name)
    # In the lab, as in life, a broken image behind an old tag is a new image: the tag has moved.
    shop.break_image(shop.image(name), "Essential container exited, exit code 1")
    failed = operate(MODULE, cluster=shop.cluster, services=[name], rollback=False)
    assert failed["failed"] is True
    assert "recovery" not in failed
    undo = failed["changes"][0]["undo"]["arguments"]

    with aws.calls() as calls:
        checked = operate(MODULE, check_mode=True, **undo)
        undone = operate(MODULE, **undo)
        again = operate(MODULE, **undo)
    assert undone.get("failed", False) is False, undone.get("msg")
    assert undone["plan_digest"] == checked["plan_digest"]
    assert names(calls) == ["RegisterTaskDefinition", "UpdateService"]
    assert again["changed"] is False
    [digest] = before
    assert undone["changes"][0]["after"]["images"] == {"app": f"registry.example:5000/{shop.cluster}-{name}@{digest}"}
    assert shop.digests(name) == before
    assert "canary-in-the-environment" not in str([failed, undone])

    operate(MODULE, cluster=shop.cluster, services=[name], task_definition=f"{shop.cluster}-{name}:1", rollback=False)
    with aws.calls() as calls:
        assert operate(MODULE, **undo).get("failed", False) is False
    assert names(calls) == ["UpdateService"], "the copy made before is found again"


@pytest.mark.parametrize(
    ("breaker", "said", "work"),
    [
        pytest.param(BREAKER, "rolled back by AWS", ["UpdateService"], id="breaker_goes_back_itself"),
        pytest.param(NO_ROLLBACK, "with its images pinned by digest",
                     ["UpdateService", "RegisterTaskDefinition", "UpdateService"], id="breaker_without_rollback"),
        pytest.param(NO_BREAKER, "stopped and rolled back", ["UpdateService", "StopServiceDeployment"],
                     id="no_breaker"),
    ],
)
def test_a_failing_image_leads_back_to_the_images_of_before_and_fails(
    aws: Aws, operate: Operate, shop: Shop, breaker: dict[str, bool], said: str, work: list[str]
) -> None:
    name = shop.service("orders", breaker=breaker)
    before = shop.digests(name)
    shop.break_image(shop.image(name))
    with aws.calls() as calls:
        result = operate(MODULE, cluster=shop.cluster, services=[name], wait_timeout=60)
    assert result["failed"] is True
    assert result["changed"] is True
    assert said in result["recovery"]
    assert result["recovery"].endswith("3 of 3 tasks")
    assert CANNOT_PULL in str(result["evidence"][0]["actual"]["stopped_tasks"])
    assert result["evidence"][0]["ok"] is False
    assert (result["evidence"][-1]["check"], result["evidence"][-1]["ok"]) == ("rollback", True)
    assert names(calls) == work
    assert shop.digests(name) == before
    assert shop.see(name)["runningCount"] == 3
    assert len(shop.see(name)["deployments"]) == 1
    assert "canary-in-the-environment" not in str(result)

    shop.break_image(shop.image(name), None)
    repeated = operate(MODULE, cluster=shop.cluster, services=[name], not_within="20h")
    assert repeated.get("failed", False) is False, repeated.get("msg")
    assert shop.see(name)["runningCount"] == 3


def test_a_rollback_under_way_is_not_disturbed_and_reported(aws: Aws, operate: Operate, shop: Shop) -> None:
    name = shop.service("orders", breaker=NO_BREAKER)
    shop.break_image(shop.image(name))
    shop.ecs.update_service(cluster=shop.cluster, service=name, forceNewDeployment=True)
    aws.control("ecs/settings", {"task_seconds": 5})
    entry = shop.ecs.list_service_deployments(cluster=shop.cluster, service=name)["serviceDeployments"][0]
    shop.ecs.stop_service_deployment(serviceDeploymentArn=entry["serviceDeploymentArn"], stopType="ROLLBACK")
    with aws.calls() as calls:
        result = operate(MODULE, cluster=shop.cluster, services=[name], wait_timeout=3)
    assert result["failed"] is True
    assert "is being rolled back; deploy again when that has ended" in result["kept"][0]["reason"]
    assert changing(calls) == []


def test_a_failing_new_definition_without_a_breaker_leads_back_to_the_earlier_one(
    operate: Operate, shop: Shop
) -> None:
    name = shop.service("orders", breaker=NO_ROLLBACK)
    broken = f"registry.example:5000/{shop.cluster}:broken"
    shop.register(name, broken)
    shop.break_image(broken, "Essential container exited, exit code 3")
    result = operate(MODULE, cluster=shop.cluster, services=[name], task_definition=f"{shop.cluster}-{name}:2")
    assert result["failed"] is True
    assert f"rolled back by a new deployment of {shop.cluster}-{name}:1; now" in result["recovery"]
    assert "container app: exit code 3" in result["msg"]
    assert shop.see(name)["taskDefinition"].endswith(f"{name}:1")


def test_without_a_completed_deployment_there_is_no_way_back_and_it_says_so(operate: Operate, shop: Shop) -> None:
    shop.register("orders")
    shop.break_image(shop.image("orders"))
    shop.ecs.create_service(cluster=shop.cluster, serviceName="orders", desiredCount=2,
                            taskDefinition=f"{shop.cluster}-orders:1",
                            deploymentConfiguration={"deploymentCircuitBreaker": BREAKER})
    eventually(lambda: shop.see("orders")["deployments"][0]["rolloutState"] == "FAILED", 10)
    result = operate(MODULE, cluster=shop.cluster, services=["orders"])
    assert result["failed"] is True
    assert result["changes"][0]["undo"]["module"] is None
    assert "not rolled back, because no deployment of the service was ever completed" in result["recovery"]


def test_one_service_fails_and_the_other_is_deployed(operate: Operate, shop: Shop) -> None:
    good, bad = shop.service("good", 2), shop.service("bad", 2)
    shop.break_image(shop.image(bad))
    result = operate(MODULE, cluster=shop.cluster, services=["*"], wait_timeout=60)
    assert result["failed"] is True
    assert {item["resource"].rpartition("/")[2]: item["ok"]
            for item in result["evidence"] if item["check"] == "deployment"} == {good: True, bad: False}
    assert result["recovery"].startswith("bad: rolled back by AWS")
    assert good not in result["recovery"].replace(shop.cluster, "")
    assert shop.history(good) == ["SUCCESSFUL", "SUCCESSFUL"]
    assert shop.history(bad) == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]


def test_a_copy_whose_registration_lost_its_answer_is_made_once(aws: Aws, operate: Operate, shop: Shop) -> None:
    name = shop.service("orders", breaker=NO_ROLLBACK)
    shop.break_image(shop.image(name))
    aws.control("faults", {"faults": [
        {"service": "ecs", "action": "RegisterTaskDefinition", "kind": "drop", "when": "after", "times": 1}]})
    result = operate(MODULE, cluster=shop.cluster, services=[name])
    assert f"by a new deployment of {shop.cluster}-{name}:2, a copy" in result["recovery"]
    family = shop.ecs.list_task_definitions(familyPrefix=f"{shop.cluster}-{name}")["taskDefinitionArns"]
    assert len(family) == 2


@pytest.mark.parametrize("when", ["after", "before"])
def test_an_answer_that_is_lost_never_leads_to_two_deployments(
    aws: Aws, operate: Operate, shop: Shop, when: str
) -> None:
    name = shop.service("orders")
    aws.control("faults", {"faults": [
        {"service": "ecs", "action": "UpdateService", "kind": "drop", "when": when, "times": 1}]})
    result = operate(MODULE, cluster=shop.cluster, services=[name], wait_timeout=60)
    if when == "after":
        assert result.get("failed", False) is False, result.get("msg")
        assert result["changed"] is True
        assert shop.history(name) == ["SUCCESSFUL", "SUCCESSFUL"]
    else:
        assert result["failed"] is True
        assert "AWS did not answer" in result["failed_resources"][0]["reason"]
        assert shop.history(name) == ["SUCCESSFUL"]


def test_reaches_the_same_end_under_throttling(aws: Aws, operate: Operate, shop: Shop) -> None:
    wanted = [shop.service("orders", 2), shop.service("stock", 2)]
    aws.control("faults", {"seed": 3, "faults": [
        {"service": "ecs", "action": "*", "kind": "throttle", "probability": 0.3}]})
    with aws.calls() as calls:
        result = operate(MODULE, cluster=shop.cluster, services=["*"])
    assert result.get("failed", False) is False, result.get("msg")
    assert names(calls) == ["UpdateService", "UpdateService"]
    assert [shop.history(name) for name in wanted] == [["SUCCESSFUL", "SUCCESSFUL"]] * 2


def test_a_denied_update_is_named_and_nothing_is_waited_for(aws: Aws, operate: Operate, shop: Shop) -> None:
    name = shop.service("orders")
    aws.control("faults", {"faults": [{"service": "ecs", "action": "UpdateService", "kind": "deny"}]})
    result = operate(MODULE, cluster=shop.cluster, services=[name])
    assert result["failed"] is True
    assert result["changed"] is False
    assert [entry["resource"] for entry in result["failed_resources"]] == [f"ecs-service:{shop.cluster}/{name}"]
    assert "ecs:UpdateService" in result["failed_resources"][0]["reason"]
    assert [(item["check"], item["ok"]) for item in result["evidence"]] == [("running tasks", True)]
    assert shop.history(name) == ["SUCCESSFUL"]


@pytest.mark.parametrize("action", ["DescribeServices", "ListServiceDeployments", "DescribeServiceRevisions"])
def test_a_denied_read_deploys_nothing_and_is_named(
    aws: Aws, operate: Operate, shop: Shop, action: str
) -> None:
    name = shop.service("orders")
    aws.control("faults", {"faults": [{"service": "ecs", "action": action, "kind": "deny"}]})
    with aws.calls() as calls:
        result = operate(MODULE, cluster=shop.cluster, services=[name])
    assert result["failed"] is True
    assert f"ecs:{action}" in result["msg"]
    assert name in result["msg"]
    assert changing(calls) == []


def test_a_denied_rollback_is_named(aws: Aws, operate: Operate, shop: Shop) -> None:
    name = shop.service("orders", breaker=NO_BREAKER)
    shop.break_image(shop.image(name))
    aws.control("faults", {"faults": [{"service": "ecs", "action": "StopServiceDeployment", "kind": "deny"}]})
    result = operate(MODULE, cluster=shop.cluster, services=[name], wait_timeout=30)
    assert result["failed"] is True
    assert "not rolled back, because Could not stop a service deployment" in result["recovery"]
    assert "AccessDenied" in result["recovery"]


def test_a_missing_service_is_named_and_nothing_is_deployed(aws: Aws, operate: Operate, shop: Shop) -> None:
    name = shop.service("orders")
    with aws.calls() as calls:
        result = operate(MODULE, cluster=shop.cluster, services=[name, "ghost"])
    assert f"ecs-service:{shop.cluster}/ghost: does not exist" in result["msg"]
    assert changing(calls) == []


def test_more_services_than_allowed_and_protected_ones_are_not_deployed(
    aws: Aws, operate: Operate, shop: Shop
) -> None:
    shop.service("orders")
    shop.service("stock")
    with aws.calls() as calls:
        refused = operate(MODULE, cluster=shop.cluster, services=["*"], max_affected="1")
        kept = operate(MODULE, cluster=shop.cluster, services=["*"], protected=["*"])
    assert "max_affected (1) allows 1 of 2 services" in refused["msg"]
    assert [entry["reason"] for entry in kept["kept"]] == ["protected", "protected"]
    assert changing(calls) == []


def test_the_wait_asks_ten_services_a_call(aws: Aws, operate: Operate, shop: Shop) -> None:
    for number in range(12):
        shop.service(f"s{number}", 1)
    with aws.calls() as calls:
        result = operate(MODULE, cluster=shop.cluster, services=["*"], max_affected="12")
    assert result.get("failed", False) is False, result.get("msg")
    asked = [len(call["parameters"]["services"]) for call in calls if call["action"] == "DescribeServices"]
    assert asked[:2] in ([10, 2], [2, 10])
    assert len(asked) < 24
    assert names(calls) == ["UpdateService"] * 12


def test_secrets_stay_out_of_results(aws: Aws, operate: Operate, shop: Shop) -> None:
    aws.control("faults", {"faults": [{"service": "ecs", "action": "*", "kind": "deny"}]})
    result = operate(MODULE, cluster=shop.cluster, services=["*"])
    assert result["failed"] is True
    assert aws.connection["secret_key"] not in str(result)
