"""How things are, as tables: tasks, targets, functions, tables, sessions, statements, caches. What was not seen is not shown
as empty: each table is of what was read, and the evidence above it says what was not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_services import Observed as ObservedService
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_balancers import Balancer
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_targets import TargetGroup
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lambda_limits import Bounds
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.evidence import in_words
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.check import Checked, judge
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.dns import Resolved
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.session_health import blockers_of, holders_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.sessions import Activity
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statements import Statement
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics_state import Statistics
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.server_health import clients_of, memory_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.server_state import Observed as ObservedCache
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.slow_log import Slowness
from opsbook.evidence.states import TableUse
from opsbook.show.tables import show_table
from opsbook.show.views import rows_of_kind

if TYPE_CHECKING:
    from opsbook.notebook import Case

MOST_STOPPED = 10


def services(case: Case) -> None:
    """ECS services with their tasks, and why tasks stopped within the last hour."""
    observed = rows_of_kind(case, ObservedService)
    show_table([{"service": one.service.name, "wanted": one.service.desired, "running": one.service.running,
                 "deployments": [f"{entry.status} {entry.rollout_state}" for entry in one.service.deployments]}
                for one in observed], title="Services")
    show_table([{"service": one.service.name, "stopped": task.stopped_at, "code": task.stop_code, "reason": task.reason,
                 "containers": [f"{container.name}: {container.exit_code} {container.reason}".strip()
                                for container in task.containers]}
                for one in observed for task in one.stopped[:MOST_STOPPED]], title="Tasks that stopped")


def targets(case: Case) -> None:
    """The targets of load balancers that are not healthy, and what the load balancers listen to."""
    show_table([{"target group": group.name, "target": target.id, "zone": target.zone, "state": target.state,
                 "reason": target.reason, "description": target.description}
                for group in rows_of_kind(case, TargetGroup) for target in group.targets if target.state != "healthy"],
               title="Targets that are not healthy")
    show_table([{"load balancer": one.name, "state": one.state, "scheme": one.scheme,
                 "listeners": [f"{listener.protocol} {listener.port}" for listener in one.listeners]}
                for one in rows_of_kind(case, Balancer)], title="Load balancers")


def endpoints(case: Case) -> None:
    """What endpoints and providers answer, those first that are not as they should be."""
    rows = []
    for one in rows_of_kind(case, Checked):
        bad = [item for item in judge(one.endpoint, one.answer, case.now) if item.ok is False]
        rows.append({"endpoint": one.endpoint.name, "status": one.answer.status, "ms": one.answer.latency_ms,
                     "not as it should be": [f"{item.check}: {in_words(item.actual)}" for item in bad]})
    show_table(sorted(rows, key=lambda row: not row["not as it should be"]), title="Endpoints and providers")
    show_table([{"name": one.question.name, "type": one.question.type, "outcome": one.outcome, "records": one.records,
                 "expected": one.question.expect} for one in rows_of_kind(case, Resolved)], title="Names")


def functions(case: Case) -> None:
    """Functions with what bounds them."""
    show_table([{"function": one.function.name, "time-out (s)": one.function.timeout, "memory (MB)": one.function.memory,
                 "reserved": one.reserved, "state": one.function.state}
                for bounds in rows_of_kind(case, Bounds) for one in bounds.functions], title="Functions and their bounds")


def throughput(case: Case) -> None:
    """How much of their throughput tables and indexes used, those that refused requests first."""
    rows = [{"table": one.component, "index": one.index, "direction": one.direction, "billing": one.billing_mode,
             "limit (units/s)": one.limit, "used %": one.used_percent, "refused": one.throttle_events}
            for one in rows_of_kind(case, TableUse)]
    show_table(sorted(rows, key=lambda row: (-(row["refused"] or 0), -(row["used %"] or 0))), title="Throughput of tables")


def sessions(case: Case) -> None:
    """Who holds connections, and who waits for whom."""
    for activity in rows_of_kind(case, Activity):
        server = activity.server
        show_table([{"server": activity.place, "used": activity.used if server else None,
                     "usable": server.usable if server else None, "trouble": activity.trouble or "-"}], title="Connections")
        show_table(holders_of(activity.sessions), ("application", "user", "database", "client", "sessions", "states"),
                   "Who holds them")
        show_table(blockers_of(activity.sessions), ("pid", "user", "application", "state", "blocks", "waits_itself"),
                   "Who is waited for")


def statements(case: Case) -> None:
    """The statements that cost most, by piece of evidence."""
    for name, piece in case.pieces.items():
        rows: list[dict[str, Any]] = [
            {"mean ms": one.mean_ms, "calls": one.calls, "total s": one.total_ms / 1000, "rows": one.rows, "user": one.user,
             "statement": one.text or "hidden"} for one in piece.rows if isinstance(one, Statement)]
        if rows:
            show_table(rows, title=name.capitalize())


def dead_rows(case: Case) -> None:
    """Tables by their dead rows."""
    rows = [{"table": table.name, "live": table.live, "dead": table.dead, "last vacuum": table.vacuumed or "never"}
            for one in rows_of_kind(case, Statistics) if one.tables for table in one.tables.tables]
    show_table(sorted(rows, key=lambda row: -row["dead"])[:20], title="Tables by their dead rows")


def cache(case: Case) -> None:
    """A cache's memory, clients and rates, and what it found slow."""
    rows = []
    for one in rows_of_kind(case, ObservedCache):
        rate = one.lately or one.since_start
        facts = {**{f"memory {name}": value for name, value in memory_of(one.info).items()},
                 **{f"clients {name}": value for name, value in clients_of(one.info).items()}} if one.info else {}
        rows.append({"server": one.place, "trouble": one.trouble or "-", "latency ms": one.latency_ms,
                     "hit rate %": rate.hit_rate_percent if rate else None,
                     "evicted a second": rate.evictions_per_second if rate else None, **facts})
    show_table([{"what": name, "value": value} for row in rows for name, value in row.items()], title="The cache")
    show_table([{"at": entry.at, "command": entry.command, "arguments": entry.arguments, "ms": entry.milliseconds}
                for one in rows_of_kind(case, Slowness) for entry in one.entries[:20]], title="Slow commands")
