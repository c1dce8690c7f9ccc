"""What each investigation asks: its symptom, where that counts, and what it must have seen to say "nothing wrong"."""

from __future__ import annotations

from dataclasses import dataclass

from opsbook.diagnosis.causes import CACHES, DATABASES
from opsbook.diagnosis.metrics import ERRORS, LATENCY
from opsbook.diagnosis.service_map import Component, ServiceMap

ENTRY = "entry"
"""Stands for every component that users come in at, whatever its kind."""
BEHIND = "behind"
"""Stands for every service behind a load balancer: a service that few requests go to is slow or fails for its users, and the
load balancer's own figures, of all requests together, hardly show it."""


@dataclass(frozen=True)
class Question:
    """The question of an investigation.

    :param symptom: what is asked for, as in "no {symptom} found"
    :param signs: any of them is the symptom
    :param where: kinds of components that it counts at, or ENTRY, or BEHIND
    :param measured: metrics that must have been read of every such component, for nothing to be wrong; which pieces of
        evidence must be whole for that follows from the signs (`sources`)
    :param family: of metrics, by which the service map is searched; empty where the symptom is none of errors and latency
    """

    symptom: str
    signs: frozenset[str]
    where: tuple[str, ...]
    measured: tuple[str, ...] = ()
    family: str = ""

    def concerns(self, component: Component) -> bool:
        """Whether the symptom counts at a component."""
        return self.must_see(component) or (bool(component.target_group) and BEHIND in self.where)

    def must_see(self, component: Component) -> bool:
        """Whether nothing is wrong only where this component was seen."""
        return component.kind in self.where or (component.entry and ENTRY in self.where)

    def components(self, service_map: ServiceMap) -> tuple[Component, ...]:
        """The components that must have been seen."""
        return tuple(component for component in service_map.components if self.must_see(component))


def _signs(words: str) -> frozenset[str]:
    return frozenset(words.split())


QUESTIONS: dict[str, Question] = {
    "high-error-rate": Question(
        "raised error rate", _signs("errors-up"), (ENTRY, BEHIND, "http_api", "lambda_function"), ("requests", "errors"),
        family=ERRORS),
    "high-latency": Question(
        # Of work that is put into a queue the time that it waits there is what its users feel; a target that lets the load
        # balancer wait lets its users wait, whom no percentile counts, since they get no answer of it.
        "raised latency", _signs("latency-up queue-up health-check-times-out"),
        (ENTRY, BEHIND, "http_api", "lambda_function", "sqs_queue"),
        ("latency_p95",), family=LATENCY),
    "service-unavailable": Question(
        "outage",
        _signs("not-answering tasks-missing tasks-do-not-start targets-unhealthy health-check-times-out port-closed "
               "name-wrong certificate-bad"),
        (ENTRY, "ecs_service", "host", "external", *DATABASES), family=ERRORS),
    "no-traffic": Question(
        # Work that comes by the clock is traffic too: where the scheduler stands, no request is lost and none is made.
        "loss of traffic", _signs("requests-gone name-wrong certificate-bad port-closed scheduler-stopped"),
        (ENTRY, "ecs_service", "host"), ("requests",)),
    "database-connections": Question(
        "shortage of connections",
        _signs("connections-high says-connections-out pool-exhausted not-answering says-refused-connection "
               "idle-in-transaction sessions-blocked"),
        DATABASES),
    "database-performance": Question(
        "slow database",
        _signs("slow-statements sessions-blocked tables-bloated latency-up cpu-high disk-filling throttled says-lock "
               "not-answering says-refused-connection"),
        (*DATABASES, "dynamodb_table")),
    "dynamodb-throttling": Question("throttling of tables", _signs("throttled"), ("dynamodb_table",), ("throttles",)),
    "lambda-timeouts": Question(
        # A function that nobody calls any more fails no call: what should have called it waits in a queue.
        "trouble of functions", _signs("at-timeout says-timed-out throttled says-killed errors-up says-denied queue-up"),
        ("lambda_function", "sqs_queue"), ("throttles", "latency_max")),
    "redis-health": Question(
        "trouble of the cache",
        _signs("not-answering says-refused-connection evicting refuses-writes says-no-memory slow-commands blamed"), CACHES),
    "log-review": Question(
        "new kind of error in the logs",
        _signs("new-errors blames-others says-timed-out says-killed says-denied errors-up"),
        (ENTRY, "ecs_service", "lambda_function", "host", "http_api")),
}
