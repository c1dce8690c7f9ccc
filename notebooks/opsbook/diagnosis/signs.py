"""Signs: what was noticed at one component. Rules (`causes`) say which of them make which cause likely.

Everything that evidence shows is brought into this one form first, so that a rule reads as a person would say it, and each
sign is tested without the rule and each rule without the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

SIGNS = {
    # What its users notice.
    "errors-up": "more of its answers are errors than before, beyond the limit",
    "latency-up": "it answers later than before, beyond the limit",
    "requests-gone": "requests that came before do not come any more",
    "requests-up": "many more requests come than before",
    "not-answering": "it does not answer at all",
    "answers-well": "it answers as it should",
    "normal": "all of its metrics are as before",
    # Its own resources.
    "cpu-high": "its CPU is at its limit",
    "memory-high": "its memory is at its limit",
    "memory-rising": "its memory keeps rising, whatever the traffic does",
    "disk-filling": "its disk is full, or soon is",
    "connections-high": "nearly all of its connections are taken",
    "throttled": "it refuses requests for being too many",
    "near-capacity": "it uses nearly all of what is provisioned",
    "below-capacity": "it uses far less than what is provisioned",
    "at-concurrency-limit": "as many run at once as may",
    "at-timeout": "its longest executions end at its time-out",
    "queue-up": "messages wait longer, or more of them than before",
    "evicting": "it throws out what it holds, beyond the limit",
    "refuses-writes": "it takes no more data, for want of memory",
    "slow-commands": "some of its commands hold up all others",
    # How it runs.
    "tasks-missing": "fewer of its tasks run than are wanted",
    "tasks-killed-for-memory": "its tasks were killed for taking more memory than they may",
    "tasks-exit": "its tasks end by themselves with an error",
    "tasks-do-not-start": "its new tasks cannot be started",
    "targets-unhealthy": "the load balancer finds its targets unhealthy",
    "health-check-times-out": "the load balancer's health checks get no answer in time",
    "deployed": "it was deployed or configured shortly before",
    "deployment-unfinished": "its deployment does not come to an end, or failed",
    "scheduler-stopped": "its scheduler does not run, or its jobs fail",
    # What logs say.
    "new-errors": "it logs errors that it did not log before",
    "one-route": "most of the errors are of one route",
    "all-routes": "the errors are of all routes",
    "says-timed-out": "logs say that it was cut off at its time-out",
    "says-killed": "logs say that it ran out of memory",
    "blamed": "others' logs say that it fails them",
    "blames-others": "its errors say that something it calls fails",
    "says-denied": "logs say that a permission is missing",
    "says-connections-out": "logs say that it gives no more connections",
    "pool-exhausted": "a client's pool has no connection to it left: all are in use, or none came back",
    "says-refused-connection": "logs say that it cannot be connected to",
    "says-lock": "logs say that statements wait for locks",
    "says-no-memory": "logs say that it has no memory for more data",
    # Inside of a database.
    "sessions-blocked": "sessions wait for a lock that another holds",
    "idle-in-transaction": "sessions have left transactions open",
    "slow-statements": "statements take far longer than they may",
    "tables-bloated": "tables are full of dead rows",
    # The way to it.
    "name-wrong": "its name does not resolve, or to something else",
    "certificate-bad": "its certificate has expired, or is not its own",
    "port-closed": "nothing listens where it is asked",
}
"""Every sign, and what it means."""

DIRECT, MEASURED, HINT = "direct", "measured", "hint"
"""How much a sign says by itself: the thing itself was observed; it was measured at the component; it only fits."""


@dataclass(frozen=True)
class Sign:
    """One thing that was noticed.

    :param component: where, by its name in the service map
    :param kind: one of SIGNS
    :param text: one sentence with its figures
    :param evidence: names of the pieces of evidence it rests on
    :param onset: since when, UTC; None where that cannot be told
    :param expected, actual: what would be right and what was seen
    """

    component: str
    kind: str
    text: str
    evidence: tuple[str, ...] = ()
    onset: datetime | None = None
    expected: object = None
    actual: object = None

    def __post_init__(self) -> None:
        if self.kind not in SIGNS:
            raise ValueError(f"there is no sign {self.kind!r}")


def at(signs: Iterable[Sign], component: str) -> dict[str, Sign]:
    """The signs at a component by kind; of several of a kind the earliest that has a time."""
    found: dict[str, Sign] = {}
    for sign in signs:
        if sign.component != component:
            continue
        known = found.get(sign.kind)
        if known is None or (sign.onset and (known.onset is None or sign.onset < known.onset)):
            found[sign.kind] = sign
    return found
