"""Restart services and roll back a service: what runs anew, what is left alone, and what a second run does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.labs import Lab
from tests.support.procedures import Maintained, maintain
from tests.support.waiting import eventually

RESTART, ROLL_BACK = "playbooks/restart-services.yml", "playbooks/roll-back-service.yml"
WHY = ("--limit", "commerce", "-e", "override_reason='tasks hang'")
UPDATE = "ecs:UpdateService"
CLUSTER = "production-cluster"


def run(lab: Lab, records: Path, playbook: str, *parameters: str) -> Maintained:
    given = [part for parameter in parameters for part in ("-e", parameter)]
    return maintain(lab, records, *WHY, *given, playbook=playbook)


def test_restarted_are_the_named_services_once(lab: Lab, records: Path) -> None:
    first = run(lab, records, RESTART, "services=ingestion-api")
    changed = [change["resource"] for change in first.record["changes"]]
    second = run(lab, records, RESTART, "services=ingestion-api")

    assert (first.status, second.status) == (0, 0), first.said + second.said
    assert changed == ["ecs-service:production-cluster/ingestion-api"]
    assert first.carried_out().count(UPDATE) == 1
    assert second.carried_out() == []
    assert "nothing to change" in second.said


def test_a_restart_that_is_only_checked_changes_nothing(lab: Lab, records: Path) -> None:
    checked = maintain(lab, records, *WHY, "-e", "services=ingestion-api", "--check", playbook=RESTART)

    assert checked.status == 0, checked.said
    assert checked.changing(purpose=None) == []
    assert len(checked.record["planned"]) == 1


def test_a_service_returns_to_what_the_named_revision_ran(lab: Lab, records: Path) -> None:
    ecs = lab.client("ecs")
    [good] = ecs.list_service_deployments(cluster=CLUSTER, service="product-service")["serviceDeployments"]
    before = running(ecs)
    ecs.update_service(cluster=CLUSTER, service="product-service", taskDefinition=earlier(before))
    eventually(lambda: running(ecs) == earlier(before))
    wanted = f"service_revision={good['targetServiceRevisionArn']}"
    first = run(lab, records, ROLL_BACK, "service=product-service", wanted)
    changes = first.record["changes"]
    second = run(lab, records, ROLL_BACK, "service=product-service", wanted)

    assert (first.status, second.status) == (0, 0), first.said + second.said
    assert running(ecs) == before
    assert len(changes) == 1
    assert second.carried_out() == []


@pytest.mark.parametrize("given", [(), ("service_revision=arn:aws:ecs:x", "task_definition=product:1")])
def test_a_rollback_needs_one_way_back(lab: Lab, records: Path, given: tuple[str, ...]) -> None:
    refused = run(lab, records, ROLL_BACK, "service=product-service", *given)

    assert refused.status == 2
    assert "Give service_revision or task_definition" in refused.said
    assert refused.carried_out() == []


def running(ecs: Any) -> str:
    """The task definition of the last completed deployment; empty while one is under way."""
    [service] = ecs.describe_services(cluster=CLUSTER, services=["product-service"])["services"]
    completed = [one["taskDefinition"] for one in service["deployments"] if one["rolloutState"] == "COMPLETED"]
    return str(completed[0]) if len(completed) == len(service["deployments"]) else ""


def earlier(task_definition: str) -> str:
    """The revision before this one."""
    family, revision = task_definition.rsplit(":", 1)
    return f"{family}:{int(revision) - 1}"
