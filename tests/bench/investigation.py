"""What a runner costs over its notebook: ours, and papermill as a command and by its API, beside a plain script."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Cost, environment, measured
from tests.bench.report import Table, quotients, seconds
from tests.support.notebooks import make_notebook

NAME = "investigation"
TITLE = "An investigation's own cost"
PLOT = """
from datetime import UTC, datetime, timedelta
import opsbook.notebook
from opsbook.diagnosis.series import Series
from opsbook.evidence.pieces import Span
from opsbook.show.plots import show_lines
start = datetime(2026, 11, 21, 1, tzinfo=UTC)
points = tuple((start + timedelta(minutes=number), float(number % 7)) for number in range(120))
show_lines([Series("orders", "throttles", "requests", "count", points)], "Throttled writes",
           Span(start, start + timedelta(hours=2)))
"""
INVENTORY = {"systems": {"hosts": {"shop": {"ansible_connection": "local", "ecs_cluster": "production"}}}}
SCRIPT = """
import json, sys
cells = {}
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), "cell", "exec"), cells)
"""
API = "import sys, papermill\npapermill.execute_notebook(*sys.argv[1:], {'system': 'shop'}, progress_bar=False)\n"
NOTE = (
    "A notebook of four cells that imports the kit, draws one plot and concludes; the floor is the same cells in a plain "
    "Python process. Ours also resolves the system through the inventory, checks parameters, keeps the journal, scrubs, "
    "and writes findings, page and attestation; papermill's ways do none of it. Overhead is wall time less the floor's, "
    "round by round."
)
WAYS = ("python -m opsbook investigate", "papermill, the command", "papermill, its Python API", "the floor")


@dataclass(frozen=True)
class Round:
    """One round: what each way cost."""

    costs: Mapping[str, Cost]


def measure(folder: Path, rounds: int) -> list[Round]:
    """Measure all ways in turns."""
    folder.mkdir(parents=True)
    notebook = make_notebook(folder, PLOT, parameters={"system": {"type": "str", "required": True}})
    inventory, script, api = folder / "inventory.yml", folder / "floor.py", folder / "api.py"
    inventory.write_text(json.dumps(INVENTORY), encoding="utf-8")
    script.write_text(SCRIPT, encoding="utf-8")
    api.write_text(API, encoding="utf-8")
    python, out = sys.executable, folder / "out.ipynb"
    commands = dict(zip(WAYS, (
        [python, "-m", "opsbook", "investigate", notebook, "--system", "shop", "-i", inventory, "--record", folder / "kept"],
        [Path(python).with_name("papermill"), notebook, out, "-p", "system", "shop", "--no-progress-bar"],
        [python, api, notebook, out],
        [python, script, notebook]), strict=True))
    variables = {**environment(folder / "compiled", Path(python).parent), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    for command in commands.values():
        measured(command, folder, variables)  # compiles everything once
    return [Round({way: measured(command, folder, variables) for way, command in commands.items()})
            for _number in range(rounds)]


def overheads(rounds: list[Round], way: str = WAYS[0]) -> list[float]:
    """Wall time over the floor's, round by round."""
    return [one.costs[way].wall - one.costs[WAYS[-1]].wall for one in rounds]


def table(rounds: list[Round]) -> Table:
    """The medians of all rounds."""
    rows = [(way, seconds(one.costs[way].wall for one in rounds), seconds(one.costs[way].cpu for one in rounds),
             seconds(overheads(rounds, way)) if way != WAYS[-1] else "") for way in WAYS]
    times = quotients(overheads(rounds, WAYS[1]), overheads(rounds))
    rows.append(("the command's overhead / ours", f"{seconds(times)} times", "", ""))
    return Table(TITLE, ("way", "wall s", "CPU s", "overhead s"), rows, NOTE)
