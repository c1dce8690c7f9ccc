"""How each system says it is; changed from outside, at once or after a number of requests."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.web.reply import BadRequest, refuse_unknown
from lab.web.systems import Endpoint, System

_OF_AN_ENDPOINT = frozenset({"system", "endpoint", "status", "code", "after", "checks"})
_OF_A_SYSTEM = frozenset({"system", "queues", "scheduler", "jobs"})
# What a background job's last execution came to.
OUTCOMES = ("success", "failed", "rate_limited")
SCHEDULER_STATES = ("running", "stopped")
_MOST_JOBS = 1_000_000


@dataclass
class _Change:
    status: str
    code: int
    checks: Mapping[str, str]
    healthy_requests_left: int


@dataclass(frozen=True)
class Condition:
    """How an endpoint is: the word, the status code, and the word of each check."""

    status: str
    code: int
    checks: Mapping[str, str]

    @property
    def failing(self) -> bool:
        """Whether requests fail."""
        return self.code >= 400


@dataclass
class Course:
    """What goes on in a system behind its endpoints: queue depths, the scheduler, the outcome of jobs."""

    queues: dict[str, int]
    scheduler: str = "running"
    jobs: dict[str, str] = field(default_factory=dict)


class HealthBook:
    """The condition of all endpoints, and the course of all systems."""

    def __init__(self, systems: Mapping[str, System]) -> None:
        self._systems = systems
        self._changes: dict[tuple[str, str], _Change] = {}
        self._courses = {name: Course(dict(system.queues)) for name, system in systems.items()}
        self._lock = threading.Lock()

    def condition(self, system: str, endpoint: str) -> Condition:
        """The condition that one health request sees."""
        described = self._systems[system].endpoints[endpoint]
        with self._lock:
            change = self._changes.get((system, endpoint))
            if change and change.healthy_requests_left:
                change.healthy_requests_left -= 1
                change = None
            return _condition(described, change, self._courses[system])

    def course(self, system: str) -> Course:
        """What goes on in a system now."""
        with self._lock:
            course = self._courses[system]
            return Course(dict(course.queues), course.scheduler, dict(course.jobs))

    def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out `POST /lab/health`; raises BadRequest for anything but one of these.

        `{"reset": true}` makes everything healthy. `system`, `endpoint`, `status`, and optionally `code` (503), `after`
        (that many more healthy answers first) and `checks` (by name) change an endpoint. `system` with `queues` (depths
        by name), `scheduler` (running or stopped) or `jobs` (outcomes by id) change what goes on behind.
        """
        refuse_unknown(body, {"reset", *_OF_AN_ENDPOINT, *_OF_A_SYSTEM})
        if body.get("reset"):
            self.reset()
            return {"reset": True}
        system = _text(body, "system")
        if system not in self._systems:
            raise BadRequest(f"there is no system {system}; known: {', '.join(self._systems)}")
        return self._change_course(system, body) if "endpoint" not in body else self._change_endpoint(system, body)

    def reset(self) -> None:
        """Make everything healthy."""
        with self._lock:
            self._changes.clear()
            self._courses = {name: Course(dict(system.queues)) for name, system in self._systems.items()}

    def _change_endpoint(self, system: str, body: Mapping[str, Any]) -> dict[str, Any]:
        refuse_unknown(body, _OF_AN_ENDPOINT)
        endpoint = _text(body, "endpoint")
        if endpoint not in self._systems[system].endpoints:
            known = ", ".join(self._systems[system].endpoints)
            raise BadRequest(f"there is no endpoint {system}/{endpoint}; known: {known}")
        checks = body.get("checks") or {}
        _refuse_unless_named("checks", checks, self._systems[system].endpoints[endpoint].checks)
        change = _Change(
            status=_text(body, "status"),
            code=_number(body, "code", 503, range(200, 600)),
            checks={name: str(value) for name, value in checks.items()},
            healthy_requests_left=_number(body, "after", 0, range(1_000_001)),
        )
        with self._lock:
            self._changes[(system, endpoint)] = change
        return {"system": system, "endpoint": endpoint, "status": change.status, "code": change.code}

    def _change_course(self, system: str, body: Mapping[str, Any]) -> dict[str, Any]:
        refuse_unknown(body, _OF_A_SYSTEM)
        described = self._systems[system]
        queues, jobs, scheduler = body.get("queues") or {}, body.get("jobs") or {}, body.get("scheduler")
        _refuse_unless_named("queues", queues, described.queues)
        _refuse_unless_named("jobs", jobs, described.jobs)
        for name in queues:
            _number(queues, name, 0, range(_MOST_JOBS + 1))
        _refuse_unless(all(outcome in OUTCOMES for outcome in jobs.values()), f"jobs end with {', '.join(OUTCOMES)}")
        if scheduler is not None:
            _refuse_unless(bool(described.jobs), f"{system} has no scheduler")
            _refuse_unless(scheduler in SCHEDULER_STATES, f"scheduler must be one of {', '.join(SCHEDULER_STATES)}")
        _refuse_unless(bool(queues or jobs or scheduler), "name an endpoint, queues, jobs or a scheduler")
        with self._lock:
            course = self._courses[system]
            course.queues.update(queues)
            course.jobs.update(jobs)
            course.scheduler = scheduler or course.scheduler
        return {"system": system, "queues": course.queues, "scheduler": course.scheduler, "jobs": course.jobs}


def _condition(endpoint: Endpoint, change: _Change | None, course: Course) -> Condition:
    checks = dict.fromkeys(endpoint.checks, "ok")
    if change:
        return Condition(change.status, change.code, {**checks, **change.checks})
    if "scheduler" in checks and course.scheduler != "running":
        return Condition("degraded", 200, {**checks, "scheduler": course.scheduler})
    return Condition(endpoint.healthy, 200, checks)


def _refuse_unless(allowed: bool, message: str) -> None:
    if not allowed:
        raise BadRequest(message)


def _refuse_unless_named(option: str, given: Any, known: Collection[str]) -> None:
    if not isinstance(given, Mapping) or not set(given) <= set(known):
        raise BadRequest(f"{option} must be an object with keys of {', '.join(known) or 'nothing here'}")


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


