"""Run a playbook on both execution paths at once: each task on the host `direct` and on the host `ordinary`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.labs import ROOT
from tests.support.playbooks import ANSIBLE_PLAYBOOK

COLLECTIONS = (ROOT / "collections", ROOT / "tests" / "support" / "collections")
PATHS = ("direct", "ordinary")


@dataclass(frozen=True)
class BothPaths:
    """A run that ended."""

    status: int
    output: str
    entries: list[dict[str, Any]]

    def entry(self, task: str, host: str) -> dict[str, Any]:
        """Status and result of one task on one host, as core's own encoder keeps them."""
        return next(entry for entry in self.entries if (entry["task"], entry["host"]) == (task, host))

    def result(self, task: str, host: str = "direct") -> dict[str, Any]:
        """The result of one task on one host."""
        result: dict[str, Any] = self.entry(task, host)["result"]
        return result

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that ran, in their order."""
        return list(dict.fromkeys(entry["task"] for entry in self.entries))


def run_both(
    playbook: Path, folder: Path, *arguments: str, variables: Mapping[str, Any] | None = None,
    hosts: Mapping[str, Mapping[str, Any]] | None = None, environment: Mapping[str, str] | None = None,
    paths: tuple[str, ...] = PATHS,
) -> BothPaths:
    """Run a playbook whose play has `hosts: paths`.

    :param folder: for the inventory, the results and the records
    :param variables: of all hosts
    :param hosts: further hosts and their variables
    """
    folder.mkdir(parents=True, exist_ok=True)
    common = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}",
              "scratch": str(folder), **(variables or {})}
    inventory = {"all": {"vars": common, "hosts": dict(hosts or {}), "children": {
        "paths": {"hosts": {path: {"opsbook_direct": path == "direct"} for path in paths}}}}}
    (folder / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    results = folder / "results.jsonl"
    done = subprocess.run(
        [ANSIBLE_PLAYBOOK, "-i", str(folder / "inventory.json"), str(playbook), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, **_settings(folder, results), **(environment or {})})
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    return BothPaths(done.returncode, done.stdout + done.stderr, [json.loads(line) for line in lines])


def _settings(folder: Path, results: Path) -> dict[str, str]:
    return {
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(map(str, COLLECTIONS)),
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "ANSIBLE_CALLBACKS_ENABLED": "opsbook.runbooks.ledger,example.toys.results",
        "ANSIBLE_NOCOLOR": "1",
        "OPSBOOK_RECORD_DIR": str(folder / "records"),
        "TOYS_RESULTS": str(results),
    }


def other_interpreter(folder: Path) -> str:
    """A Python that is not the one Ansible runs on, though the same program."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return str(program)
