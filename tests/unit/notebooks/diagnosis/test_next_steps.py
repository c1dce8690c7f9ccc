"""Next steps: complete commands that exist, that their procedure takes, and that no value can break."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import NextStep
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.procedure import validate_front_matter, validate_parameters
from opsbook.diagnosis.causes import CAUSES
from opsbook.diagnosis.next_steps import STEPS, next_steps_for
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.service_map import Component, ServiceMap
from opsbook.diagnosis.signs import Sign
from opsbook.documentation import front_matters
from opsbook.evidence.limits import InvestigationLimits
from opsbook.runner.notebooks import names
from tests.unit.notebooks.diagnosis.making import BASELINE, WINDOW, at

SCENE = Scene("commerce", ServiceMap(), WINDOW, BASELINE, WINDOW.end, InvestigationLimits(), environment="lab")
REVISION = "arn:aws:ecs:us-east-1:123456789012:service-revision/production-cluster/api/1"
DEPLOYED = {"deployed": Sign("api", "deployed", "deployed", onset=at(20), actual={"revision_before": REVISION})}
CASES = [(cause, kind) for cause, rule in CAUSES.items() for kind in rule.kinds]


def steps(cause: str, kind: str, scene: Scene = SCENE, name: str = "api") -> tuple[NextStep, ...]:
    return next_steps_for(scene, Component(name, kind, name), cause, DEPLOYED)


def taken_apart(command: str) -> tuple[str, dict[str, Any]]:
    words = shlex.split(command)
    assert words[0] == "ansible-playbook"
    given = json.loads(words[words.index("-e") + 1]) if "-e" in words else {}
    return next(word for word in words if word.endswith(".yml")), given


@pytest.mark.parametrize(("cause", "kind"), CASES)
def test_every_cause_has_a_command_that_its_procedure_takes(cause: str, kind: str) -> None:
    found = steps(cause, kind)
    commands = [step.command for step in found if step.command]

    assert commands, f"{cause} at {kind} has no command"
    for command in commands:
        playbook, given = taken_apart(command)
        front = validate_front_matter(front_matters()[playbook])
        validate_parameters(front, given)
        assert given.get("investigation", names()[0]) in names()
        assert "--limit commerce" in command


def test_only_causes_that_there_are_have_steps() -> None:
    assert set(STEPS) <= set(CAUSES)


def test_what_changes_something_says_so_and_why_it_is_run() -> None:
    [step] = steps("application-error", "ecs_service")
    playbook, given = taken_apart(step.command)

    assert (playbook, step.changes) == ("playbooks/roll-back-service.yml", True)
    assert given["service_revision"] == REVISION
    assert given["override_reason"].startswith("errors of api since 2026-")


def test_without_a_way_back_the_tasks_are_restarted() -> None:
    [step] = next_steps_for(SCENE, Component("api", "ecs_service", "api"), "application-error", {})

    assert taken_apart(step.command)[0] == "playbooks/restart-services.yml"


def test_production_asks_for_a_confirmation_and_its_inventory() -> None:
    scene = Scene("commerce", ServiceMap(), WINDOW, BASELINE, WINDOW.end, InvestigationLimits(), environment="production",
                  inventory=("inventory/production", "more hosts"))
    [step] = steps("out-of-memory", "ecs_service", scene)

    assert taken_apart(step.command)[1]["confirm"] == "commerce"
    assert "-i inventory/production -i 'more hosts' playbooks/" in step.command


def test_no_name_breaks_a_command() -> None:
    hostile = "api'; rm -rf / #\"$(id)`id`"
    [step] = steps("out-of-memory", "ecs_service", name=hostile)

    assert taken_apart(step.command)[1]["services"] == [hostile]
