"""`list` and `describe`, and what is refused as a notebook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from opsbook.__main__ import main
from opsbook.catalogue import question_of
from opsbook.runner.notebooks import find_notebook
from opsbook.runner.validation import faults_of, findings_schema
from tests.support.notebooks import FINDINGS, FRONT, make_notebook


def test_an_investigation_says_what_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(make_notebook(tmp_path))]) == 0
    said = capsys.readouterr().out

    assert "Small investigation: Is the answer 42?" in said
    assert 'str, default "low", one of low, high' in said
    assert "secret: env:NAME" in said
    assert "at most 60s (30s a cell)" in said


def test_a_program_gets_the_front_matter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(make_notebook(tmp_path)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["question"] == "Is the answer 42?"


def test_the_question_of_a_notebook_is_that_of_its_front_matter(tmp_path: Path) -> None:
    assert question_of(str(make_notebook(tmp_path))) == "Is the answer 42?"


def test_an_unknown_investigation_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "nowhere"]) == 2
    assert "there is no such notebook" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cells": [], "metadata": {}, "nbformat": 3}', "\x00"])
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.ipynb").write_text(content)

    with pytest.raises(Refused, match="read the notebook"):
        find_notebook(str(tmp_path / "x.ipynb"))


@pytest.mark.parametrize(("front", "said"), [
    ({"question": None}, "question"), ({"changes": True}, "an investigation only reads"), ({"deadline": "soon"}, "soon"),
    ({"cell_timeout": "0s"}, "leaves no time"), ({"parameters": {"number": {"typ": "int"}}}, "number"),
    ({"severity": "high"}, "severity"),
])
def test_front_matter_that_is_wrong_is_refused(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], front: dict[str, Any], said: str) -> None:
    given = {name: value for name, value in {**FRONT, **front}.items() if value is not None}
    path = make_notebook(tmp_path)
    content = json.loads(path.read_text())
    content["metadata"]["runbook"] = given
    path.write_text(json.dumps(content))

    assert main(["describe", str(path)]) == 2
    assert said in capsys.readouterr().err


def test_findings_fit_their_schema() -> None:
    assert faults_of(FINDINGS) == []


@pytest.mark.parametrize("part", findings_schema()["required"])
def test_every_part_of_findings_is_needed(part: str) -> None:
    assert faults_of({name: value for name, value in FINDINGS.items() if name != part})
