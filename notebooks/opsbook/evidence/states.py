"""How a system's parts in AWS are now: services, targets, load balancers, functions, tables, queues, alarms.

The rows are the library's own, what its information modules read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.alarms import Alarm, collect_alarms
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.dynamodb_tables import (
    DIRECTIONS,
    Part,
    Table,
    Tables,
    collect_tables,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.dynamodb_usage import used_percent
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_services import Observed, collect_services
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_balancers import Balancer, collect_balancers
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_targets import TargetGroup, collect_target_groups
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lambda_limits import Bounds, collect_bounds
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.sqs_queues import Queue, collect_queues
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.sqs_queues import Wanted as WantedQueue
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from opsbook.evidence.metrics import SETTLING
from opsbook.evidence.pieces import Piece, Span
from opsbook.evidence.sources import Source, attempt, undeclared, without

Row = TypeVar("Row")

ON_DEMAND_LIMIT = 40_000
"""Units a second that an on-demand table may use where neither it nor the account says otherwise (DynamoDB, Quotas)."""


@dataclass(frozen=True)
class TableUse:
    """How one direction of a table or of one of its indexes was used in the window.

    :param index: empty for the table itself
    :param direction: "Read" or "Write"
    :param limit: units per second that may be used
    :param source: what says so: "provisioned", "maximum" (of an on-demand table), "quota" (of the account)
    :param used_percent: of the limit, in the busiest five minutes; None where nothing was published
    :param throttle_events: in the window; None where that could not be read
    """

    component: str
    index: str
    direction: str
    status: str
    billing_mode: str
    limit: int
    source: str
    used_percent: float | None
    throttle_events: float | None


def services(case: Source, name: str = "ECS services") -> Piece[Observed]:
    """The system's ECS services: tasks wanted and running, deployments, and why tasks stopped within the last hour."""
    cluster, names = str(case.declared.get("ecs_cluster") or ""), _ids(case, "ecs_service")
    blank: Piece[Observed] = Piece(name, "ecs", f"DescribeServices, stopped tasks of {_said(names)}", None)
    if not (cluster and names):
        return undeclared(blank, "ECS services")
    return _present(blank, lambda: collect_services(case.aws(), case.run, cluster, names), lambda state: state)


def targets(case: Source, name: str = "targets") -> Piece[TargetGroup]:
    """The target groups of the system's services, with the health of each target and its reason."""
    groups = [one.target_group.split("/")[1] for one in case.service_map.components if one.target_group]
    blank: Piece[TargetGroup] = Piece(name, "elbv2", f"DescribeTargetHealth of {_said(groups)}", None)
    if not groups:
        return undeclared(blank, "target groups")
    return _present(blank, lambda: collect_target_groups(case.aws(), case.run, groups), lambda state: state.items,
                    lambda state: state.absent)


def balancers(case: Source, name: str = "load balancers") -> Piece[Balancer]:
    """The system's load balancers: their state, what they listen to, and what their security groups let in."""
    ids = _ids(case, "load_balancer")
    blank: Piece[Balancer] = Piece(name, "elbv2", f"DescribeLoadBalancers, listeners, security groups of {_said(ids)}", None)
    if not ids:
        return undeclared(blank, "load balancers")
    return _present(blank, lambda: collect_balancers(case.aws(), case.run, ids), lambda state: state)


def functions(case: Source, name: str = "functions") -> Piece[Bounds]:
    """The system's functions with time-out, memory and reserved concurrency, and the account's limits: one row."""
    names = _ids(case, "lambda_function")
    blank: Piece[Bounds] = Piece(name, "lambda", f"GetFunctionConfiguration, GetFunctionConcurrency of {_said(names)}", None)
    if not names:
        return undeclared(blank, "Lambda functions")
    return _present(blank, lambda: collect_bounds(case.aws(), case.run, names),
                    lambda state: (state,) if state.functions else ())


def tables(case: Source, span: Span | None = None, name: str = "tables") -> Piece[TableUse]:
    """How much of their throughput the system's tables and indexes used, and how often they refused for it.

    :param span: the window where it is None
    """
    names, stretch = _ids(case, "dynamodb_table"), span or case.span
    blank: Piece[TableUse] = Piece(name, "dynamodb", f"DescribeTable, consumed and throttled of {_said(names)}", stretch)
    if not names:
        return undeclared(blank, "DynamoDB tables")
    end = min(stretch.end, case.now - SETTLING)
    return _present(
        blank, lambda: collect_tables(case.aws(), case.run, names, end.isoformat(), end - stretch.start, ON_DEMAND_LIMIT),
        lambda state: tuple(use_of(state, table, part, direction)
                            for table in state.found.items for part in table.parts for direction in DIRECTIONS),
        lambda state: state.found.absent)


def queues(case: Source, name: str = "queues") -> Piece[Queue]:
    """The system's queues: how many messages wait, and what lies in their dead-letter queues."""
    names = _ids(case, "sqs_queue")
    blank: Piece[Queue] = Piece(name, "sqs", f"GetQueueAttributes of {_said(names)}", None)
    if not names:
        return undeclared(blank, "queues")
    wanted = [WantedQueue(one) for one in names]
    return _present(blank, lambda: collect_queues(case.aws(), case.run, wanted), lambda state: state.found.items,
                    lambda state: state.found.absent)


def alarms(case: Source, name: str = "alarms") -> Piece[Alarm]:
    """The system's alarms and since when each is in its state."""
    wanted = list(case.declared.get("alarm_names") or ())
    blank: Piece[Alarm] = Piece(name, "cloudwatch", f"DescribeAlarms {_said(wanted)}", None)
    if not wanted:
        return undeclared(blank, "alarm_names")
    return _present(blank, lambda: collect_alarms(case.aws(), case.run, wanted), lambda state: state)


def use_of(state: Tables, table: Table, part: Part, direction: str) -> TableUse:
    """What one direction of a table's part did in the window of the reading."""
    limit = part.limit(direction)
    consumed, throttled = state.consumed(part, direction), state.throttled(part, direction)
    return TableUse(
        component=table.name, index=part.index, direction=direction, status=part.status, billing_mode=table.billing_mode,
        limit=limit.units, source=limit.source,
        used_percent=used_percent(consumed, limit, state.window.period) if consumed else None,
        throttle_events=throttled.value if throttled else None)


State = TypeVar("State")


def _present(
    blank: Piece[Row], collect: Callable[[], Collected[State]], rows: Callable[[State], Sequence[Row]],
    absent: Callable[[State], Sequence[str]] = lambda state: (),
) -> Piece[Row]:
    def read(piece: Piece[Row]) -> Piece[Row]:
        collected = collect()
        known = replace(piece, rows=tuple(rows(collected.state)), coverage=collected.coverage)
        return without(known, absent(collected.state))

    return attempt(blank, read)


def _ids(case: Source, kind: str) -> list[str]:
    return [component.id for component in case.service_map.of_kind(kind)]


def _said(names: Sequence[str]) -> str:
    """Names for a query's one line; of many the first ones."""
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:6])} and {len(names) - 6} more"
