# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who changed what, from CloudTrail's event history.

Sources, CloudTrail API reference (LookupEvents) and user guide (event history): management events of the last 90 days of one
region, the newest first, up to 15 minutes late, 50 a page, two calls a second. ReadOnly "false" leaves out what only read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..core.run import Run
from .client import Connect
from .errors import explaining

MOST_PAGES = 20
LONGEST_VALUE = 200
# CloudTrail masks what services mark as sensitive, and not what people name so.
HIDDEN = ("password", "secret", "token", "credential", "authorization", "environment", "privatekey")


@dataclass(frozen=True)
class TrailEvent:
    """One call that changed something, or tried to.

    :param source: the service ("ecs")
    :param user: the session or user name, never a key
    :param error: the error code of a call that was refused; empty where it was carried out
    :param resources: names and ARNs that the event says it is about
    :param parameters: of the call, one level deep, with what may be secret left out
    """

    time: datetime
    source: str
    name: str
    user: str
    error: str
    resources: tuple[str, ...]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Trail:
    """The events found, the oldest first; `cut` says why there may be earlier ones, empty where these are all."""

    events: tuple[TrailEvent, ...]
    cut: str = ""


def changing_events(connect: Connect, run: Run, start: datetime, end: datetime, pages: int = MOST_PAGES) -> Trail:
    """Read the events that are not read-only.

    :param start, end: start included, end not
    :param pages: at most so many pages of 50, the newest first
    :raises OperationError: when they cannot be read
    """
    found: list[TrailEvent] = []
    cut = ""
    with explaining("look up CloudTrail events", "changing calls"):
        replies = connect("cloudtrail").get_paginator("lookup_events").paginate(
            StartTime=start, EndTime=end, LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}])
        for number, page in enumerate(replies, 1):
            found += [event_of(entry) for entry in page.get("Events") or ()]
            if page.get("NextToken") and (number >= pages or run.clock.monotonic() >= run.deadline):
                cut = f"only the newest {len(found)} events were read: there are earlier ones"
                break
    return Trail(tuple(sorted((event for event in found if start <= event.time < end), key=lambda event: event.time)), cut)


def event_of(entry: Mapping[str, Any]) -> TrailEvent:
    """An event from the API's shape."""
    detail = _detail(entry)
    resources = [str(one["ResourceName"]) for one in entry.get("Resources") or () if one.get("ResourceName")]
    given = detail.get("requestParameters")
    return TrailEvent(
        time=entry["EventTime"].astimezone(timezone.utc),
        source=str(entry.get("EventSource") or "").split(".", maxsplit=1)[0],
        name=str(entry.get("EventName") or ""), user=str(entry.get("Username") or _invoker(detail)),
        error=str(detail.get("errorCode") or ""), resources=tuple(dict.fromkeys(resources)),
        parameters=shown(given if isinstance(given, dict) else {}))


def shown(parameters: Mapping[str, Any]) -> dict[str, str]:
    """What of a call's parameters a page may show: plain values, cut, and nothing whose name speaks of a secret."""
    return {name: str(value)[:LONGEST_VALUE] for name, value in parameters.items()
            if isinstance(value, (str, int, float, bool)) and not any(word in name.lower() for word in HIDDEN)}


def _detail(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        detail = json.loads(entry.get("CloudTrailEvent") or "{}")
    except ValueError:
        return {}
    return detail if isinstance(detail, dict) else {}


def _invoker(detail: Mapping[str, Any]) -> str:
    """The service that called, where no user did."""
    identity = detail.get("userIdentity")
    return str(identity.get("invokedBy") or identity.get("type") or "") if isinstance(identity, dict) else ""
