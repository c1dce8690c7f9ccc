"""How healthy each endpoint says it is; changed from outside, at once or after a number of requests."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.web.reply import BadRequest, refuse_unknown
from lab.web.systems import Endpoint

_OPTIONS = frozenset({"system", "endpoint", "status", "code", "after", "checks", "reset"})


@dataclass
class _Change:
    status: str
    code: int
    checks: Mapping[str, str]
    healthy_requests_left: int


class HealthBook:
    """The health of all endpoints."""

    def __init__(self, systems: Mapping[str, Mapping[str, Endpoint]]) -> None:
        self._systems = systems
        self._changes: dict[tuple[str, str], _Change] = {}
        self._lock = threading.Lock()

    def answer(self, system: str, endpoint: str) -> tuple[int, dict[str, Any]]:
        """Status code and body of one health request."""
        described = self._systems[system][endpoint]
        checks = dict.fromkeys(described.checks, "ok")
        with self._lock:
            change = self._changes.get((system, endpoint))
            if change and change.healthy_requests_left:
                change.healthy_requests_left -= 1
                change = None
        if not change:
            return 200, {"status": "ok", "version": described.version, "checks": checks}
        body = {"status": change.status, "version": described.version, "checks": {**checks, **change.checks}}
        return change.code, body

    def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out `POST /lab/health`.

        `{"reset": true}` makes everything healthy; otherwise system, endpoint, status, and optionally code (503), after
        (that many more healthy answers first) and checks (by name). Raises BadRequest for anything else.
        """
        refuse_unknown(body, _OPTIONS)
        if body.get("reset"):
            self.reset()
            return {"reset": True}
        key = self._key(body)
        change = _Change(
            status=_text(body, "status"),
            code=_number(body, "code", 503, range(200, 600)),
            checks=self._checks(key, body.get("checks") or {}),
            healthy_requests_left=_number(body, "after", 0, range(1_000_001)),
        )
        with self._lock:
            self._changes[key] = change
        return {"system": key[0], "endpoint": key[1], "status": change.status, "code": change.code}

    def reset(self) -> None:
        """Make every endpoint healthy."""
        with self._lock:
            self._changes.clear()

    def _key(self, body: Mapping[str, Any]) -> tuple[str, str]:
        system, endpoint = _text(body, "system"), _text(body, "endpoint")
        if endpoint not in self._systems.get(system, {}):
            known = ", ".join(f"{name}/{one}" for name, endpoints in self._systems.items() for one in endpoints)
            raise BadRequest(f"there is no endpoint {system}/{endpoint}; known: {known}")
        return system, endpoint

    def _checks(self, key: tuple[str, str], checks: Any) -> Mapping[str, str]:
        known = self._systems[key[0]][key[1]].checks
        if not isinstance(checks, Mapping) or not set(checks) <= set(known):
            raise BadRequest(f"checks must be an object with keys of {', '.join(known)}")
        return {name: str(value) for name, value in checks.items()}


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{name} must be a text")
    return value


def _number(body: Mapping[str, Any], name: str, default: int, allowed: range) -> int:
    value = default if body.get(name) is None else body[name]
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise BadRequest(f"{name} must be a whole number from {allowed.start} to {allowed.stop - 1}")
    return value
