"""`python -m lab score`: every investigation on every scenario that concerns it, and how often it was right.

A scenario is injected, the investigation runs as a person would run it, and its findings are held against the label.
Scenarios were written before the diagnosis and are not changed to fit it; a score is there to find out where it is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.folders import write_json
from lab.lifecycle import required_status
from lab.scenario.model import INSUFFICIENT, NOTHING_WRONG, SUSPECTS, Scenario
from lab.terminal import say

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_SECONDS = 900
_LAST_WORDS = 300
_NAME_WIDTH = 22
# Head, count and width of each column; three groups: incidents, quiet systems, and systems whose evidence cannot be read.
_COLUMNS = (
    ("incidents", "incidents", 10), ("top-1", "top1", 6), ("top-3", "top3", 6), ("missed", "missed", 7),
    ("quiet", "quiet", 6), ("right", "quiet_right", 6), ("false alarms", "false_alarms", 13),
    ("blind", "blind", 6), ("said so", "said_so", 8), ("green though blind", "green_though_blind", 19),
    ("failed", "failed", 7),
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What one investigation said of one scenario.

    :param verdict: its verdict, or how the run ended where it came to none
    :param suspects: (cause, resource), the likeliest first
    """

    scenario: Scenario
    investigation: str
    verdict: str
    suspects: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def rank(self) -> int | None:
        """Where the right suspect stands, from 1; None where it is not named."""
        return next((rank for rank, suspect in enumerate(self.suspects, 1) if self.scenario.accepts(*suspect)), None)

    @property
    def false_alarm(self) -> bool:
        """Whether it names suspects where nothing is wrong."""
        return self.scenario.verdict == NOTHING_WRONG and self.verdict == SUSPECTS

    @property
    def missed(self) -> bool:
        """Whether it finds nothing wrong where something is."""
        return self.scenario.verdict == SUSPECTS and self.verdict == NOTHING_WRONG

    @property
    def green_though_blind(self) -> bool:
        """Whether it finds nothing wrong where the evidence was denied, throttled or missing."""
        return self.scenario.verdict == INSUFFICIENT and self.verdict == NOTHING_WRONG

    @property
    def failed(self) -> bool:
        """Whether the run came to no conclusion."""
        return self.verdict not in (SUSPECTS, NOTHING_WRONG, INSUFFICIENT)

    @property
    def right(self) -> bool:
        """Whether the first thing it says is right."""
        return self.verdict == self.scenario.verdict and (self.scenario.cause is None or self.rank == 1)


def add_command(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command `score` to the parser's commands."""
    text = "run investigations on scenarios, and say how often they were right"
    score = commands.add_parser("score", parents=[common], help=text, description=text)
    score.set_defaults(run=_score)
    score.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="by default all")
    score.add_argument("--investigation", action="append", default=[], help="only this one; can be given more than once")
    score.add_argument("--record", type=Path, help="keep the records in this folder (default: in the lab's)")
    score.add_argument("--json", type=Path, metavar="FILE", help="write all results to this file as well")


def _score(folder: Path, options: argparse.Namespace) -> int:
    from lab.scenario import injection
    from lab.scenario.model import load_scenario, load_scenarios

    required_status(folder)
    chosen = [load_scenario(name) for name in options.scenarios] or load_scenarios()
    results: list[Result] = []
    for scenario in chosen:
        names = [name for name in scenario.investigations if not options.investigation or name in options.investigation]
        if names:
            injection.inject(folder, scenario)
        for name in names:
            results.append(_investigated(folder, scenario, name, options.record or folder / "scored"))
            say(line_of(results[-1]))
    injection.clear(folder)
    if options.json:
        write_json(options.json, [as_data(result) for result in results])
    for line in table_of(results):
        say(line)
    return 0 if results else 1


def _investigated(folder: Path, scenario: Scenario, name: str, records: Path) -> Result:
    """Run one investigation as a person does. One that says nothing that can be read is a result too: it failed."""
    command = [sys.executable, "-m", "opsbook", "investigate", name, "--system", scenario.system, "--record", str(records),
               "--json"]
    begun = time.monotonic()
    try:
        done = subprocess.run(command, cwd=_ROOT, env={**os.environ, "OPSBOOK_LAB_FOLDER": str(folder)}, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=_LONGEST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Result(scenario, name, f"no answer within {_LONGEST_SECONDS} s", (), time.monotonic() - begun)
    return result_of(scenario, name, done, time.monotonic() - begun)


def result_of(scenario: Scenario, name: str, done: subprocess.CompletedProcess[str], seconds: float) -> Result:
    """What a run said; where that cannot be read, how it ended and its last words."""
    try:
        said = json.loads(done.stdout)
        found = said.get("findings") or {}
        suspects = tuple((str(one["cause"]), str(one["resource"])) for one in found.get("suspects", ()))
        return Result(scenario, name, str(found.get("verdict") or said["status"]), suspects, seconds)
    except (AttributeError, KeyError, TypeError, ValueError):
        words = " ".join(done.stderr.split())[-_LAST_WORDS:]
        return Result(scenario, name, f"ended with {done.returncode}: {words or 'nothing that can be read'}", (), seconds)


def line_of(result: Result) -> str:
    """One result for a terminal."""
    label = result.scenario.cause
    wanted = f"{label.cause} in {label.resource}" if label else result.scenario.verdict
    said = ", ".join(f"{cause} in {resource}" for cause, resource in result.suspects[:3]) or result.verdict
    return (f"{_mark(result):<12} {result.scenario.name:<42} {result.investigation:<22} {result.seconds:5.1f} s  "
            f"wanted {wanted}; said {said}")


def _mark(result: Result) -> str:
    marks = {"right": result.right, "failed": result.failed, "FALSE ALARM": result.false_alarm, "MISSED": result.missed,
             "GREEN, BLIND": result.green_though_blind, f"rank {result.rank}": result.rank is not None}
    return next((mark for mark, fits in marks.items() if fits), "wrong")


def as_data(result: Result) -> dict[str, Any]:
    """One result as plain data."""
    return {"scenario": result.scenario.name, "investigation": result.investigation, "verdict": result.verdict,
            "suspects": [{"cause": cause, "resource": resource} for cause, resource in result.suspects],
            "rank": result.rank, "right": result.right, "false_alarm": result.false_alarm,
            "missed": result.missed, "green_though_blind": result.green_though_blind, "failed": result.failed,
            "seconds": round(result.seconds, 2)}


def table_of(results: Sequence[Result]) -> list[str]:
    """What counts_of counts, by investigation and for all; not wider than 120 columns."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.investigation, []).append(result)
    heads = ["", f"{'investigation':<{_NAME_WIDTH}}" + "".join(f"{head:>{width}}" for head, _key, width in _COLUMNS)]
    return [*heads, *(_row(name, groups[name]) for name in sorted(groups)), _row("all", results)]


def counts_of(results: Iterable[Result]) -> Mapping[str, int]:
    """What the table counts.

    Every scenario is an incident, quiet or blind; a run that failed stands in `failed` beside its group's count. The rest of
    a group said something else that is wrong: other suspects, or too little evidence where there was enough.
    """
    known = list(results)
    incidents = [one for one in known if one.scenario.verdict == SUSPECTS]
    quiet = [one for one in known if one.scenario.verdict == NOTHING_WRONG]
    blind = [one for one in known if one.scenario.verdict == INSUFFICIENT]
    return {"incidents": len(incidents), "top1": sum(one.rank == 1 for one in incidents),
            "top3": sum(one.rank is not None and one.rank <= 3 for one in incidents),
            "missed": sum(one.missed for one in incidents), "quiet": len(quiet),
            "quiet_right": sum(one.right for one in quiet), "false_alarms": sum(one.false_alarm for one in quiet),
            "blind": len(blind), "said_so": sum(one.right for one in blind),
            "green_though_blind": sum(one.green_though_blind for one in blind), "failed": sum(one.failed for one in known)}


def _row(name: str, results: Iterable[Result]) -> str:
    found = counts_of(results)
    return f"{name:<{_NAME_WIDTH}}" + "".join(f"{found[key]:>{width}}" for _head, key, width in _COLUMNS)
