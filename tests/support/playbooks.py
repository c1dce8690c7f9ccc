"""Run the project's playbooks against a lab as a person does: the ansible-playbook command, its exit status, its output."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.support.labs import ROOT, Lab

ANSIBLE_PLAYBOOK = shutil.which("ansible-playbook") or str(Path(sys.executable).with_name("ansible-playbook"))


@dataclass(frozen=True)
class Finished:
    """A run that ended."""

    status: int
    output: str
    records: Path

    @property
    def folder(self) -> Path:
        """The newest record folder; run ids sort by time."""
        return max((path for path in self.records.glob("[!.]*") if path.is_dir()), key=lambda path: path.stat().st_mtime)

    @property
    def record(self) -> dict[str, Any]:
        """The run's record."""
        record: dict[str, Any] = json.loads((self.folder / "record.json").read_text(encoding="utf-8"))
        return record


def start_playbook(
    lab: Lab, playbook: str | Path, *arguments: str, records: Path, environment: dict[str, str] | None = None,
    capture: bool = True, output: IO[str] | None = None,
) -> subprocess.Popen[str]:
    """Start a playbook on the systems of the lab and return at once.

    Its output is captured, thrown away, or written to a file.
    """
    # A lab may hold fewer systems than the inventory.
    chosen = () if {"-i", "--limit"} & set(arguments) else ("--limit", ",".join(lab.systems))
    variables = {**os.environ, "OPSBOOK_LAB_FOLDER": str(lab.folder), "OPSBOOK_RECORD_DIR": str(records),
                 "OPSBOOK_SIGNING_KEY": f"file:{lab.folder}/signing.key",
                 "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", **(environment or {})}
    return subprocess.Popen([ANSIBLE_PLAYBOOK, str(playbook), *chosen, *arguments], cwd=ROOT, env=variables, text=True,
                            stdin=subprocess.DEVNULL, stdout=output or (subprocess.PIPE if capture else subprocess.DEVNULL),
                            stderr=subprocess.STDOUT)


def run_playbook(
    lab: Lab, playbook: str | Path, *arguments: str, records: Path, environment: dict[str, str] | None = None,
    timeout: float = 180,
) -> Finished:
    """Run a playbook to its end."""
    process = start_playbook(lab, playbook, *arguments, records=records, environment=environment)
    output, _none = process.communicate(timeout=timeout)
    return Finished(process.returncode, output, records)
