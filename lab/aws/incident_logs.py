"""Control routes of incidents in logs: applications that write what the metrics say, and what went wrong besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import logs_backends

from lab.aws.backends import here, regional
from lab.aws.chance import seed
from lab.aws.control import ControlError, ControlRoutes
from lab.aws.locks import service_lock
from lab.aws.metric_store import minute_values, series_key
from lab.aws.request_lines import Profile, parse_change
from lab.aws.traffic_streams import Requests, Traffic, TrafficStream
from lab.aws.undo import remember

STREAM = "application"


def install(control: ControlRoutes) -> None:
    """Register the route."""
    control.route("incident/logs")(_write)


def _write(body: Mapping[str, Any]) -> dict[str, Any]:
    """`incident/logs` {"groups": [{"group", "profile", "changes", "first", "series" or "requests"}]}.

    From minute `first` (since the epoch) on, each group has a stream with a line for each request: as many as the series
    {namespace, name, dimensions} says, times `part`, or `requests` a minute.
    """
    groups = regional(logs_backends).groups
    with service_lock("logs"):
        for described in body["groups"]:
            group = groups.get(str(described["group"]))
            if group is None:
                raise ControlError(f"there is no log group {described['group']!r}")
            try:
                traffic = _traffic(described)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ControlError(f"incident/logs cannot use what it was given for {group.name}: {error!r}") from error
            before, created = dict(group.streams), group.creation_time

            def undo(group: Any = group, before: Any = before, created: Any = created) -> None:
                with service_lock("logs"):
                    group.streams, group.creation_time = before, created

            remember(undo)
            stream = TrafficStream(group, STREAM, traffic)
            group.streams[STREAM] = stream
            group.creation_time = min(created, stream.creation_time)
    return {"groups": len(body["groups"])}


def _traffic(described: Mapping[str, Any]) -> Traffic:
    profile = dict(described["profile"])
    for name in ("routes", "zones", "quiet"):
        profile[name] = tuple(profile.get(name) or ())
    place = here()
    return Traffic(
        profile=Profile(**profile),
        changes=tuple(parse_change(change) for change in described.get("changes", ())),
        first=int(described["first"]),
        chance=f"{seed()}:{place.account}:{described['group']}",
        requests=_requests(described),
    )


def _requests(described: Mapping[str, Any]) -> Requests:
    """How many requests come, minute by minute."""
    part, constant = float(described.get("part", 1.0)), float(described.get("requests") or 0.0)
    if not described.get("series"):
        return lambda first, last: [constant] * (last - first)
    series = described["series"]
    backend = regional(cloudwatch_backends)
    key = series_key(series["namespace"], series["name"],
                     [{"Name": name, "Value": value} for name, value in series["dimensions"].items()])  # fmt: skip
    level = float(described.get("requests") or 0.0)

    def requests(first: int, last: int) -> Sequence[float]:
        return [(level if value is None else value) * part for value in minute_values(backend, key, first, last, seed())]

    return requests
