"""The causes that an investigation can name, and the signs that speak for and against each.

One table, no weights: a rule needs all signs of one of its `needs`, each further sign that `supports` it is a reason more,
each of `against` is a reason against. Where a rule comes from is said beside it, by the id of the procedure; the others are
what the service itself documents.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsbook.diagnosis.signs import SIGNS

COMPUTE = ("ecs_service", "lambda_function", "host")
DATABASES = ("postgres", "rds_instance")
CACHES = ("redis", "elasticache_cluster")
ENTRANCES = ("load_balancer", "http_api", "distribution", "host")


@dataclass(frozen=True)
class Cause:
    """A kind of cause and the rule that finds it.

    :param title: one line; `{resource}` is the component
    :param kinds: the kinds of component that it can lie in
    :param needs: alternatives, each a set of signs that must all be there
    :param direct: signs that are the thing itself: with one of them the cause was observed, not inferred
    :param supports, against: signs that speak for and against it besides
    :param severity_id: OCSF's, of the incident if this is the cause
    :param unanswered: what a person should still ask
    """

    title: str
    kinds: tuple[str, ...]
    needs: tuple[frozenset[str], ...]
    direct: frozenset[str] = frozenset()
    supports: frozenset[str] = frozenset()
    against: frozenset[str] = frozenset()
    severity_id: int = 4
    unanswered: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        used = {sign for needed in self.needs for sign in needed} | self.direct | self.supports | self.against
        if used - set(SIGNS):
            raise ValueError(f"{self.title}: there is no sign {', '.join(sorted(used - set(SIGNS)))}")


def _cause(
    title: str, kinds: tuple[str, ...], needs: tuple[str, ...], direct: str = "", supports: str = "", against: str = "",
    severity_id: int = 4, unanswered: tuple[str, ...] = (),
) -> Cause:
    """A cause whose sets of signs are written as words."""
    return Cause(title, kinds, tuple(frozenset(words.split()) for words in needs), frozenset(direct.split()),
                 frozenset(supports.split()), frozenset(against.split()), severity_id, unanswered)


CAUSES: dict[str, Cause] = {
    # 000-07, 002-02, 004-06: errors that are its own, not those of what it calls.
    "application-error": _cause(
        "{resource} fails by its own code", COMPUTE,
        needs=("new-errors",),
        direct="new-errors",
        supports="errors-up latency-up deployed one-route",
        against="at-timeout tasks-killed-for-memory says-timed-out says-killed blames-others says-denied",
        unanswered=("Which change brought the error, and does the version before it bear going back?",),
    ),
    # 001-10, 002-04: new tasks that cannot run.
    "deployment-failing": _cause(
        "The deployment of {resource} fails", ("ecs_service",),
        needs=("tasks-do-not-start", "tasks-exit deployment-unfinished"),
        direct="tasks-do-not-start deployment-unfinished",
        supports="tasks-missing deployed",
    ),
    # 002-04: tasks that end by themselves.
    "crash-loop": _cause(
        "The tasks of {resource} keep ending", ("ecs_service",),
        needs=("tasks-exit",),
        direct="tasks-exit",
        supports="tasks-missing targets-unhealthy deployed new-errors",
        against="tasks-killed-for-memory deployment-unfinished",
    ),
    # 001-01, 002-02: out of memory.
    "out-of-memory": _cause(
        "{resource} is killed for want of memory", COMPUTE,
        needs=("tasks-killed-for-memory", "says-killed"),
        direct="tasks-killed-for-memory says-killed",
        supports="requests-up memory-high memory-rising tasks-missing",
    ),
    # 002-03: memory above 85 % and rising.
    "memory-leak": _cause(
        "{resource} loses memory", COMPUTE,
        needs=("memory-rising",),
        direct="memory-rising",
        supports="latency-up memory-high",
        against="requests-up",
    ),
    # 002-04: the load balancer's view.
    "unhealthy-targets": _cause(
        "The load balancer takes {resource} for unhealthy", ("ecs_service",),
        needs=("targets-unhealthy", "health-check-times-out"),
        direct="targets-unhealthy health-check-times-out",
        supports="errors-up",
        against="cpu-high tasks-killed-for-memory tasks-exit tasks-do-not-start new-errors",
        unanswered=("Does the health check ask more than whether this service works?",),
    ),
    # 000-07: external dependencies reachable.
    "dependency-failure": _cause(
        "{resource}, which is not ours, fails", ("external",),
        needs=("not-answering", "blamed"),
        direct="not-answering",
        supports="blamed",
        against="answers-well",
    ),
    # 004-08: duration at the time-out.
    "lambda-timeout": _cause(
        "{resource} is cut off at its time-out", ("lambda_function",),
        needs=("at-timeout", "says-timed-out"),
        direct="at-timeout says-timed-out",
        supports="errors-up latency-up memory-high deployed",
        against="blames-others",
    ),
    # 004-06: throttling.
    "lambda-throttled": _cause(
        "{resource} is throttled: too many executions at once", ("lambda_function",),
        needs=("throttled",),
        direct="throttled",
        supports="latency-up requests-up at-concurrency-limit",
    ),
    # 000-08, 004-09: throttled requests against capacity.
    "table-throttled": _cause(
        "{resource} is asked for more than its capacity", ("dynamodb_table",),
        needs=("throttled",),
        direct="throttled",
        supports="requests-up near-capacity blamed",
        against="below-capacity",
    ),
    "hot-partition": _cause(
        "One partition of {resource} takes most of the requests", ("dynamodb_table",),
        needs=("throttled below-capacity",),
        direct="throttled",
        supports="below-capacity blamed",
        against="near-capacity",
        unanswered=("Which key is hot? CloudWatch Contributor Insights names it where it is on.",),
    ),
    # 001-01: database unreachable.
    "database-unreachable": _cause(
        "{resource} cannot be reached", DATABASES,
        needs=("not-answering", "says-refused-connection"),
        direct="not-answering says-refused-connection",
        supports="blamed",
        against="answers-well connections-high says-connections-out",
    ),
    # 001-03, 003-10.
    "connections-exhausted": _cause(
        "{resource} has no connections left", DATABASES,
        needs=("connections-high", "says-connections-out"),
        direct="connections-high says-connections-out",
        supports="requests-up blamed idle-in-transaction pool-exhausted",
        against="sessions-blocked",
        unanswered=("Which application holds the connections, and why does it not give them back?",),
    ),
    "lock-contention": _cause(
        "Sessions of {resource} wait for a lock", DATABASES,
        needs=("sessions-blocked", "says-lock"),
        direct="says-lock sessions-blocked",
        supports="latency-up blamed idle-in-transaction pool-exhausted",
    ),
    # 000-08, 003-05.
    "slow-query": _cause(
        "Statements of {resource} take far too long", DATABASES,
        needs=("slow-statements",),
        direct="slow-statements",
        supports="latency-up cpu-high blamed pool-exhausted",
        against="sessions-blocked",
    ),
    # 003-07.
    "table-bloat": _cause(
        "Tables of {resource} are full of dead rows", DATABASES,
        needs=("tables-bloated",),
        direct="tables-bloated",
        supports="latency-up slow-statements",
        against="sessions-blocked",
        severity_id=3,
    ),
    # 002-03, 003-13.
    "cpu-saturation": _cause(
        "{resource} has no CPU left", (*COMPUTE, *DATABASES),
        needs=("cpu-high",),
        direct="cpu-high",
        supports="latency-up",
        against="requests-up slow-statements",
    ),
    "traffic-surge": _cause(
        "Many more requests come to {resource} than before", ENTRANCES,
        needs=("requests-up",),
        direct="requests-up",
        supports="errors-up latency-up cpu-high",
        unanswered=("Who asks: customers, a retry storm, or an attack?",),
    ),
    # 003-13.
    "queue-backlog": _cause(
        "{resource} is not worked off", ("sqs_queue",),
        # Measured, not direct: why it is not worked off is seen at those who should.
        needs=("queue-up",),
        unanswered=("Do its workers run, and do they fail?",),
    ),
    # 001-06.
    "cache-unreachable": _cause(
        "{resource} cannot be reached", CACHES,
        needs=("not-answering", "says-refused-connection"),
        direct="not-answering says-refused-connection",
        supports="blamed",
        against="answers-well",
    ),
    # 001-07.
    "cache-eviction": _cause(
        "{resource} throws out what is still needed", CACHES,
        needs=("evicting",),
        direct="evicting",
        supports="latency-up memory-high",
        against="refuses-writes",
        severity_id=3,
    ),
    "cache-out-of-memory": _cause(
        "{resource} takes no more data: its memory is full", CACHES,
        needs=("refuses-writes", "says-no-memory"),
        direct="refuses-writes says-no-memory",
        supports="memory-high blamed",
        against="evicting",
    ),
    "cache-slow-commands": _cause(
        "Commands of {resource} hold up all others", CACHES,
        needs=("slow-commands",),
        direct="slow-commands",
        supports="latency-up cpu-high blamed",
        severity_id=3,
    ),
    # 002-05.
    "dns-failure": _cause(
        "The name of {resource} does not lead to it", (*ENTRANCES, *COMPUTE, "external"),
        needs=("name-wrong",),
        direct="name-wrong",
        supports="requests-gone",
        severity_id=5,
    ),
    "certificate-expired": _cause(
        "The certificate of {resource} is not valid", (*ENTRANCES, *COMPUTE, "external"),
        needs=("certificate-bad",),
        direct="certificate-bad",
        supports="requests-gone",
        severity_id=5,
    ),
    "route-closed": _cause(
        "{resource} cannot be reached from outside", (*ENTRANCES, *COMPUTE),
        needs=("port-closed",),
        direct="port-closed",
        supports="requests-gone",
        against="answers-well",
        severity_id=5,
        unanswered=("Was a listener, a route or a security group changed?",),
    ),
    "clients-gone": _cause(
        "Nobody asks {resource}, and it would answer", ENTRANCES,
        needs=("requests-gone answers-well",),
        supports="answers-well",
        against="errors-up name-wrong certificate-bad port-closed",
        unanswered=("Do the clients know of it: a release, an outage of theirs, a new address?",),
    ),
    "permission-denied": _cause(
        "{resource} lacks a permission", COMPUTE,
        needs=("says-denied",),
        direct="says-denied",
        supports="errors-up latency-up deployed",
    ),
    # 001-05.
    "jobs-stopped": _cause(
        "The jobs of {resource} do not run", COMPUTE,
        needs=("scheduler-stopped",),
        direct="scheduler-stopped",
        supports="queue-up new-errors",
        severity_id=3,
    ),
    # 001-04.
    "disk-full": _cause(
        "{resource} runs out of disk", (*DATABASES, "host"),
        needs=("disk-filling",),
        direct="disk-filling",
        supports="errors-up blamed",
        severity_id=5,
    ),
}
