"""The lab's audit log, read as a test wants it: what was really called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def read_audit(folder: Path) -> list[dict[str, Any]]:
    """Every call that the lab's AWS has answered, in order."""
    path = folder / "audit.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def carried_out(calls: list[dict[str, Any]], purpose: str | None = "work") -> list[dict[str, Any]]:
    """The calls that changed something: changing, of that purpose (None: any), and answered with success."""
    return [call for call in calls if call["changing"] and call["outcome"] == "ok"
            and (purpose is None or call["purpose"] == purpose)]


def changing(calls: list[dict[str, Any]], purpose: str | None = None) -> list[dict[str, Any]]:
    """All changing calls, whatever came of them."""
    return [call for call in calls if call["changing"] and purpose in (None, call["purpose"])]


class Calls(list[dict[str, Any]]):
    """The calls made inside a `recording` block; filled when it ends."""

    def names(self) -> list[str]:
        """`service:Action` of each call."""
        return [f"{call['service']}:{call['action']}" for call in self]


@contextmanager
def recording(folder: Path) -> Iterator[Calls]:
    """Collect the calls made inside the block."""
    before = len(read_audit(folder))
    calls = Calls()
    yield calls
    calls.extend(read_audit(folder)[before:])
