"""The whole tree of notebooks: thin cells without logic, no outputs, front matter that is true, one shape for all."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import opsbook.collect
import opsbook.show
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.procedure import validate_notebook
from opsbook.diagnosis.causes import CAUSES, ENTRANCES
from opsbook.diagnosis.questions import QUESTIONS
from opsbook.diagnosis.sources import ABOUT, SEEN_IN
from opsbook.new import TEMPLATE, from_template
from opsbook.permissions import PERMISSIONS, permissions_of
from opsbook.runner.notebooks import FOLDER
from tests.contract.tree import ROOT

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_LINES = 12
HEADINGS = ("Collect", "Evaluate", "Show", "Conclude")


def content_of(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def sources(notebook: dict[str, Any], kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


@pytest.fixture(params=[*NOTEBOOKS, TEMPLATE], ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == TEMPLATE:
        return {**from_template("template", "A title", "Why?", ["000-00"]), "name": "template"}
    return {**content_of(request.param), "name": request.param.stem}


def test_there_are_the_ten_of_the_first_round() -> None:
    assert {path.stem for path in NOTEBOOKS} >= set(QUESTIONS)
    assert len(QUESTIONS) >= 10


def test_nothing_is_committed_of_a_run(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
        assert set(cell["metadata"]) <= {"tags"}
    assert set(notebook["metadata"]) == {"kernelspec", "language_info", "runbook"}


def test_cells_are_thin_and_define_nothing(notebook: dict[str, Any]) -> None:
    for source in sources(notebook, "code"):
        parsed = ast.parse(source)
        forbidden = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef, ast.Lambda, ast.For, ast.While, ast.If, ast.Try)
        assert not [node for node in ast.walk(parsed) if isinstance(node, forbidden)], source
        assert len(source.splitlines()) <= MOST_LINES, source


def test_the_front_matter_is_valid_and_its_parameters_are_those_of_the_cell(notebook: dict[str, Any]) -> None:
    front = validate_notebook(notebook["metadata"]["runbook"], notebook["name"])
    [cell] = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    assigned = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse("".join(cell["source"])).body
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    declared = {name: spec.get("default") for name, spec in front["parameters"].items() if not spec.get("required")}

    assert assigned == {**declared, "system": assigned["system"]}
    assert front["changes"] is False
    assert all(isinstance(one, str) for one in notebook["metadata"]["runbook"]["permissions"])


def test_all_have_one_shape(notebook: dict[str, Any]) -> None:
    texts = sources(notebook, "markdown")
    front = notebook["metadata"]["runbook"]
    found = re.findall(r"^## (.+)$", "\n".join(texts), re.MULTILINE)

    assert texts[0].startswith(f"# {front['title']}\n\n**{front['question']}**")
    assert tuple(found) == HEADINGS
    assert sources(notebook, "code")[-1] == "case.conclude(judgement)"
    assert f'open_case("{notebook["name"]}"' in "\n".join(sources(notebook, "code"))


def test_what_it_calls_is_there(notebook: dict[str, Any]) -> None:
    code = "\n".join(sources(notebook, "code"))
    for name in re.findall(r"\bcollect\.(\w+)\(", code):
        assert name in opsbook.collect.__all__
    for name in re.findall(r"\bshow\.(\w+)\(", code):
        assert name in opsbook.show.__all__


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_ids_are_of_procedures_and_named_in_the_text(path: Path) -> None:
    found = content_of(path)
    ids = found["metadata"]["runbook"]["ids"]

    assert all(re.fullmatch(r"00[0-4]-\d\d", one) for one in ids)
    assert all(one in sources(found, "markdown")[0] for one in ids)


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_would_show_the_symptom_is_collected(name: str) -> None:
    """Or the notebook could never say that nothing is wrong, or would say so of what it never looked at."""
    code = "\n".join(sources(content_of(FOLDER / f"{name}.ipynb"), "code"))
    question = QUESTIONS[name]
    for piece in {piece for sign in question.signs for piece in SEEN_IN.get(sign, ())}:
        kinds = set(ABOUT.get(piece, question.where))
        entries = ENTRANCES if "entry" in question.where else ()
        if kinds & {*question.where, *entries}:
            assert _collector_of(piece) in code, f"{name} needs {piece}"


def _collector_of(piece: str) -> str:
    """The function of `collect` whose piece has this name by default."""
    for path in (ROOT / "notebooks" / "opsbook" / "evidence").glob("*.py"):
        named = rf'def (\w+)\((?:[^()]|\([^()]*\))*name: str = "{re.escape(piece)}"'
        found = re.search(named, path.read_text(encoding="utf-8"))
        if found:
            return f"collect.{found[1]}("
    raise AssertionError(f"nothing collects {piece!r}")


def test_every_cause_has_a_rule_that_can_fire() -> None:
    for name, cause in CAUSES.items():
        assert cause.needs, name
        assert all(needed <= cause.direct | cause.supports | needed for needed in cause.needs)
        assert not (cause.against & {sign for needed in cause.needs for sign in needed}), f"{name} speaks against itself"


def test_the_permissions_that_are_listed_are_those_of_what_is_collected(notebook: dict[str, Any]) -> None:
    collected = re.findall(r"\bcollect\.(\w+)\(", "\n".join(sources(notebook, "code")))
    listed = notebook["metadata"]["runbook"]["permissions"]

    assert sorted(listed) == sorted(permissions_of(collected))


def test_all_that_can_be_collected_says_what_it_needs() -> None:
    assert set(PERMISSIONS) == set(opsbook.collect.__all__)
