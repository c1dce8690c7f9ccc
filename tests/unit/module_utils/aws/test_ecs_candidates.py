"""Which services are deployed, which are waited for or left alone, what a plan binds, and what undoes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_candidates import (
    Candidate,
    Completed,
    decide,
    failure_bound,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_definitions import Definition, Target
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_deployments import plan_deployments
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_history import (
    History,
    Image,
    Revision,
    ServiceDeployment,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_requests import Request, request_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_services import Deployment, Service
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
ONE, TWO = "arn:aws:ecs:us-east-1:123456789012:task-definition/orders:1", \
    "arn:aws:ecs:us-east-1:123456789012:task-definition/orders:2"
REVISION = "arn:aws:ecs:us-east-1:123456789012:service-revision/shop/orders/1"
FORCE = Request("shop", ("*",))
RECENT = replace(FORCE, not_within=timedelta(hours=20))
NAMED = replace(FORCE, task_definition=TWO, force=False)


def deployment(state: str = "COMPLETED", definition: str = ONE, number: int = 1, failed: int = 0) -> Deployment:
    return Deployment(f"ecs-svc/{number}", "PRIMARY", state, "", definition, 3, 3, 0, failed,
                      (NOW - timedelta(hours=5)).isoformat(), "", f"{REVISION[:-1]}{number}")


def service(primary: Deployment, name: str = "orders", breaker: bool = True, **more: Any) -> Service:
    return Service(**{"name": name, "arn": name, "status": "ACTIVE", "desired": 3, "running": 3, "pending": 0,
                      "task_definition": primary.task_definition, "controller": "ECS", "breaker": breaker,
                      "breaker_rollback": breaker, "service_deployment": "", "deployments": (primary,), **more})


def history(status: str = "SUCCESSFUL", hours: float = 5, offered: bool = True) -> History:
    finished = NOW - timedelta(hours=hours)
    entry = ServiceDeployment("arn:d", status, "", f"{REVISION[:-1]}1", finished, finished)
    return History("orders", (entry,), offered) if offered else History("orders", offered=False)


DEFINITION = Definition(TWO, True, {"family": "orders", "containerDefinitions": []})
COMPLETED = Completed(ONE, Revision(REVISION, ONE, {"app": Image("shop:stable", "sha256:aa")}))


def candidate(primary: Deployment | None = None, **more: Any) -> Candidate:
    changes = {name: more.pop(name) for name in ("breaker", "controller", "name", "task_definition") if name in more}
    return Candidate(**{"service": service(primary or deployment(), **changes), "history": history(),
                        "completed": COMPLETED, **more})


@pytest.mark.parametrize(
    ("seen", "request_", "deploys", "awaited"),
    [
        pytest.param(candidate(), FORCE, True, "", id="forced_every_time"),
        pytest.param(candidate(), RECENT, False, "ecs-svc/1", id="completed_within_the_age"),
        pytest.param(candidate(history=history(hours=21)), RECENT, True, "", id="completed_before_the_age"),
        pytest.param(candidate(history=history("ROLLBACK_SUCCESSFUL")), RECENT, True, "", id="rolled_back_is_not_done"),
        pytest.param(candidate(history=history("STOPPED")), RECENT, True, "", id="stopped_is_not_done"),
        pytest.param(candidate(history=history(offered=False)), RECENT, False, "ecs-svc/1",
                     id="without_history_the_start_counts"),
        pytest.param(candidate(deployment("FAILED")), RECENT, True, "", id="failed_is_not_done"),
        pytest.param(candidate(deployment("IN_PROGRESS", number=7), history=history("IN_PROGRESS")), FORCE, False,
                     "ecs-svc/7", id="in_progress_is_waited_for"),
        pytest.param(candidate(deployment("IN_PROGRESS", failed=3), breaker=False), FORCE, True, "",
                     id="without_end_and_without_breaker_starts_again"),
        pytest.param(candidate(deployment("IN_PROGRESS", failed=2), breaker=False), FORCE, False, "ecs-svc/1",
                     id="a_few_failures_are_waited_for"),
        pytest.param(candidate(deployment("IN_PROGRESS", failed=9)), FORCE, False, "ecs-svc/1",
                     id="the_breaker_decides_where_there_is_one"),
        pytest.param(candidate(deployment("IN_PROGRESS", number=4), history=history("ROLLBACK_IN_PROGRESS")), FORCE,
                     False, "ecs-svc/1", id="a_rollback_under_way_is_not_disturbed"),
        pytest.param(candidate(target=Target(TWO, DEFINITION)), NAMED, True, "", id="another_definition_is_named"),
        pytest.param(candidate(deployment(definition=TWO), target=Target(TWO, DEFINITION)), NAMED, False, "ecs-svc/1",
                     id="the_named_definition_runs_already"),
        pytest.param(candidate(deployment(definition=TWO), target=Target(TWO, DEFINITION)), replace(NAMED, force=True),
                     True, "", id="the_named_definition_is_forced"),
        pytest.param(candidate(deployment("IN_PROGRESS"), target=Target(TWO, DEFINITION)), NAMED, True, "",
                     id="another_deployment_in_progress_is_replaced"),
        pytest.param(candidate(target=Target("", DEFINITION), present=True), NAMED, False, "ecs-svc/1",
                     id="the_images_of_the_revision_run_already"),
        pytest.param(candidate(target=Target("", DEFINITION)), NAMED, True, "", id="a_copy_must_be_made"),
    ],
)
def test_decides_what_happens_to_a_service(seen: Candidate, request_: Request, deploys: bool, awaited: str) -> None:
    decision = decide(seen, request_, Limits(), NOW)

    assert (decision.deploy, decision.awaited) == (deploys, awaited)
    assert bool(decision.reason) is not deploys


@pytest.mark.parametrize("pattern", ["orders", "shop/orders", "shop/*"])
def test_keeps_a_protected_service_and_waits_for_nothing(pattern: str) -> None:
    decision = decide(candidate(), FORCE, Limits(protected=(pattern,)), NOW)

    assert (decision.deploy, decision.reason, decision.awaited) == (False, "protected", "")


@pytest.mark.parametrize(("desired", "bound"), [(0, 3), (1, 3), (6, 3), (7, 4), (25, 13), (1000, 200)])
def test_bounds_failures_as_the_circuit_breaker_does(desired: int, bound: int) -> None:
    assert failure_bound(desired) == bound


def plan(*seen: Candidate, request: Request = FORCE, missing: tuple[Gap, ...] = ()) -> Any:
    return plan_deployments(Collected(seen, NOW, Coverage(missing=missing)), request, Limits())


def test_a_plan_binds_the_definition_and_the_last_completed_revision() -> None:
    [change] = plan(candidate()).changes

    assert change.resource == "ecs-service:shop/orders"
    assert change.before == {"task_definition": ONE, "service_revision": REVISION}
    assert change.after == {"task_definition": ONE, "deployment": "new"}
    assert change.undo.arguments == {"cluster": "shop", "services": ["orders"], "service_revision": REVISION}


def test_a_digest_changes_with_neither_age_nor_order() -> None:
    other = candidate(name="stock")
    assert plan(candidate(), other).digest == plan(other, candidate(history=history(hours=50))).digest
    assert plan(candidate()).digest != plan(candidate(deployment(definition=TWO))).digest


def test_a_copy_to_be_made_shows_the_images_it_pins_and_no_content() -> None:
    secret = Definition(ONE, True, {"family": "orders", "containerDefinitions": [{"environment": "canary"}]})
    [change] = plan(candidate(target=Target("", secret, {"app": "shop@sha256:aa"})), request=NAMED).changes

    assert change.after["images"] == {"app": "shop@sha256:aa"}
    assert change.after["task_definition"] == "a copy of orders:1 with images pinned by digest"
    assert "canary" not in str(change)


@pytest.mark.parametrize(
    ("completed", "primary", "expected"),
    [
        pytest.param(None, ONE, (None, "no deployment of the service was ever completed"), id="never_completed"),
        pytest.param(Completed(ONE, None), ONE, (None, "AWS keeps no service revision"), id="same_forgotten"),
        pytest.param(Completed(TWO, None), ONE, (TWO, "a tag that was moved since"), id="earlier_forgotten"),
    ],
)
def test_says_what_undoes_a_deployment_that_aws_has_no_revision_of(
    completed: Completed | None, primary: str, expected: tuple[str | None, str]
) -> None:
    [change] = plan(candidate(deployment(definition=primary), completed=completed)).changes

    assert change.undo.arguments.get("task_definition") == expected[0]
    assert expected[1] in change.undo.reason


def test_refuses_to_decide_on_what_was_not_read() -> None:
    with pytest.raises(Refused, match="ecs-service:shop/stock: AccessDenied"):
        plan(candidate(), missing=(Gap("ecs-service:shop/stock", "AccessDeniedException: no"),))


def test_refuses_services_that_another_controller_deploys() -> None:
    with pytest.raises(Refused, match="CODE_DEPLOY makes the deployments"):
        plan(candidate(controller="CODE_DEPLOY"))


def options(**given: Any) -> dict[str, Any]:
    return {"cluster": "shop", "services": ["orders"], "task_definition": None, "service_revision": None,
            "force_new_deployment": None, "not_within": None, "rollback": True, **given}


@pytest.mark.parametrize(
    ("given", "force"),
    [({}, True), ({"task_definition": "orders:2"}, False), ({"service_revision": REVISION}, False),
     ({"task_definition": ONE, "force_new_deployment": True}, True)],
)
def test_forces_a_deployment_unless_a_revision_is_named(given: dict[str, Any], force: bool) -> None:
    assert request_of(options(**given)).force is force


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"services": []}, "the list of services is empty"),
        ({"services": ["a", "b"], "task_definition": "orders:2"}, "does not suit several services"),
        ({"services": ["a*"], "service_revision": REVISION}, "does not suit several services"),
        ({"task_definition": "orders"}, "names no revision"),
        ({"service_revision": "orders/1"}, "not the ARN of a service revision"),
        ({"services": ["stock"], "service_revision": REVISION}, "belongs to shop/orders, not to stock"),
        ({"force_new_deployment": False}, "neither a new deployment nor a revision"),
        ({"not_within": "soon"}, "not a number"),
    ],
)
def test_refuses_options_that_make_no_sense(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        request_of(options(**given))
