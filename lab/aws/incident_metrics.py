"""Control routes of incidents in CloudWatch: metrics that move, alarms that ring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.core.utils import utcnow

from lab.aws.backends import regional
from lab.aws.control import ControlError, ControlRoutes
from lab.aws.locks import service_lock
from lab.aws.metric_store import overlays, signals
from lab.aws.overlays import Overlay, SeriesKey, parse_overlay
from lab.aws.signals import Signal, parse_signal
from lab.aws.undo import remember


def install(control: ControlRoutes) -> None:
    """Register the routes."""
    control.route("incident/metrics")(_change)
    control.route("incident/alarms")(_ring)


def _change(body: Mapping[str, Any]) -> dict[str, Any]:
    """`incident/metrics` {"changes": [{"series", "overlay", "signal"?}]}: change series of this account and region.

    A series is {namespace, name, dimensions}; `signal` is what it is where nothing published it before.
    """
    backend = regional(cloudwatch_backends)
    try:
        parsed = [_parsed(item) for item in body["changes"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ControlError(f"incident/metrics cannot use what it was given: {error!r}") from error
    unknown = sorted({f"{key[0]} {key[1]}" for key, _, signal in parsed if signal is None} - _names(signals(backend)))
    if unknown:
        raise ControlError(f"nothing publishes {', '.join(unknown)} here")
    with service_lock("cloudwatch"):
        _put(backend, parsed)
    return {"changed": len(parsed)}


def _names(keys: Iterable[SeriesKey]) -> set[str]:
    return {f"{namespace} {name}" for namespace, name, _ in keys}


def _parsed(item: Mapping[str, Any]) -> tuple[SeriesKey, Overlay, Signal | None]:
    described = dict(item["overlay"])
    of = described.pop("of", None)
    overlay = parse_overlay(described, _key(of) if of else None)
    return _key(item["series"]), overlay, parse_signal(item["signal"]) if item.get("signal") else None


def _key(series: Mapping[str, Any]) -> SeriesKey:
    dimensions = frozenset((str(name), str(value)) for name, value in series["dimensions"].items())
    return str(series["namespace"]), str(series["name"]), dimensions


def _put(backend: CloudWatchBackend, parsed: list[tuple[SeriesKey, Overlay, Signal | None]]) -> None:
    published, changed = signals(backend), overlays(backend)
    before, earlier = dict(published), dict(changed)

    def undo() -> None:
        with service_lock("cloudwatch"):
            backend.lab_signals, backend.lab_overlays = before, earlier

    remember(undo)
    for key, overlay, signal in parsed:
        if key not in published:
            if signal is None:
                raise ControlError(f"nothing publishes {key[1]} with the dimensions {dict(key[2])}")
            published[key] = signal
        changed[key] = (*changed.get(key, ()), overlay)


def _ring(body: Mapping[str, Any]) -> dict[str, Any]:
    """`incident/alarms` {"alarms": [{"name", "state"?, "reason"?, "minutes_ago"}]}: alarms changed their state."""
    backend = regional(cloudwatch_backends)
    with service_lock("cloudwatch"):
        for item in body["alarms"]:
            alarm = backend.alarms.get(str(item["name"]))
            if alarm is None:
                raise ControlError(f"there is no alarm {item['name']!r}")
            reason = str(item.get("reason") or f"Threshold Crossed: 5 datapoints crossed the threshold ({alarm.threshold}).")
            _set(alarm, str(item.get("state", "ALARM")), reason, float(item["minutes_ago"]))
    return {"alarms": len(body["alarms"])}


def _set(alarm: Any, state: str, reason: str, minutes_ago: float) -> None:
    names = ("state_value", "state_reason", "state_updated_timestamp")
    before, history = {name: getattr(alarm, name) for name in names}, list(alarm.history)

    def undo() -> None:
        with service_lock("cloudwatch"):
            alarm.history = history
            for name, value in before.items():
                setattr(alarm, name, value)

    remember(undo)
    earlier = alarm.state_reason, alarm.state_reason_data, alarm.state_value, alarm.state_updated_timestamp
    alarm.history.append(("StateUpdate", *earlier))
    alarm.state_value, alarm.state_reason = state, reason
    alarm.state_updated_timestamp = utcnow() - timedelta(minutes=minutes_ago)
