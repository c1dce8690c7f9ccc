"""Signs in how things are: stopped tasks, targets, load balancers, functions, names, endpoints."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_services import Deployment, Observed, Service
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_tasks import StoppedContainer, StoppedTask
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_balancers import Balancer, Listener, Opening
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_targets import Target, TargetGroup
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.dns import Question, Resolved
from opsbook.diagnosis.noticing.outside import certificate_signs, change_signs, name_signs
from opsbook.diagnosis.noticing.states import balancer_signs, service_signs, target_signs
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.service_map import Component, ServiceMap
from opsbook.evidence.changes import Change
from opsbook.evidence.endpoints import Certificate
from opsbook.evidence.limits import InvestigationLimits
from tests.unit.notebooks.diagnosis.making import BASELINE, WINDOW, at

SHOP = ServiceMap((
    Component("front", "load_balancer", "app/front/1", ("api",), entry=True),
    Component("api", "ecs_service", "api-prod", target_group="targetgroup/api/1"),
))
SCENE = Scene("shop", SHOP, WINDOW, BASELINE, WINDOW.end, InvestigationLimits())


def service(running: int = 2, rollout: str = "COMPLETED", failed: int = 0) -> Service:
    newest = Deployment("ecs-svc/1", "PRIMARY", rollout, "tasks failed to start", "api:2", 2, running, 0, failed,
                        at(10).isoformat(), at(12).isoformat(), "")
    fields = dict.fromkeys(Service.__dataclass_fields__, "")
    return Service(**{**fields, "name": "api-prod", "desired": 2, "running": running, "pending": 0, "deployments": (newest,),
                      "events": ()})


def stopped(code: str, reason: str, exit_code: int | None, said: str = "", minute: int = 20) -> StoppedTask:
    return StoppedTask("t", "api:2", "ecs-svc/1", code, reason, at(minute).isoformat(),
                       (StoppedContainer("app", exit_code, said),))


@pytest.mark.parametrize(("observed", "kinds"), [
    pytest.param(Observed(service(), ()), set(), id="as it should be"),
    pytest.param(Observed(service(1), ()), {"tasks-missing"}, id="one of two runs"),
    pytest.param(Observed(service(), (stopped("EssentialContainerExited", "Essential container in task exited", 137,
                                              "OutOfMemoryError: Container killed due to memory usage"),)),
                 {"tasks-killed-for-memory"}, id="killed for memory"),
    pytest.param(Observed(service(), (stopped("EssentialContainerExited", "Essential container in task exited", 137),)),
                 {"tasks-killed-for-memory"}, id="killed, by its code"),
    pytest.param(Observed(service(), (stopped("EssentialContainerExited", "Essential container in task exited", 1),)),
                 {"tasks-exit"}, id="ended by itself"),
    pytest.param(Observed(service(), (stopped("TaskFailedToStart", "CannotPullContainerError: manifest unknown", None),)),
                 {"tasks-do-not-start"}, id="no image"),
    pytest.param(Observed(service(), (stopped("TaskFailedToStart", "Task failed to start", None),)), {"tasks-do-not-start"},
                 id="no reason but the code"),
    pytest.param(Observed(service(), (stopped("TaskFailedToStart", "Task stopped: host maintenance retirement", 0),)), set(),
                 id="one that ran, whatever the code"),
    pytest.param(Observed(service(), (stopped("ServiceSchedulerInitiated", "Scaling activity", 0),)), set(),
                 id="ended by the scheduler"),
    pytest.param(Observed(service(), (stopped("UserInitiated", "by hand", 143),)), set(), id="ended by a person"),
    pytest.param(Observed(service(2, "FAILED", 3), ()), {"deployment-unfinished"}, id="a deployment that failed"),
    pytest.param(Observed(service(2, "IN_PROGRESS", 3), ()), {"deployment-unfinished"}, id="one whose tasks fail"),
    pytest.param(Observed(service(2, "IN_PROGRESS", 0), ()), set(), id="one under way is no trouble"),
])
def test_services_show_why_tasks_stop(observed: Observed, kinds: set[str]) -> None:
    found = list(service_signs(SCENE, [observed], "services"))

    assert {sign.kind for sign in found} == kinds
    assert {sign.component for sign in found} <= {"api"}


def test_the_onset_of_stopping_tasks_is_the_first() -> None:
    exits = tuple(stopped("EssentialContainerExited", "exited", 1, minute=minute) for minute in (30, 12, 40))
    [sign] = service_signs(SCENE, [Observed(service(), exits)], "services")

    assert sign.onset == at(12)


@pytest.mark.parametrize(("states", "kind"), [
    pytest.param([("healthy", ""), ("healthy", "")], None, id="healthy"),
    pytest.param([("unhealthy", "Target.Timeout"), ("unhealthy", "Target.Timeout")], "health-check-times-out", id="late"),
    pytest.param([("healthy", ""), ("unhealthy", "Target.ResponseCodeMismatch")], "targets-unhealthy", id="wrong answer"),
    pytest.param([("healthy", ""), ("draining", "Target.DeregistrationInProgress")], None, id="on its way out"),
])
def test_targets_show_what_the_load_balancer_finds(states: list[tuple[str, str]], kind: str | None) -> None:
    targets = tuple(Target(f"10.0.0.{number}", 80, "a", state, reason, "") for number, (state, reason) in enumerate(states))
    group = TargetGroup("api", "arn", "HTTP", 80, "ip", ("front",), targets)

    assert [sign.kind for sign in target_signs(SCENE, [group], "targets")] == ([kind] if kind else [])


HTTPS = Listener(443, "HTTPS", ("arn",), "forward")
WORLD = Opening("sg-1", "tcp", 443, 443, ("0.0.0.0/0",))


@pytest.mark.parametrize(("listeners", "openings", "shut"), [
    pytest.param((HTTPS,), (WORLD,), False, id="open"), pytest.param((), (WORLD,), True, id="no listener"),
    pytest.param((HTTPS,), (), True, id="no rule lets in"), pytest.param((HTTPS,), None, False, id="rules not seen"),
    pytest.param((HTTPS,), (Opening("sg-1", "tcp", 80, 80, ("0.0.0.0/0",)),), True, id="another port"),
    pytest.param((HTTPS,), (Opening("sg-1", "-1", None, None, ("10.0.0.0/8",)),), False, id="all ports"),
])
def test_a_load_balancer_that_lets_nobody_in(
    listeners: tuple[Listener, ...], openings: tuple[Opening, ...] | None, shut: bool
) -> None:
    fields = dict.fromkeys(Balancer.__dataclass_fields__, "")
    balancer = Balancer(**{**fields, "name": "front", "id": "app/front/1", "state": "active", "scheme": "internet-facing",
                           "security_groups": ("sg-1",), "listeners": listeners, "openings": openings})

    assert [sign.kind for sign in balancer_signs(SCENE, [balancer], "load balancers")] == (["port-closed"] if shut else [])


@pytest.mark.parametrize(("outcome", "records", "wrong"), [
    ("answered", ("192.0.2.1",), False), ("answered", ("192.0.2.9",), True), ("NXDOMAIN", (), True),
])
def test_a_name_that_leads_elsewhere(outcome: str, records: tuple[str, ...], wrong: bool) -> None:
    answer = Resolved(Question("shop.example.com", "A", ("192.0.2.1",)), outcome, records)

    assert [sign.kind for sign in name_signs(SCENE, [answer], "names")] == (["name-wrong"] if wrong else [])


@pytest.mark.parametrize(("days", "bad"), [(-1.0, True), (3.0, False), (90.0, False)])
def test_only_a_certificate_that_has_expired_is_why_nothing_works(days: float, bad: bool) -> None:
    given = Certificate("shop.example.com:443", WINDOW.end + timedelta(days=days), days)

    assert [sign.kind for sign in certificate_signs(SCENE, [given], "certificates")] == (["certificate-bad"] if bad else [])


def test_a_deployment_is_a_hint_where_trouble_began_after_it() -> None:
    changes = [Change(at(18), "api", "deployment", "ci", "api:2", "arn:before"),
               Change(at(-100), "api", "deployment", "ci", "")]
    [sign] = change_signs(SCENE, changes, {"api": at(20), "front": at(20)}, "deployments")

    assert (sign.component, sign.kind) == ("api", "deployed")
    assert sign.actual == {"what": "deployment", "detail": "api:2", "revision_before": "arn:before"}
