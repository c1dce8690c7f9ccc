# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Events of a CloudWatch log group by filter pattern: every page up to a bound, and whether that bound was met.

Source, CloudWatch Logs API reference (FilterLogEvents): a page may be empty and more follow; events of several streams are
not in the order of time; the start is included, the end not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.run import Run
from .client import Connect
from .errors import explaining
from .log_groups import moment

MOST_EVENTS = 10_000
MOST_PAGES = 200


@dataclass(frozen=True)
class LogEvent:
    """One event as it was written."""

    time: datetime
    stream: str
    message: str


@dataclass(frozen=True)
class LogEvents:
    """The events found, the oldest first.

    :param cut: why there may be more of them; empty where these are all
    """

    events: tuple[LogEvent, ...]
    cut: str = ""


def find_events(
    connect: Connect, run: Run, group: str, pattern: str, start: datetime, end: datetime, most: int = MOST_EVENTS
) -> LogEvents:
    """Read the events of a group that match.

    :param pattern: a filter pattern of CloudWatch Logs; empty matches every event
    :param start, end: start included, end not
    :param most: events to read at most
    :raises OperationError: when they cannot be read
    """
    request: dict[str, Any] = {"logGroupName": group, "startTime": _milliseconds(start), "endTime": _milliseconds(end),
                               **({"filterPattern": pattern} if pattern else {})}
    found: list[LogEvent] = []
    cut = ""
    with explaining("read log events", group):
        pages = connect("logs").get_paginator("filter_log_events").paginate(**request)
        for number, page in enumerate(pages, 1):
            found += [LogEvent(moment(entry["timestamp"]), str(entry.get("logStreamName") or ""), str(entry["message"]))
                      for entry in page.get("events") or () if entry["timestamp"] < request["endTime"]]
            cut = _reason(len(found), number, bool(page.get("nextToken")), most, run)
            if cut:
                break
    return LogEvents(tuple(sorted(found, key=lambda event: (event.time, event.stream))[:most]), cut)


def _reason(events: int, pages: int, more: bool, most: int, run: Run) -> str:
    """Why nothing more is read; empty where there is no reason to stop, or nothing more."""
    if events > most or (events == most and more):
        return f"only {most} events were read: there are more"
    if more and pages >= MOST_PAGES:
        return f"only {MOST_PAGES} pages were read: there may be more"
    return "the time for reading was over: there may be more" if more and run.clock.monotonic() >= run.deadline else ""


def _milliseconds(when: datetime) -> int:
    return int(when.timestamp() * 1000)
