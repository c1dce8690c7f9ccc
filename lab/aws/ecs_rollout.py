"""How a service moves: what can be asked of it, and the time that passes.

Nothing here looks at a clock or runs in the background. Each step notes when the next thing is due; `advance` carries
out all that was due up to a time, each at its own moment, so a service that nobody looked at for an hour has the same
history as one that was polled.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any

from lab.aws.ecs_model import DRAINING, Deployment, Revision, Task, breaker_threshold, new_number, shift_times
from lab.aws.ecs_scheduler import ServiceScheduler


class RolloutError(ValueError):
    """What was asked of a service is not possible in its present state."""


class ServiceRollout(ServiceScheduler):
    """One service: its state (see ServiceScheduler) and what can be asked of it, always with the time of asking."""

    def advance(self, now: float) -> None:
        """Carry out everything that was due up to `now`."""
        while self._wakeups and self._wakeups[0] <= now:
            at = self._wakeups[0]
            while self._wakeups and self._wakeups[0] == at:
                heapq.heappop(self._wakeups)
            self._happen(at)
            self.pool.prune(at)
        self.pool.prune(now)
        self.history.observe(self.counts)

    def deploy(
        self, at: float, task_definition: str, containers: Iterable[Mapping[str, Any]], settings: Mapping[str, Any]
    ) -> Deployment:
        """Start a new deployment; its images are resolved now, once."""
        self.advance(at)
        images = self._images.resolve_all(containers)
        revision = Revision(new_number(), task_definition, images, at, dict(settings))
        self.revisions[revision.number] = revision
        self.history.supersede(at, self.counts)
        begin = at + self._timing.begin_seconds
        self.deployments.insert(0, Deployment(revision.number, self.desired, at, at, begin))
        for deployment in self.deployments[1:]:
            self._demote(at, deployment)
        sources = [entry.number for entry in self.deployments[1:] if self.pool.live(entry.number)]
        threshold = breaker_threshold(self.desired, self.configuration)
        self.history.open(at, revision.number, sources, threshold, self.configuration)
        self._steady_again_at = None
        self._wake(begin)
        return self.primary

    def scale(self, at: float, desired: int) -> None:
        """Change the number of tasks; this starts no deployment."""
        self.advance(at)
        if desired == self.desired:
            return
        self.desired = desired
        if self.deployments:
            self.primary.desired, self.primary.updated_at = desired, at
        self._steady_again_at = None
        self._wake(at + self._timing.begin_seconds)

    def stop_task(self, at: float, task: Task, reason: str) -> None:
        """Stop a task at somebody's request; the service replaces it."""
        self.advance(at)
        if task.is_live:
            self.pool.stop(at, task, "UserInitiated", reason)
            self._steady_again_at = None
            self._wake(at + self._timing.begin_seconds)

    def drain(self, at: float) -> None:
        """Delete the service: its tasks stop, then it is inactive."""
        self.advance(at)
        self.status = DRAINING
        self.history.supersede(at, self.counts)
        for deployment in self.deployments:
            deployment.desired = 0
            self._stop_tasks(at, self.pool.live(deployment.number))
        self.desired, self._steady_again_at = 0, None
        self._wake(at + self._timing.begin_seconds)

    def request_stop(self, at: float, kind: str) -> None:
        """Ask for the end of the service deployment in progress: "ROLLBACK" to the last completed one, or "ABORT"."""
        self.advance(at)
        if kind == "ROLLBACK" and self._completed is None:
            raise RolloutError("there is no completed service revision to roll back to")
        due = at + self._timing.begin_seconds
        self.history.request(at, due, kind)
        self._wake(due)

    def settle(self, now: float, age_seconds: float) -> None:
        """Bring the rollout to its end at once, then make the service so much older.

        Raises RolloutError if it cannot get there because its tasks fail.
        """
        self.advance(now)
        if self.revisions[self.primary.number].failure or self.primary.is_failing:
            raise RolloutError(f"service {self.name} cannot become steady: its tasks fail to start")
        at = now
        while self._steady_again_at is None:
            if not self._wakeups or self.primary.failed_tasks:
                raise RolloutError(f"service {self.name} does not become steady")
            at = self._wakeups[0]
            self.advance(at)
        self.shift(now - at - age_seconds)
        self.advance(now)

    def shift(self, seconds: float) -> None:
        """Move the whole history of the service by `seconds`."""
        self.created_at += seconds
        for record in (*self.deployments, *self.revisions.values(), *self.events, *self.history.entries):
            shift_times(record, seconds)
        self.pool.shift(seconds)
        self._wakeups = [at + seconds for at in self._wakeups]
        if self._steady_again_at is not None:
            self._steady_again_at += seconds
