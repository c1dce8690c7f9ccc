"""A service's deployment history: what ListServiceDeployments and DescribeServiceDeployments tell."""

from __future__ import annotations

import copy
import random
import string
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lab.aws.ecs_model import IN_PROGRESS, PENDING, Rollback, ServiceDeployment, TaskCounts, breaker_of

Count = Callable[[int], TaskCounts]
_ALPHABET = string.ascii_letters + string.digits + "-_"
_THRESHOLD = "circuit breaker threshold was exceeded"


class DeploymentHistory:
    """All service deployments, newest first; only the newest can be open."""

    def __init__(self) -> None:
        self.entries: list[ServiceDeployment] = []

    @property
    def current(self) -> ServiceDeployment | None:
        """The service deployment in progress."""
        return self.entries[0] if self.entries and self.entries[0].is_open else None

    @property
    def is_rolling_back(self) -> bool:
        """Whether the service deployment in progress is on its way back."""
        return self.current is not None and self.current.status == "ROLLBACK_IN_PROGRESS"

    @property
    def is_stop_requested(self) -> bool:
        """Whether somebody asked for the end of the service deployment in progress."""
        return self.current is not None and self.current.request_due_at is not None

    def open(self, at: float, target: int, sources: Iterable[int], threshold: int, configuration: Mapping[str, Any]) -> None:
        """Add a service deployment."""
        identifier = "".join(random.choices(_ALPHABET, k=21))
        entry = ServiceDeployment(
            identifier,
            target,
            {number: TaskCounts() for number in sources},
            threshold,
            copy.deepcopy(configuration),
            at,
            at,
        )
        if breaker_of(configuration).get("enable"):
            entry.breaker = "MONITORING"
        self.entries.insert(0, entry)

    def begin(self, at: float) -> None:
        """The scheduler has taken up the newest entry."""
        if self.current is not None and self.current.status == PENDING:
            self.current.status, self.current.started_at, self.current.updated_at = IN_PROGRESS, at, at

    def observe(self, count: Count) -> None:
        """Note how many tasks the revisions of the open entry have now."""
        if self.current is not None:
            self.current.counts = count(self.current.target)
            self.current.sources = {number: count(number) for number in self.current.sources}

    def count_failures(self, failures: int) -> None:
        """Count failed tasks of the deployment in progress."""
        if self.current is not None and not self.is_rolling_back:
            self.current.failure_count += failures

    def request(self, at: float, due: float, kind: str) -> None:
        """Note that the end of the open entry was asked for; it comes at `due`."""
        assert self.current is not None
        self.current.status = "ROLLBACK_REQUESTED" if kind == "ROLLBACK" else "STOP_REQUESTED"
        self.current.request_due_at, self.current.updated_at = due, at

    def due_request(self, at: float) -> str | None:
        """The kind of the request whose time has come."""
        entry = self.current
        if entry is None or entry.request_due_at is None or at < entry.request_due_at:
            return None
        entry.request_due_at = None
        return "ROLLBACK" if entry.status == "ROLLBACK_REQUESTED" else "ABORT"

    def roll_back(self, at: float, revision: int, by_breaker: bool) -> None:
        """The open entry returns to an earlier revision."""
        if self.current is None:
            return
        why = f"the {_THRESHOLD}" if by_breaker else "a stop with rollback was requested"
        self.current.status, self.current.updated_at, self.current.request_due_at = "ROLLBACK_IN_PROGRESS", at, None
        self.current.status_reason = f"Service deployment is rolling back because {why}."
        self.current.rollback = Rollback(f"Service deployment rolled back because {why}.", revision, at)
        if by_breaker:
            self.current.breaker = "TRIGGERED"

    def complete(self, at: float, count: Count) -> None:
        """The open entry has reached its end, be it forward or back."""
        if self.is_rolling_back and self.current is not None and self.current.rollback is not None:
            self._close(at, count, "ROLLBACK_SUCCESSFUL", self.current.rollback.reason)
        else:
            self._close(at, count, "SUCCESSFUL", None)

    def fail(self, at: float, count: Count) -> None:
        """The open entry was given up by the circuit breaker and nothing replaces it."""
        if self.current is not None:
            self.current.breaker = "TRIGGERED"
        if self.is_rolling_back:
            self._close(at, count, "ROLLBACK_FAILED", f"Service deployment rollback failed because the {_THRESHOLD}.")
        else:
            self._close(at, count, "STOPPED", f"Service deployment failed because the {_THRESHOLD}.")

    def abort(self, at: float, count: Count) -> None:
        """The open entry ends where it is, as was requested."""
        self._close(at, count, "STOPPED", "Service deployment was stopped by request.")

    def supersede(self, at: float, count: Count) -> None:
        """Another deployment, or the end of the service, takes the open entry's place."""
        status = "ROLLBACK_FAILED" if self.is_rolling_back else "STOPPED"
        self._close(at, count, status, "Service deployment was replaced before it finished.")

    def _close(self, at: float, count: Count, status: str, reason: str | None) -> None:
        entry = self.current
        if entry is None:
            return
        self.observe(count)
        entry.status, entry.status_reason, entry.updated_at, entry.finished_at = status, reason, at, at
        entry.request_due_at = None
        if status == "STOPPED":
            entry.stopped_at = at
        if entry.breaker == "MONITORING":
            entry.breaker = "MONITORING_COMPLETE"
