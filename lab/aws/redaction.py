"""Parameters of a call as the audit log may keep them: without secrets, and of bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

HIDDEN = "***"
_SECRET_NAMES = {"secretstring", "secretbinary", "clientsecret", "payload"}
_SECRET_PARTS = ("password", "token")
# Identifies a request, and lets a test see that a repeated request is the same one.
_HARMLESS = {"clientrequesttoken"}
_LONGEST_TEXT = 2000


def redact(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with secret values as "***", bytes as their length and long text cut."""
    return {str(name): _redact_member(str(name), value) for name, value in parameters.items()}


def _redact_member(name: str, value: Any) -> Any:
    lowered = name.lower()
    if lowered in _SECRET_NAMES or (lowered not in _HARMLESS and any(part in lowered for part in _SECRET_PARTS)):
        return HIDDEN
    if lowered == "environment":
        return _hide_environment(value)
    return _redact_value(value)


def _redact_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return redact(value)
    if isinstance(value, (list, tuple)):
        return [_redact_value(item) for item in value]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT]}... ({len(value)} characters)"
    return value


def _hide_environment(value: Any) -> Any:
    """Keep the names of environment variables: Lambda's map of variables, ECS's list of name and value."""
    if isinstance(value, Mapping) and isinstance(value.get("Variables"), Mapping):
        return {"Variables": dict.fromkeys(value["Variables"], HIDDEN)}
    if isinstance(value, list):
        return [{**item, "value": HIDDEN} if isinstance(item, Mapping) else HIDDEN for item in value]
    return HIDDEN
