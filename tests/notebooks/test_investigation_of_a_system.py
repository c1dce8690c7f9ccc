"""An investigation of a system of the lab: its inventory, secrets of its Secrets Manager, permissions that are denied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.labs import Lab, running_lab
from tests.support.notebooks import Investigated, make_notebook, run_investigation

OPEN = "from opsbook.notebook import open_case\ncase = open_case('small', system=system)\ncase"
COLLECT = """
from opsbook.diagnosis.verdicts import Judgement
from opsbook.evidence.changes import deployments
piece = deployments(case)
case.keep(piece)
seen = [gap.resource for gap in piece.coverage.missing]
verdict = ("insufficient_evidence", "The deployments could not be read.") if seen else ("nothing_wrong", "Nothing is wrong.")
"""
CONCLUDE = "case.conclude(Judgement(*verdict, 1))"
PARAMETERS = {"system": {"type": "str", "required": True}, "token": {"type": "str", "no_log": True, "default": ""},
              "number": {"type": "int"}, "level": {"type": "str"}}
SECRET = "canary-in-secrets-manager"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("investigations") / "lab") as lab:
        lab.client("secretsmanager").create_secret(Name="test/token", SecretString=json.dumps({"value": SECRET}))
        yield lab


@pytest.fixture(autouse=True)
def without_faults(lab: Lab) -> Iterator[None]:
    yield
    lab.control("faults", {"faults": []})


def run(lab: Lab, tmp_path: Path, *sources: str, token: str = "") -> Investigated:
    notebook = make_notebook(tmp_path, *sources, concludes=False, parameters=PARAMETERS)
    return run_investigation(
        notebook, "--system", "commerce", *(("-p", "token", token) if token else ()), records=tmp_path / "records",
        environment={"OPSBOOK_LAB_FOLDER": str(lab.folder)})


def findings(done: Investigated) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done.folder / "findings.json").read_text())
    return found


def test_the_kit_knows_the_system_that_the_inventory_declares(lab: Lab, tmp_path: Path) -> None:
    done = run(lab, tmp_path, OPEN, COLLECT, CONCLUDE)

    assert done.status == 0, done.errors
    assert (findings(done)["verdict"], findings(done)["system"]) == ("nothing_wrong", "commerce")
    assert findings(done)["evidence"][0]["coverage"]["complete"]
    assert "nothing wrong found" in done.page
    assert not [canary for canary in lab.canaries if canary.encode() in done.everything()]


def test_a_denied_permission_is_in_the_record_as_what_was_not_seen(lab: Lab, tmp_path: Path) -> None:
    lab.control("faults", {"faults": [{"kind": "deny", "service": "ecs"}]})
    done = run(lab, tmp_path, OPEN, COLLECT, CONCLUDE)
    unseen = done.page.partition("What was not seen")[2].partition("</table>")[0]

    assert done.status == 0, done.errors
    assert done.record["verdict"] == "insufficient_evidence"
    assert findings(done)["not_seen"]
    assert not findings(done)["evidence"][0]["coverage"]["complete"]
    assert all(gap["resource"].partition("'")[0] in unseen for gap in findings(done)["not_seen"])
    assert "insufficient evidence" in done.page


def test_a_secret_of_secrets_manager_reaches_the_cell_and_nothing_that_is_kept(lab: Lab, tmp_path: Path) -> None:
    use = f"secret = case.secret('token', token)\nassert secret == '{SECRET[::-1]}'[::-1]\nprint(secret)"
    done = run(lab, tmp_path, OPEN, COLLECT, use, CONCLUDE, token="secretsmanager:test/token#value")

    assert done.status == 0, done.record["error"]
    assert SECRET.encode() not in done.everything()
    assert done.record["parameters"]["token"] == "secretsmanager:test/token#value"


def test_a_secret_that_is_denied_is_refused_before_anything_is_written(lab: Lab, tmp_path: Path) -> None:
    lab.control("faults", {"faults": [{"kind": "deny", "service": "secretsmanager"}]})
    done = run(lab, tmp_path, OPEN, COLLECT, CONCLUDE, token="secretsmanager:test/token#value")

    assert (done.status, done.records.exists()) == (2, False)
    assert "test/token" in done.errors
