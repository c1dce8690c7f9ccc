"""`make bench`: all measurements in one run, round by round, on labs of its own."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.estate.systems import ESTATES
from tests.bench import access_log, calls, growth, health, investigation, procedure, tasks, upkeep, waits
from tests.bench.document import DOCUMENT, write
from tests.bench.estate import running_estate
from tests.bench.report import AIMS, Table, ratio, seconds
from tests.support.labs import ROOT

ONE_SYSTEM: dict[str, ModuleType] = {"tasks": tasks, "calls": calls, "procedure": procedure}
ALL_SYSTEMS: dict[str, ModuleType] = {"health-check": health}
GROWTH, UPKEEP, WAITS = "growth", "upkeep", "waits"
PARTS = [*ONE_SYSTEM, *ALL_SYSTEMS, GROWTH, UPKEEP, WAITS, investigation.NAME, access_log.NAME]


def main() -> int:
    """Measure, print, and write where asked to."""
    options = _parser().parse_args()
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="opsbook-bench-") as folder:
        for systems, parts in ((["commerce"], ONE_SYSTEM), (list(ESTATES), ALL_SYSTEMS)):
            chosen = {name: parts[name] for name in parts if name in options.parts}
            measured |= _in_turns(Path(folder) / str(len(systems)), systems, chosen, options.rounds)
        if GROWTH in options.parts:
            measured[GROWTH] = growth.measure(Path(folder))
        if UPKEEP in options.parts:
            measured[UPKEEP] = upkeep.measure(Path(folder) / UPKEEP, options.rounds)
        if WAITS in options.parts:
            measured[WAITS] = waits.measure(Path(folder) / WAITS)
        if investigation.NAME in options.parts:
            measured[investigation.NAME] = investigation.measure(Path(folder) / investigation.NAME, options.rounds)
        if access_log.NAME in options.parts:
            measured[access_log.NAME] = access_log.measure(Path(folder) / access_log.NAME, options.rounds, options.log_size)
    tables = _tables(measured)
    print("\n".join(table.as_text() for table in tables))
    if options.write:
        write(tables, options.rounds)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="how often everything is measured, growth apart")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured")
    parser.add_argument("--log-size", type=float, default=access_log.MEGABYTES, metavar="MB", help="of the access log")
    parser.add_argument("--write", action="store_true",
                        help=f"write the tables into {DOCUMENT.relative_to(ROOT)}, where those of other parts stay")
    return parser


def _in_turns(folder: Path, systems: list[str], parts: dict[str, ModuleType], rounds: int) -> dict[str, list[Any]]:
    """Measure the parts round by round on one lab of these systems."""
    measured: dict[str, list[Any]] = {name: [] for name in parts}
    if not parts:
        return measured
    with running_estate(folder, systems) as estate:
        print("warming up", flush=True)
        for part in parts.values():
            part.warm_up(estate)
        for number in range(1, rounds + 1):
            for name, part in parts.items():
                print(f"round {number} of {rounds}: {name}", flush=True)
                measured[name].append(part.one_round(estate))
    return measured


def _tables(measured: dict[str, Any]) -> list[Table]:
    aims, tables = Table(AIMS, ("what", "aim", "measured")), []
    if "tasks" in measured:
        tables.append(tasks.table(measured["tasks"]))
        worst = tasks.worst(measured["tasks"])
        aims.rows.append(("CPU of a direct task by its peer's, the worst of the pairs", "at most 0.12", f"{worst:.3f}"))
    if "procedure" in measured:
        tables.append(procedure.table(measured["procedure"]))
        for waiting, label in ((True, ""), (False, ", both without waiting")):
            times = ratio(procedure.speeds(measured["procedure"], waiting))
            aims.rows.append((f"the weekly maintenance, times faster than the shell{label}", "at least 10", times))
    if "health-check" in measured:
        tables.append(health.table(measured["health-check"]))
        times = ratio(health.speeds(measured["health-check"]))
        aims.rows.append(("the morning health check, times faster than the shell", "at least 10", times))
    if GROWTH in measured:
        tables += growth.tables(measured[GROWTH])
    if UPKEEP in measured:
        tables.append(upkeep.table(measured[UPKEEP]))
        times = ratio(upkeep.times(measured[UPKEEP], "vacuumdb"))
        aims.rows.append(("vacuum and analyze of 200 tables, vacuumdb's time by the operation's", "at least 1", times))
    if WAITS in measured:
        tables.append(waits.table(measured[WAITS]))
    if access_log.NAME in measured:
        tables.append(access_log.table(measured[access_log.NAME]))
        times = ratio(access_log.speeds(measured[access_log.NAME]))
        aims.rows.append(("a large access log, times faster than grep, awk and sort", "at least 1", times))
    if investigation.NAME in measured:
        tables.append(investigation.table(measured[investigation.NAME]))
        over = seconds(investigation.overheads(measured[investigation.NAME]))
        aims.rows.append(("an investigation, seconds over the same cells as a script", "under 0.5", over))
    if "calls" in measured:
        tables += calls.tables(measured["calls"])
    return [aims, *tables] if aims.rows else tables


if __name__ == "__main__":
    sys.exit(main())
