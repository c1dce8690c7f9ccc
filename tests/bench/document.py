"""The page of the documentation that the tables are written into; tables that were not measured this time stay."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import textwrap
from dataclasses import replace
from pathlib import Path

from tests.bench.estate import LATENCY
from tests.bench.plays import PEERS
from tests.bench.report import AIMS, WIDTH, Table
from tests.bench.shell import AWS_CLI
from tests.support.labs import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
INTRODUCTION = (
    "Written by `make bench ARGS=--write`; `make bench` measures again and only prints. What one table compares ran in one "
    "run on one machine, in turns, against labs of its own whose AWS adds {latency:.0f} ms to every call. Figures are "
    "medians of the rounds, with the least and the greatest in brackets; growth is measured once. They say how the ways "
    "compare, not how fast a machine is; no test asserts them."
)


def write(tables: list[Table], rounds: int) -> None:
    """Put the tables into the page, those of the same names replaced.

    :param rounds: how often what is not measured once was measured
    """
    sections = _sections(DOCUMENT.read_text(encoding="utf-8")) if DOCUMENT.exists() else {}
    today = datetime.datetime.now(datetime.UTC).date()
    for table in tables:
        if table.title == AIMS:
            written = replace(table, rows=_with_those_before(sections.get(AIMS, ""), table.rows))
        else:
            often = "once" if table.once else f"in {rounds} rounds"
            written = replace(table, note=f"{table.note} Measured {often} on {today}.")
        sections[table.title] = written.as_markdown().strip()
    setting = f"The newest on {os.cpu_count()} cores with {', '.join(_versions())}."
    paragraphs = [textwrap.fill(text, WIDTH, break_on_hyphens=False)
                  for text in (INTRODUCTION.format(latency=LATENCY * 1000), setting)]
    DOCUMENT.write_text("\n\n".join(["# Benchmarks", *paragraphs, *sections.values()]) + "\n", encoding="utf-8")


def put(tables: list[Table]) -> None:
    """Put tables that need none of the peers into the page, those of the same names replaced; the rest stays as it is."""
    page = DOCUMENT.read_text(encoding="utf-8")
    head, sections = page.partition("\n## ")[0], _sections(page)
    today = datetime.datetime.now(datetime.UTC).date()
    for table in tables:
        sections[table.title] = replace(table, note=f"{table.note} Measured on {today}.").as_markdown().strip()
    DOCUMENT.write_text("\n\n".join([head.strip(), *sections.values()]) + "\n", encoding="utf-8")


def _sections(page: str) -> dict[str, str]:
    """The page's sections by their headings."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0].removeprefix("## "): part.strip() for part in parts}


def _with_those_before(section: str, rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows of a table of the page, with what was measured now in their place."""
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    before = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return list({row[0]: row for row in (*before, *rows)}.values())


def _versions() -> list[str]:
    """What was measured, without names and paths of the machine."""
    packages = next((PEERS.parent / "lib").glob("python*")) / "site-packages"
    bundle = {found.name: found.version for found in importlib.metadata.distributions(path=[str(packages)])}
    manifests = {name: packages / "ansible_collections" / Path(*name.split(".")) / "MANIFEST.json"
                 for name in ("amazon.aws", "community.aws")}
    said = subprocess.run([AWS_CLI / "aws", "--version"], capture_output=True, text=True, check=True).stdout
    return [
        f"Python {platform.python_version()}",
        *(f"{name} {importlib.metadata.version(name)}" for name in ("ansible-core", "boto3", "moto")),
        f"peers: ansible {bundle['ansible']} with ansible-core {bundle['ansible-core']} and boto3 {bundle['boto3']}",
        *(f"{name} {json.loads(path.read_text(encoding='utf-8'))['collection_info']['version']}"
          for name, path in manifests.items()),
        said.split()[0].replace("/", " "),
    ]
