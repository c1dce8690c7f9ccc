"""`make bench`: all measurements in one run, round by round, on a lab of its own."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from tests.bench import calls, procedure, tasks
from tests.bench.estate import LATENCY, Estate, running_estate
from tests.bench.plays import PEERS
from tests.bench.report import WIDTH, Table, ratio
from tests.support.labs import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
PARTS = {"tasks": tasks.one_round, "calls": calls.one_round, "procedure": procedure.one_round}
INTRODUCTION = (
    "Written by `make bench ARGS=--write`; `make bench` measures again and only prints. All that is compared ran in one "
    "run on one machine, in turns, against a lab of its own whose AWS adds {latency:.0f} ms to every call. Figures are "
    "medians of {rounds} rounds, with the least and the greatest in brackets. They say how the ways compare, not how fast "
    "a machine is; no test asserts them."
)


def main() -> int:
    """Measure, print, and write where asked to."""
    options = _parser().parse_args()
    measured: dict[str, list[Any]] = {part: [] for part in options.parts}
    with tempfile.TemporaryDirectory(prefix="opsbook-bench-") as folder, running_estate(Path(folder)) as estate:
        _warm_up(estate, options.parts)
        for number in range(1, options.rounds + 1):
            for part in options.parts:
                print(f"round {number} of {options.rounds}: {part}", flush=True)
                measured[part].append(PARTS[part](estate))
    tables = _tables(measured)
    print("\n".join(table.as_text() for table in tables))
    if options.write:
        DOCUMENT.write_text(_document(tables, options.rounds), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="how often everything is measured")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="what is measured")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.relative_to(ROOT)}")
    return parser


def _warm_up(estate: Estate, parts: list[str]) -> None:
    print("warming up", flush=True)
    if "tasks" in parts or "calls" in parts:
        tasks.warm_up(estate)
    if "procedure" in parts:
        procedure.warm_up(estate)


def _tables(measured: dict[str, list[Any]]) -> list[Table]:
    aims, tables = Table("Aims", ("what", "aim", "measured")), []
    if "tasks" in measured:
        tables.append(tasks.table(measured["tasks"]))
        worst = tasks.worst(measured["tasks"])
        aims.rows.append(("CPU of a direct task by its peer's, the worst of the pairs", "at most 0.12", f"{worst:.3f}"))
    if "procedure" in measured:
        tables.append(procedure.table(measured["procedure"]))
        for waiting, label in ((True, ""), (False, ", both without waiting")):
            times = ratio(procedure.speeds(measured["procedure"], waiting))
            aims.rows.append((f"the weekly maintenance, times faster than the shell{label}", "at least 10", times))
    if "calls" in measured:
        tables += calls.tables(measured["calls"])
    return [aims, *tables] if aims.rows else tables


def _document(tables: list[Table], rounds: int) -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    introduction = INTRODUCTION.format(latency=LATENCY * 1000, rounds=rounds)
    setting = f"{today}, {os.cpu_count()} cores. {', '.join(_versions())}."
    paragraphs = [textwrap.fill(text, WIDTH, break_on_hyphens=False) for text in (introduction, setting)]
    return "\n\n".join(["# Benchmarks", *paragraphs, *(table.as_markdown().strip() for table in tables)]) + "\n"


def _versions() -> list[str]:
    """What was measured, without names and paths of the machine."""
    packages = next((PEERS.parent / "lib").glob("python*")) / "site-packages"
    bundle = {found.name: found.version for found in importlib.metadata.distributions(path=[str(packages)])}
    manifests = {name: packages / "ansible_collections" / Path(*name.split(".")) / "MANIFEST.json"
                 for name in ("amazon.aws", "community.aws")}
    said = subprocess.run([procedure.AWS_CLI / "aws", "--version"], capture_output=True, text=True, check=True).stdout
    return [
        f"Python {platform.python_version()}",
        *(f"{name} {importlib.metadata.version(name)}" for name in ("ansible-core", "boto3", "moto")),
        f"peers: ansible {bundle['ansible']} with ansible-core {bundle['ansible-core']} and boto3 {bundle['boto3']}",
        *(f"{name} {json.loads(path.read_text(encoding='utf-8'))['collection_info']['version']}"
          for name, path in manifests.items()),
        said.split()[0].replace("/", " "),
    ]


if __name__ == "__main__":
    sys.exit(main())
