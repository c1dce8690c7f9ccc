# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a DynamoDB table's status, consumption and throttle events mean (procedures 000-01, 000-08)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..core.coverage import Collected
from ..core.durations import say_duration
from ..core.evidence import Evidence
from .dynamodb_tables import DIRECTIONS, KIND, Limit, Part, Table, Tables
from .listings import absences
from .metrics import Reading

# Both can be read and written while the throughput or an index changes (API reference, TableDescription).
USABLE = ("ACTIVE", "UPDATING")


@dataclass(frozen=True)
class Allowed:
    """What is right.

    :param maximum_used: per cent of the throughput
    :param maximum_throttle_events: in the window, reads and writes together
    :param idle: what it means where there was neither a read nor a write: "unknown" or "healthy"
    """

    maximum_used: int = 80
    maximum_throttle_events: int = 0
    idle: str = "unknown"


def evaluate_tables(collected: Collected[Tables], allowed: Allowed) -> list[Evidence]:
    """A table is right when it can be used, little enough of its throughput is, and nothing was throttled."""
    state = collected.state
    evidence = absences(KIND, state.found.absent)
    for part in (part for table in state.found.items for part in table.parts):
        evidence.append(Evidence("status", part.resource, "ACTIVE", part.status or "not told", part.status in USABLE))
        for direction in DIRECTIONS:
            reading = state.consumed(part, direction)
            if reading is not None:
                evidence.append(_used(part, direction, reading, state, allowed))
        throttled = [state.throttled(part, direction) for direction in DIRECTIONS]
        evidence += _throttled(part, [one for one in throttled if one is not None], state, allowed)
    return evidence


def describe_tables(collected: Collected[Tables]) -> Mapping[str, Any]:
    """The tables as plain data, under `tables`, and the window of their metrics."""
    state = collected.state
    return {
        "tables": [_described(table, state) for table in state.found.items],
        "window": {"start": state.window.start.isoformat(), "end": state.window.end.isoformat(),
                   "period": state.window.period},
    }


def _used(part: Part, direction: str, reading: Reading, state: Tables, allowed: Allowed) -> Evidence:
    limit, used = part.limit(direction), used_percent(reading, part.limit(direction), state.window.period)
    words = {"provisioned": "provisioned", "maximum": "set as its maximum", "quota": "that an on-demand table may use"}
    expected = f"at most {allowed.maximum_used} % of the {limit.units} units per second {words[limit.source]}"
    check = f"{direction.lower()} throughput used"
    if used is None:
        return Evidence(check, part.resource, expected, *_idle(part, direction, state, allowed))
    busiest = (reading.greatest or 0.0) / state.window.period
    seen = f"{used:g} % ({busiest:.1f} units per second in the busiest 5 minutes of {_length(state)})"
    return Evidence(check, part.resource, expected, seen, used <= allowed.maximum_used)


def _idle(part: Part, direction: str, state: Tables, allowed: Allowed) -> tuple[str, bool | None]:
    """What is seen without a data point, and whether that is right.

    One of the other direction shows that consumption is published, so there was none of this one: an index that is only
    written has no reads.
    """
    other = "Write" if direction == "Read" else "Read"
    published = state.consumed(part, other)
    seen = f"no data point in {_length(state)}"
    if published is not None and published.points:
        return f"{seen}, while there is one of {other.lower()}s: none was used", True
    return f"{seen}: it may be idle", True if allowed.idle == "healthy" else None


def used_percent(reading: Reading, limit: Limit, period: int) -> float | None:
    """Per cent of the throughput in the busiest period; None where nothing is known of it."""
    if reading.greatest is None or not limit.units:
        return None
    return round(100 * reading.greatest / period / limit.units, 1)


def _throttled(part: Part, readings: list[Reading], state: Tables, allowed: Allowed) -> list[Evidence]:
    """One entry, or none where neither could be read, which the coverage says."""
    if not readings:
        return []
    most = allowed.maximum_throttle_events
    events = sum(reading.value or 0.0 for reading in readings)
    said = ", ".join(f"{reading.value or 0:g} {'reads' if reading.metric.metric.startswith('Read') else 'writes'}"
                     for reading in readings)
    return [Evidence("throttle events", part.resource, f"{f'at most {most}' if most else 'none'} in {_length(state)}",
                     said, events <= most)]


def _length(state: Tables) -> str:
    return say_duration(timedelta(seconds=state.window.seconds))


def _described(table: Table, state: Tables) -> dict[str, Any]:
    return {
        "name": table.name, "status": table.status, "billing_mode": table.billing_mode, "items": table.items,
        "size_bytes": table.size,
        "capacity": [
            {"index": part.index or None, "status": part.status,
             **{direction.lower(): _described_use(part, direction, state) for direction in DIRECTIONS}}
            for part in table.parts],
    }


def _described_use(part: Part, direction: str, state: Tables) -> dict[str, Any]:
    limit, consumed, throttled = part.limit(direction), state.consumed(part, direction), state.throttled(part, direction)
    units = None if consumed is None else consumed.value
    return {
        "limit": limit.units, "limit_source": limit.source,
        "consumed_per_second": None if units is None else round(units / state.window.seconds, 3),
        "used_percent": None if consumed is None else used_percent(consumed, limit, state.window.period),
        "throttle_events": None if throttled is None or throttled.value is None else int(throttled.value),
    }
