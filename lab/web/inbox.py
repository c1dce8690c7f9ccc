"""What the receivers were sent: appended to received.jsonl in the lab's folder."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Inbox:
    """The file of everything received, one JSON object a line, flushed line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, receiver: str, path: str, body: Any, status: int) -> None:
        """Append one received message, with the status that its sender got."""
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="microseconds"),
            "receiver": receiver,
            "path": path,
            "body": body,
            "status": status,
        }
        with self._lock, self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")

    def empty(self) -> None:
        """Forget everything received."""
        with self._lock:
            self._path.write_text("", encoding="utf-8")
