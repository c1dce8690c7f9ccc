# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CloudWatch alarms: which there are, in which state and since when.

DescribeAlarms leaves composite alarms out unless their type is asked for, and takes at most 100 names a call
(CloudWatch API reference, DescribeAlarms).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.evidence import Evidence
from ..core.run import Run
from ..core.selection import has_pattern, select
from .client import Connect
from .errors import explaining

KIND = "cloudwatch-alarm"
TYPES = {"MetricAlarms": "metric", "CompositeAlarms": "composite"}
NAMES_PER_CALL = 100


@dataclass(frozen=True)
class Alarm:
    """One alarm.

    :param type: "metric" or "composite"
    :param state: "OK", "ALARM" or "INSUFFICIENT_DATA"
    :param since: when it came into that state, ISO 8601
    :param evaluation: empty, or why CloudWatch could not evaluate it whole ("PARTIAL_DATA", "EVALUATION_ERROR")
    :param actions_enabled: False when nobody is told, whatever the state
    """

    name: str
    type: str
    state: str
    state_reason: str
    since: str
    evaluation: str
    actions_enabled: bool
    arn: str
    description: str


def collect_alarms(
    connect: Connect, run: Run, wanted: Sequence[str], prefix: str = ""
) -> Collected[tuple[Alarm, ...]]:
    """Read the alarms meant by names, patterns and prefix; none given means all of the region.

    A name that no metric or composite alarm has is a gap.

    :raises OperationError: when the alarms cannot be read
    """
    asked = ", ".join(wanted) or f"{prefix}*"
    with explaining("read CloudWatch alarms", asked):
        found = {alarm.name: alarm for alarm in _alarms(connect("cloudwatch"), wanted, prefix)}
    chosen = select(wanted, sorted(found))
    missing = tuple(Gap(f"{KIND}:{name}", _absence(prefix)) for name in chosen.absent)
    coverage = Coverage((f"{KIND}s matching {asked}",), missing)
    return Collected(tuple(found[name] for name in chosen.chosen), run.now(), coverage)


def evaluate_alarms(collected: Collected[tuple[Alarm, ...]], insufficient_data: str = "unknown") -> list[Evidence]:
    """An alarm is right in state OK, wrong in ALARM.

    :param insufficient_data: what that state means: "unknown" or "healthy"
    """
    return [
        Evidence("alarm state", f"{KIND}:{alarm.name}", "OK", _seen(alarm), _judged(alarm, insufficient_data))
        for alarm in collected.state
    ]


def describe_alarms(collected: Collected[tuple[Alarm, ...]]) -> Mapping[str, Any]:
    """The alarms as plain data, under `alarms`."""
    return {"alarms": [asdict(alarm) for alarm in collected.state]}


def _alarms(client: Any, wanted: Sequence[str], prefix: str) -> Iterator[Alarm]:
    for request in _requests(wanted, prefix):
        pages = client.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"], **request)
        for page in pages:
            for key, kind in TYPES.items():
                yield from (_alarm(kind, alarm) for alarm in page.get(key) or ())


def _requests(wanted: Sequence[str], prefix: str) -> list[dict[str, Any]]:
    """Plain names are asked for by name; CloudWatch refuses names and a prefix in one call, and knows no patterns."""
    if prefix:
        return [{"AlarmNamePrefix": prefix}]
    if not wanted or has_pattern(wanted):
        return [{}]
    names = list(dict.fromkeys(wanted))
    return [{"AlarmNames": names[start:start + NAMES_PER_CALL]} for start in range(0, len(names), NAMES_PER_CALL)]


def _absence(prefix: str) -> str:
    return "no metric or composite alarm has this name" + (f" and begins with {prefix}" if prefix else "")


def _alarm(kind: str, reply: Mapping[str, Any]) -> Alarm:
    # The second is renewed by each evaluation that fails too; the first only when the state changed.
    since = reply.get("StateTransitionedTimestamp") or reply.get("StateUpdatedTimestamp")
    return Alarm(
        name=reply["AlarmName"], type=kind, state=reply.get("StateValue", ""),
        state_reason=reply.get("StateReason") or "",
        since=since.astimezone(timezone.utc).isoformat() if isinstance(since, datetime) else "",
        evaluation=reply.get("EvaluationState") or "", actions_enabled=bool(reply.get("ActionsEnabled", True)),
        arn=reply.get("AlarmArn", ""), description=reply.get("AlarmDescription") or "")


def _judged(alarm: Alarm, insufficient_data: str) -> bool | None:
    if alarm.state == "ALARM":
        return False
    if alarm.evaluation:
        return None
    if alarm.state == "INSUFFICIENT_DATA":
        return True if insufficient_data == "healthy" else None
    return True if alarm.state == "OK" else None


def _seen(alarm: Alarm) -> Any:
    if alarm.state == "OK" and not alarm.evaluation:
        return "OK"
    seen = {"state": alarm.state, "since": alarm.since, "reason": alarm.state_reason}
    return {**seen, "evaluation": alarm.evaluation} if alarm.evaluation else seen
