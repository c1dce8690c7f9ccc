"""What work costs by the calls that it makes, not by the tasks that it is written in."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any

from tests.bench.estate import Estate
from tests.bench.measure import Cost
from tests.bench.plays import Task, run_play
from tests.bench.report import Table, seconds
from tests.bench.tasks import DIRECT

MODULE = "opsbook.runbooks.lambda_function_info"
NUMBERS = (1, 2, 4, 8, 16, 32)
TEN = 10
REPEATS = 8
ROLE = "arn:aws:iam::123456789012:role/lab-function"
TEN_NOTE = "The same ten functions read in ten tasks, in a loop of one task, and as the list of one task. Start-up left out."
MANY_NOTE = (
    "One task over a growing number of functions, start-up left out. Calls run side by side, so the wall time grows more "
    "slowly than their number; CPU grows by calls."
)


@dataclass(frozen=True)
class Work:
    """What tasks did, start-up left out."""

    cost: Cost
    calls: int


def warm_up(estate: Estate) -> None:
    """Run the measured module once, so that all libraries are compiled."""
    run_play(estate, [_reading(estate, _functions(estate, 1))])


def one_round(estate: Estate) -> dict[str, Work]:
    """Measure every shape once."""
    names = _functions(estate, max(NUMBERS))
    shapes = {
        "ten tasks": [_reading(estate, [name]) for name in names[:TEN]],
        "a loop of ten": [_reading(estate, ["{{ item }}"], names[:TEN])],
        "a list of ten": [_reading(estate, names[:TEN])],
        **{str(number): [_reading(estate, names[:number])] for number in NUMBERS},
    }
    # A play without a task of ours would not load the module: one stands before the measured ones, and is taken off.
    first = _reading(estate, names[:1])
    alone = run_play(estate, [first])
    return {shape: _work(estate, first, tasks, alone) for shape, tasks in shapes.items()}


def _work(estate: Estate, first: Task, tasks: list[Task], alone: Cost) -> Work:
    before = len(estate.calls())
    cost = run_play(estate, [first, *tasks * REPEATS]) - alone
    return Work(cost / REPEATS, (len(estate.calls()) - before - 1) // REPEATS)


def _reading(estate: Estate, names: list[str], loop: list[str] | None = None) -> Task:
    options: dict[str, Any] = {"function_names": names, **estate.connection()}
    return Task(MODULE, options, variables=DIRECT, loop=loop or [])


def _functions(estate: Estate, number: int) -> list[str]:
    """Make sure that so many small functions exist; returns their names."""
    client, names = estate.lab.client("lambda"), [f"bench-{ordinal:02}" for ordinal in range(1, number + 1)]
    existing = {function["FunctionName"] for page in client.get_paginator("list_functions").paginate()
                for function in page["Functions"]}
    for name in names:
        if name not in existing:
            client.create_function(FunctionName=name, Runtime="python3.12", Handler="main.handler", Role=ROLE,
                                   Code={"ZipFile": _code()})
    return names


def _code() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("main.py", "def handler(event, context): return 0\n")
    return archive.getvalue()


def tables(rounds: list[dict[str, Work]]) -> list[Table]:
    """The medians of all rounds."""
    numbers = [str(number) for number in NUMBERS]
    ten = [_row(shape, rounds) for shape in rounds[0] if shape not in numbers]
    many = [_row(shape, rounds) for shape in numbers]
    columns = ("wall s", "CPU s", "AWS calls")
    return [Table("Ten items", ("written as", *columns), ten, TEN_NOTE),
            Table("One task, many resources", ("functions", *columns), many, MANY_NOTE)]


def _row(shape: str, rounds: list[dict[str, Work]]) -> tuple[str, ...]:
    works = [measures[shape] for measures in rounds]
    return (shape, seconds(work.cost.wall for work in works), seconds(work.cost.cpu for work in works), str(works[0].calls))
