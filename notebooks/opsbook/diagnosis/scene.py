"""What every judgement needs besides the evidence: the system's map, the times, the limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opsbook.diagnosis.service_map import ServiceMap
from opsbook.evidence.limits import InvestigationLimits
from opsbook.evidence.pieces import Span

PRESENT = timedelta(minutes=10)
"""A window that ended less than this ago is about now: what a source shows of the present only belongs to it."""


@dataclass(frozen=True)
class Scene:
    """Where and when something is looked for.

    :param system: its name in the inventory
    :param window: what is looked at
    :param baseline: the stretch before it
    :param now: the moment of looking, UTC
    :param database, cache: the components that the inventory's logins reach; empty where there is none
    :param environment: lab, staging or production
    :param investigation: the one that runs
    :param inventory: what commands have to say, each with -i; none for the checkout's own
    :param queues: what may wait in queues that declare it, as `queue_limits_of` says
    """

    system: str
    service_map: ServiceMap
    window: Span
    baseline: Span
    now: datetime
    limits: InvestigationLimits
    database: str = ""
    cache: str = ""
    environment: str = ""
    inventory: tuple[str, ...] = ()
    investigation: str = ""
    queues: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def is_about_now(self) -> bool:
        """Whether what is seen at present belongs to the window."""
        return self.now - self.window.end < PRESENT

    def queue_limit(self, component: str, metric: str) -> float:
        """How many messages (queue_depth) or for how many seconds (age_of_oldest) may wait in a queue."""
        anywhere = {"queue_depth": float(self.limits.queue_depth), "age_of_oldest": self.limits.queue_age.total_seconds()}
        queue = self.service_map[component].id if component in self.service_map else component
        return self.queues.get(queue, {}).get(metric, anywhere[metric])
