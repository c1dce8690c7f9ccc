"""What investigations advise: every command exists, and passes --check on the lab without changing anything."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsbook.diagnosis.causes import CAUSES
from opsbook.diagnosis.next_steps import next_steps_for
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.service_map import Component, ServiceMap
from opsbook.diagnosis.signs import Sign
from opsbook.evidence.limits import InvestigationLimits
from opsbook.evidence.pieces import Span
from tests.support.labs import Lab
from tests.support.procedures import maintain

NOW = datetime.now(UTC)
WINDOW = Span(NOW - timedelta(hours=1), NOW)
PLACES = {"ecs_service": ("commerce", "ingestion-api"), "postgres": ("media", "postgres")}
"""A system of the lab and a component of it, by kind; other kinds are advised what these are."""


def commands(revision: str) -> Iterator[str]:
    """Every command that can be advised, each once for all reasons that it can be advised for."""
    for cause, rule in CAUSES.items():
        for kind in rule.kinds:
            system, name = PLACES.get(kind, ("commerce", kind))
            scene = Scene(system, ServiceMap(), WINDOW, WINDOW.before(timedelta(hours=3)), NOW, InvestigationLimits())
            for noticed in ({}, {"deployed": Sign(name, "deployed", "", onset=NOW, actual={"revision_before": revision})}):
                steps = next_steps_for(scene, Component(name, kind, name), cause, noticed)
                yield from (step.command for step in steps if step.command)


def test_every_command_passes_a_check_and_changes_nothing(estate: Lab, records: Path) -> None:
    [deployment] = estate.client("ecs").list_service_deployments(
        cluster="production-cluster", service="ingestion-api")["serviceDeployments"]
    distinct: dict[tuple[str, str], list[str]] = {}
    for command in commands(deployment["targetServiceRevisionArn"]):
        words = shlex.split(command)
        given = json.loads(words[words.index("-e") + 1])
        # Investigations are run by their own tests, and the reason does not matter to a procedure.
        kind = json.dumps({name: value for name, value in given.items() if name not in ("override_reason", "investigation")})
        distinct.setdefault((words[1], kind), words)

    assert len({playbook for playbook, kind in distinct}) >= 5
    for words in distinct.values():
        checked = maintain(estate, records, *words[2:], "--check", playbook=words[1])
        assert checked.status == 0, f"{shlex.join(words)}\n{checked.said}"
        assert checked.changing(purpose=None) == []
        assert checked.record["status"] == "checked"

