"""docs/authoring.md: a new investigation runs as it is, and after the steps of the guide asks its own question."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.scenario.injection import clear, inject
from lab.scenario.model import load_scenario
from tests.support.labs import ROOT, Lab, running_lab
from tests.support.notebooks import run_investigation

GUIDE = (ROOT / "docs" / "authoring.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("authoring") / "lab") as lab:
        yield lab
        clear(lab.folder)


def opsbook(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "opsbook", *arguments], cwd=ROOT, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False, timeout=60)


def made(folder: Path, name: str = "queue-backlog") -> Path:
    done = opsbook("new", name, "--question", "Which queue is not worked off, and why?", "--ids", "003-13",
                   "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    return folder / f"{name}.ipynb"


def block(beginning: str) -> str:
    """The guide's own code that begins like this."""
    lines = GUIDE.splitlines()
    first = next(number for number, line in enumerate(lines) if line.strip().startswith(beginning))
    taken = []
    for line in lines[first:]:
        if not line.startswith("    "):
            break
        taken.append(line.removeprefix("    "))
    return "\n".join(taken)


def test_the_template_runs_as_it_is(lab: Lab, tmp_path: Path) -> None:
    done = run_investigation(made(tmp_path), "--system", "commerce", records=tmp_path / "records",
                             environment={"OPSBOOK_LAB_FOLDER": str(lab.folder)})

    assert done.status == 0, done.errors + done.output
    assert (done.record["title"], done.record["question"]) == ("Queue backlog", "Which queue is not worked off, and why?")
    assert done.record["verdict"] == "nothing_wrong"


def test_the_steps_of_the_guide_make_an_investigation_that_finds_its_cause(lab: Lab, tmp_path: Path) -> None:
    path = made(tmp_path)
    notebook = json.loads(path.read_text())
    _replace(notebook, "case.keep(", block("case.keep(collect.component_series(case, kinds="))
    _replace(notebook, "question = ", block("question = Question("))
    _replace(notebook, "show.error_rates", block('show.measurements(case, judgement, ["queue_depth"]'))
    path.write_text(json.dumps(notebook))
    inject(lab.folder, load_scenario("commerce-video-jobs-pile-up"))
    done = run_investigation(path, "--system", "commerce", records=tmp_path / "records",
                             environment={"OPSBOOK_LAB_FOLDER": str(lab.folder)})
    found = json.loads((done.folder / "findings.json").read_text())

    assert done.status == 0, done.errors + done.output
    assert found["verdict"] == "suspects"
    assert "tiktok-commerce-video-jobs" in found["summary"]


@pytest.mark.parametrize("name", ["Queue", "../escape", "queue_backlog", "x y"])
def test_a_name_that_is_none_writes_nothing(tmp_path: Path, name: str) -> None:
    done = opsbook("new", name, "--question", "Why?", "--folder", str(tmp_path))

    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "nothing was written" in done.stderr


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = made(tmp_path)
    before = path.read_bytes()

    assert opsbook("new", "queue-backlog", "--question", "Another?", "--folder", str(tmp_path)).returncode == 2
    assert path.read_bytes() == before


def _replace(notebook: dict[str, Any], beginning: str, source: str) -> None:
    """Replace the first cell that begins like this."""
    cell = next(cell for cell in notebook["cells"] if "".join(cell["source"]).startswith(beginning))
    cell["source"] = source.splitlines(keepends=True)
