"""The audit log: one JSON line in `audit.jsonl` per AWS call, in order of completion.

It is how a test knows that nothing was changed, or nothing twice. Seeding (access key LABSEEDER) and control routes
leave no lines.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.action_effects import is_changing
from lab.aws.call import Call
from lab.aws.control import ControlRoutes
from lab.aws.redaction import redact
from lab.aws.settings import Settings

SEEDER_ACCESS_KEY = "LABSEEDER"
_REMEMBERED_CALLS = 10_000


class AuditLog:
    """Appends the lines, and remembers the newest ones for CloudTrail."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._file = (folder / "audit.jsonl").open("a", encoding="utf-8")
        self._entries: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED_CALLS)

    def write(self, call: Call, *, outcome: str, injected: bool, milliseconds: float) -> None:
        """Append the line of one completed call."""
        if call.access_key == SEEDER_ACCESS_KEY:
            return
        entry = {
            "time": "",
            "service": call.service,
            "action": call.action,
            "principal": call.caller.principal,
            "account": call.caller.account,
            "region": call.region,
            "changing": is_changing(call.service, call.action),
            "purpose": self.purpose(call),
            "parameters": redact(call.parameters),
            "outcome": outcome,
            "injected": injected,
            "milliseconds": round(milliseconds, 2),
        }
        with self._lock:
            entry["time"] = datetime.now(UTC).isoformat(timespec="microseconds")
            self._file.write(json.dumps(entry, default=str) + "\n")
            self._file.flush()
            self._entries.append(entry)

    def purpose(self, call: Call) -> str:
        """`control` for the lock table and the record bucket, else `work`."""
        if call.service == "s3":
            return "control" if call.parameters.get("Bucket") == self._settings.record_bucket else "work"
        if call.service == "dynamodb":
            tables = {str(name).rsplit("/", 1)[-1] for name in _table_names(call.parameters)}
            return "control" if tables == {self._settings.lock_table} else "work"
        return "work"

    def entries(self) -> list[dict[str, Any]]:
        """The remembered calls, oldest first."""
        with self._lock:
            return list(self._entries)

    def clear(self) -> None:
        """Empty the file and forget the calls."""
        with self._lock:
            self._file.truncate(0)
            self._entries.clear()

    def install(self, control: ControlRoutes) -> None:
        """Register the control route `audit/reset`."""

        @control.route("audit/reset")
        def reset_audit(_: Mapping[str, Any]) -> dict[str, Any]:
            self.clear()
            return {}


def _table_names(parameters: Mapping[str, Any]) -> list[Any]:
    """Every table that a DynamoDB call names: at its top, per batch, or per part of a transaction."""
    names = [parameters["TableName"]] if "TableName" in parameters else []
    batches = parameters.get("RequestItems")
    names += list(batches) if isinstance(batches, Mapping) else []
    for item in parameters.get("TransactItems") or []:
        names += [part["TableName"] for part in item.values() if "TableName" in part]
    return names
