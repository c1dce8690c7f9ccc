# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of a run: one JSON object a line, on disk before the next thing happens.

Standard library only. A process that is killed leaves at most one torn last line, which reading skips and says so.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

active: Journal | None = None
"""The journal of the ansible-playbook run this process belongs to; set by the ledger callback before workers fork."""


class Journal:
    """Appends events to a file, safely on disk when `write` returns. Several processes may write at once.

    `owner` is the process that opened it: of `active`, in a worker too, the ansible-playbook that was started.
    """

    def __init__(self, path: str, run: str = "", **context: Any) -> None:
        """:param run: id of the run the journal belongs to
        :param context: fields that every event of this writer carries (system, task, operation)
        """
        self.path = path
        self.run = run
        self.owner = os.getpid()
        self.context = context

    def write(self, event: str, **fields: Any) -> None:
        """Append one event.

        :raises OSError: when it cannot be written; a changing run must not go on then
        """
        self.write_all([(event, fields)])

    def write_all(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Append events that belong together: a disk that is busy takes its time for each, and for all at once no longer.

        :raises OSError: when they cannot be written; a changing run must not go on then
        """
        lines = "".join(self._line(event, fields) for event, fields in events)
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            content = (("\n" if _is_torn(handle) else "") + lines).encode()
            if os.write(handle, content) != len(content):
                raise OSError(errno.ENOSPC, "an event was written in part only", self.path)
            os.fsync(handle)
        finally:
            os.close(handle)

    def _line(self, event: str, fields: Mapping[str, Any]) -> str:
        entry = {"time": datetime.now(timezone.utc).isoformat(), "event": event, **self.context, **fields}
        return json.dumps(entry, sort_keys=True, default=str) + "\n"


def _is_torn(handle: int) -> bool:
    """Whether the last line has no end: its writer was killed in the middle of it."""
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"


def read_journal(path: str) -> list[dict[str, Any]]:
    """All events of a journal in order; a torn line becomes an event `torn_line` of its own.

    :raises OSError: when it cannot be read
    """
    events: list[dict[str, Any]] = []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if line == "\n":  # a writer ended what it took for a torn line; another was only not done yet
                continue
            events.append(_event(line) or {"event": "torn_line", "line": number})
    return events


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def affected_by(events: Iterable[Mapping[str, Any]], operation: str, system: str) -> frozenset[str]:
    """The resources that an operation has begun to change in this run, on one system."""
    return frozenset(
        str(event["change"]["resource"])
        for event in events
        if event.get("event") == "change_started"
        and event.get("operation") == operation
        and event.get("system") == system
    )
