"""What an incident does to the lab's PostgreSQL: asked of the process that keeps the applications' sessions open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import folders
from lab.control_client import post


def begin(folder: Path, system: str, wanted: Mapping[str, Any]) -> None:
    """Let sessions be opened and statements run, as a scenario's `postgres` says; raises LabError."""
    post(_endpoint(folder), "/lab/incident", {"system": system, **wanted})


def end(folder: Path) -> None:
    """End those sessions, and take back what can be taken back; raises LabError."""
    post(_endpoint(folder), "/lab/incident/clear", {})


def _endpoint(folder: Path) -> str:
    return f"http://127.0.0.1:{folders.read_json(folder / 'databases.json')['port']}"
