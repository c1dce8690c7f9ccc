"""Run a playbook on both execution paths at once: each task on the host `direct` and on the host `ordinary`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.labs import ROOT
from tests.support.playbooks import ANSIBLE_PLAYBOOK

COLLECTIONS = (ROOT / "collections", ROOT / "tests" / "support" / "collections")
PATHS = ("direct", "ordinary")

OF_HOST = re.compile(f"of-({'|'.join(PATHS)})")
VOLATILE = {
    "age_hours", "latency_ms", "ansible_job_id", "results_file", "connected_seconds", "state_seconds", "uptime_seconds",
    "seconds", "ops_per_second", "used_bytes", "percent", "unsaved_changes",
    "run", "record", "sealed"}
"""Values that differ from one moment or process to the next."""
VOLATILE_TEXT = re.compile(r"\d+(\.\d+)? (ms|h old)$")
"""The same in evidence."""


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

    def comparable(self, task: str, host: str) -> dict[str, Any]:
        """Status and result without what must differ: the host's name in `of-<host>`, the path, volatile values."""
        entry = {**self.entry(task, host), "host": ""}
        comparable: dict[str, Any] = _settled(json.loads(OF_HOST.sub("of-host", json.dumps(entry))))
        return comparable

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that ran, in their order."""
        return list(dict.fromkeys(entry["task"] for entry in self.entries))

    def where(self, task: str, host: str) -> set[str]:
        """Where the toy `probe` found itself: in the worker, in a process of its own."""
        return set(_named("where", self.result(task, host)))


def _settled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "..." if key in VOLATILE else _settled(item) for key, item in value.items() if key != "where"}
    if isinstance(value, list):
        return [_settled(item) for item in value]
    return VOLATILE_TEXT.sub(r"... \2", value) if isinstance(value, str) else value


def _named(name: str, value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (item for key, item in value.items() if key == name)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _named(name, item)


def run_both(
    playbook: Path, folder: Path, *arguments: str, variables: Mapping[str, Any] | None = None,
    hosts: Mapping[str, Mapping[str, Any]] | None = None, environment: Mapping[str, str] | None = None,
    asked: Mapping[str, Any] | None = None,
) -> BothPaths:
    """Run a playbook whose play has `hosts: paths`.

    :param folder: for the inventory, the results and the records
    :param variables: of all hosts
    :param hosts: further hosts and their variables
    :param asked: hosts of the play and their `opsbook_direct`; by default one of each path
    """
    folder.mkdir(parents=True, exist_ok=True)
    common = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}",
              "scratch": str(folder), "system": "toys", **(variables or {})}
    playing = {name: {"opsbook_direct": value} for name, value in (asked or {"direct": True, "ordinary": False}).items()}
    inventory = {"all": {"vars": common, "hosts": dict(hosts or {}), "children": {"paths": {"hosts": playing}}}}
    (folder / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    results = folder / "results.jsonl"
    done = subprocess.run(
        [ANSIBLE_PLAYBOOK, "-i", str(folder / "inventory.json"), str(playbook), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=180, check=False, stdin=subprocess.DEVNULL,
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


def without_library(folder: Path, *names: str) -> dict[str, str]:
    """An environment in which no Python can import these libraries."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import sys\n\n\nclass Absent:\n    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {names!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n\n\n"
        "sys.meta_path.insert(0, Absent())\n", encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def vaulted(secret: str, password_file: Path) -> dict[str, str]:
    """A secret as an inventory in JSON carries it, encrypted; its password goes into the file."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    password_file.write_text("password of a test", encoding="utf-8")
    vault = VaultLib([("default", VaultSecret(b"password of a test"))])
    return {"__ansible_vault": vault.encrypt(secret.encode()).decode()}
