"""Listing the records of runs, and writing those of runs that were killed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.orphans import (
    is_running,
    seal_interrupted,
    unsealed,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import RECORD


def add_command(commands: Any) -> None:
    """Add `records`."""
    listed = commands.add_parser("records", help="list the records of runs, or seal those of runs that were killed")
    listed.add_argument("action", nargs="?", choices=["list", "seal"], default="list")
    listed.add_argument("--record-dir", type=Path, default=Path("records"), help="where records are kept")
    listed.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    return run(options.action, options.record_dir)


def run(action: str, folder: Path) -> int:
    """List the records in a folder, or seal the interrupted ones first.

    :param action: `list` or `seal`
    :returns: exit status; 1 where a record could not be sealed
    """
    failed = seal_interrupted(folder).failed if action == "seal" else {}
    for path in sorted(folder.glob(f"*/{RECORD}")):
        print(_line(json.loads(path.read_text(encoding="utf-8"))))
    for path in unsealed(folder):
        print(f"{path.name}  {failed.get(path.name) or ('running' if is_running(path) else 'not sealed')}")
    return 1 if failed else 0


def _line(record: dict[str, object]) -> str:
    changes = record["changes"] if isinstance(record["changes"], list) else []
    done = sum(change["outcome"] == "done" for change in changes)
    return f"{record['id']}  {record['status']:<11}  {done:>3} changes  {record['title']}"
