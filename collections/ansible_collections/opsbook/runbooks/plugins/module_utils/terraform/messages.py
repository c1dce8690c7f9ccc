# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What terraform says in its machine-readable output (`-json`, a JSON object a line): pure reading.

Of a diagnostic only summary, detail and address are used: its `snippet` quotes the source, values of variables
included (measured: a wrong type in a variables file prints the whole line of that file).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import OperationError

HIDDEN = "***"

# Shorter texts are no secrets, and replacing them would make messages unreadable.
SHORTEST_SECRET = 4
LONGEST_DETAIL = 2000

STALE = "Saved plan is stale"
LOCKED = "Error acquiring the state lock"
UNDECLARED = "Value for undeclared variable"
INTERRUPTED = ("execution halted", "operation canceled")


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning.

    :param address: the resource it is about; empty where it is about none
    """

    severity: str
    summary: str
    detail: str = ""
    address: str = ""

    def text(self) -> str:
        """Summary and detail in one line each, the detail cut where it is long."""
        detail = " ".join(self.detail.split())[:LONGEST_DETAIL]
        where = f"{self.address}: " if self.address else ""
        return f"{where}{self.summary}" + (f": {detail}" if detail else "")


@dataclass(frozen=True)
class Progress:
    """What an apply has told of its resources.

    :param begun: addresses whose change began
    :param completed: address to the actions completed on it ("create", "delete", "update")
    :param failed: addresses whose change ended with an error
    """

    begun: frozenset[str]
    completed: Mapping[str, frozenset[str]]
    failed: frozenset[str]


def read_events(output: str) -> list[dict[str, Any]]:
    """The JSON objects of an output. Plain text in between is left out, also a last line still being written."""
    events = []
    for line in output.splitlines():
        try:
            event = json.loads(line) if line.startswith("{") else None
        except ValueError:
            event = None
        if isinstance(event, dict):
            events.append(event)
    return events


def read_diagnostics(events: Iterable[Mapping[str, Any]], severity: str) -> list[Diagnostic]:
    """The errors, or the warnings, in their order."""
    found = [event["diagnostic"] for event in events if event.get("type") == "diagnostic"]
    return [
        Diagnostic(severity, str(item.get("summary", "")), str(item.get("detail", "")), str(item.get("address", "")))
        for item in found if item.get("severity") == severity
    ]


def read_version(events: Iterable[Mapping[str, Any]]) -> str:
    """The program's version; empty where it has not said it."""
    for event in events:
        if event.get("type") == "version":
            return str(event.get("terraform") or event.get("tofu") or "")
    return ""


def read_changes(events: Iterable[Mapping[str, Any]], kind: str) -> list[dict[str, str]]:
    """Addresses and actions of `planned_change` or `resource_drift` events, sorted."""
    changes = [event["change"] for event in events if event.get("type") == kind]
    found = [{"address": str(change["resource"]["addr"]), "action": str(change["action"])} for change in changes]
    return sorted(found, key=lambda entry: (entry["address"], entry["action"]))


def read_progress(events: Iterable[Mapping[str, Any]]) -> Progress:
    """What became of each resource so far."""
    begun: set[str] = set()
    failed: set[str] = set()
    completed: dict[str, frozenset[str]] = {}
    for event in events:
        hook = event.get("hook") or {}
        address = str((hook.get("resource") or {}).get("addr", ""))
        if event.get("type") == "apply_start":
            begun.add(address)
        elif event.get("type") == "apply_errored":
            failed.add(address)
        elif event.get("type") == "apply_complete":
            completed[address] = completed.get(address, frozenset()) | {str(hook.get("action"))}
    return Progress(frozenset(begun), completed, frozenset(failed))


def describe_progress(output: str, total: int) -> str:
    """One line for a person: how far an apply has come."""
    progress = read_progress(read_events(output))
    busy = sorted(progress.begun - progress.completed.keys() - progress.failed)
    if not progress.begun:
        return ""
    return f"{len(progress.completed)} of {total} applied" + (f", now {', '.join(busy[:3])}" if busy else "")


def plain_error(errors: str) -> str:
    """The text of an error told to people, without the frame terraform draws around it."""
    lines = [line.strip("╷│╵ ") for line in errors.splitlines()]
    return " ".join(line for line in lines if line)[:LONGEST_DETAIL]


def explain(attempted: str, project: str, errors: Sequence[Diagnostic], otherwise: str) -> OperationError:
    """The error that a failed command stands for.

    :param otherwise: what it wrote to its standard error, where it told no diagnostics
    """
    summaries = {error.summary for error in errors}
    reason = "; ".join(error.text() for error in errors) or plain_error(otherwise)
    return OperationError(attempted, project, reason, _advice(summaries))


def _advice(summaries: set[str]) -> str:
    if STALE in summaries:
        return "Someone changed the state after the plan was made. Nothing was applied; look at a new plan and run again."
    if LOCKED in summaries:
        return ("Nothing was applied. Wait for the holder and run again; if the holder is dead, release the lock with "
                "`terraform force-unlock ID`.")
    return ""


def hide(value: Any, secrets: Sequence[str]) -> Any:
    """A value (text, list or dict) in which secrets are replaced, also as JSON writes them and line by line."""
    forms = _forms(secrets)
    return _hide(value, forms) if forms else value


def _forms(secrets: Sequence[str]) -> list[str]:
    forms: set[str] = set()
    for secret in secrets:
        forms |= {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], *secret.splitlines()}
    return sorted((form for form in forms if len(form) >= SHORTEST_SECRET), key=len, reverse=True)


def _hide(value: Any, forms: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return {_hide(key, forms): _hide(item, forms) for key, item in value.items()}
    if isinstance(value, list):
        return [_hide(item, forms) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return HIDDEN if str(value) in forms else value
    if isinstance(value, str):
        for form in forms:
            value = value.replace(form, HIDDEN)
    return value


def leaves(value: Any) -> list[str]:
    """Every text and number inside a value, as text."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in leaves(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in leaves(item)]
    if value is None or isinstance(value, bool):
        return []
    return [str(value)]
