"""Small notebooks for tests of the runner: real cells for real kernels, nothing heavy imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nbformat

from tests.support.labs import ROOT

FRONT: dict[str, Any] = {
    "ids": ["000-00"], "class": "routine", "title": "Small investigation", "purpose": "To try the runner.",
    "question": "Is the answer 42?", "changes": False, "risk": "low", "duration": "seconds", "undo": "nothing to undo",
    "permissions": ["logs:StartQuery"], "deadline": "60s", "cell_timeout": "30s",
    "parameters": {
        "system": {"type": "str", "default": "", "description": "The system."},
        "number": {"type": "int", "default": 42},
        "level": {"type": "str", "choices": ["low", "high"], "default": "low"},
        "token": {"type": "str", "no_log": True, "default": ""},
    },
}

FINDINGS: dict[str, Any] = {
    "schema": "opsbook.findings/1", "investigation": "small", "system": "commerce", "question": "Is the answer 42?",
    "verdict": "suspects", "summary": "The orders table refuses one write in three.", "severity_id": 4, "severity": "high",
    "window": {"start": "2026-11-21T02:00:00+00:00", "end": "2026-11-21T03:00:00+00:00"},
    "expected": {"error_ratio": 0.01}, "actual": {"error_ratio": 0.34},
    "suspects": [{
        "rank": 1, "cause": "table-throttled", "resource": "orders", "title": "Writes to the table orders are throttled",
        "confidence": "high", "severity_id": 4, "expected": {"throttled": 0}, "actual": {"throttled": 1204},
        "onset": "2026-11-21T02:31:00+00:00", "for": [{"text": "1,204 writes were refused.", "evidence": ["throttles"]}],
        "against": [{"text": "Reads were not.", "evidence": []}], "unanswered": ["Why traffic rose at 02:30."],
        "next_steps": [{"title": "Raise its capacity", "command": "ansible-playbook playbooks/x.yml --limit commerce",
                        "changes": True}],
        "attributes": {"aws.dynamodb.table_names": ["orders"]}}],
    "evidence": [{"name": "throttles", "source": "cloudwatch", "query": "WriteThrottleEvents of orders", "rows": 60,
                  "window": {"start": "2026-11-21T02:00:00+00:00", "end": "2026-11-21T03:00:00+00:00"},
                  "coverage": {"complete": False, "read": ["orders"], "missing": [
                      {"resource": "table links", "reason": "AccessDenied"}]}, "cost": {"bytes_scanned": 1024}}],
    "not_seen": [{"resource": "table links", "reason": "AccessDenied"}], "attributes": {"service.namespace": "commerce"},
}

PARAMETERS = 'system = ""\nnumber = 42\nlevel = "low"\ntoken = ""'


def conclusion(**changes: Any) -> str:
    """The source of a last cell."""
    found = {**FINDINGS, **changes}
    return (f"import json\nfrom IPython.display import display\nfound = json.loads({json.dumps(found)!r})\n"
            "display({'application/vnd.opsbook.findings+json': found, 'text/plain': found['summary']}, raw=True)")


def make_notebook(folder: Path, *sources: str, name: str = "small", concludes: bool = True, **front: Any) -> Path:
    """Write a notebook with these code cells between its parameters and its conclusion."""
    notebook = nbformat.v4.new_notebook()
    parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    cells = [nbformat.v4.new_markdown_cell("# Small investigation\n\nIs the answer 42?"), parameters,
             *map(nbformat.v4.new_code_cell, sources)]
    if concludes:
        cells += [nbformat.v4.new_markdown_cell("## Conclude"), nbformat.v4.new_code_cell(conclusion())]
    notebook.cells = cells
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                         "runbook": {**FRONT, **front}}
    path = folder / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


@dataclass(frozen=True)
class Investigated:
    """A run of the command that ended."""

    status: int
    output: str
    errors: str
    records: Path

    @property
    def folder(self) -> Path:
        """Its record's folder."""
        (folder,) = [path for path in self.records.iterdir() if path.is_dir() and not path.name.startswith(".")]
        return folder

    @property
    def record(self) -> dict[str, Any]:
        """Its record."""
        record: dict[str, Any] = json.loads((self.folder / "record.json").read_text(encoding="utf-8"))
        return record

    @property
    def notebook(self) -> Any:
        """Its executed notebook."""
        return nbformat.read(self.folder / "notebook.ipynb", as_version=4)

    @property
    def page(self) -> str:
        """Its page."""
        return (self.folder / "record.html").read_text(encoding="utf-8")

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The events of its journal."""
        return [json.loads(line) for line in (self.folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()]

    @property
    def statuses(self) -> list[str]:
        """What became of each cell."""
        return [str(cell["status"]) for cell in self.record["cells"]]

    def everything(self) -> bytes:
        """Every byte that was left, and what was said."""
        files = b"".join(path.read_bytes() for path in self.records.rglob("*") if path.is_file())
        return files + self.output.encode() + self.errors.encode()


def start_investigation(
    notebook: str | Path, *arguments: str, records: Path, environment: dict[str, str] | None = None,
    output: IO[str] | int = subprocess.PIPE, temporary: Path | None = None,
) -> subprocess.Popen[str]:
    """Start the command and return at once."""
    own = {"TMPDIR": str(temporary)} if temporary else {}
    return subprocess.Popen(
        [sys.executable, "-m", "opsbook", "investigate", str(notebook), "--record", str(records), *arguments], cwd=ROOT,
        env={**os.environ, "OPSBOOK_SIGNING_KEY": "", **own, **(environment or {})}, stdin=subprocess.DEVNULL,
        stdout=output, stderr=subprocess.PIPE, text=True)


def run_investigation(
    notebook: str | Path, *arguments: str, records: Path, timeout: float = 90, **more: Any
) -> Investigated:
    """Run the command to its end."""
    process = start_investigation(notebook, *arguments, records=records, **more)
    output, errors = process.communicate(timeout=timeout)
    return Investigated(process.returncode, output, errors, records)
