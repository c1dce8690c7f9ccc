"""Log streams of applications in an incident: as many request lines as the metrics say, made when somebody reads them.

A minute's lines depend on the seed, the group and the minute, and on what the incident does; a minute that was made once
is kept, packed, so that reading it again costs little. As time passes, there is more.
"""

from __future__ import annotations

import marshal
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zlib import crc32

from moto.core.utils import unix_time_millis, utcnow
from moto.logs.models import LogEvent, LogGroup, LogStream

from lab.aws.request_lines import Change, Line, Profile, lines_of

_MINUTE = 60_000
# A function's first line is as much older than its last as the call took: that may be minutes.
_LONGEST_CALL = 16
# Two days and what else is asked for: fewer than a query looks at would all be made anew for each query.
_KEPT_MINUTES = 3600
_TYPICAL_BYTES = 270
Requests = Callable[[int, int], Sequence[float]]
INGESTED_AFTER = 900
"""Milliseconds."""


@dataclass(frozen=True)
class Traffic:
    """What is written to a stream.

    :param first: the minute (since the epoch) with which it begins
    :param requests: how many requests came in the minutes from one to before another
    """

    profile: Profile
    changes: tuple[Change, ...]
    first: int
    chance: str
    requests: Requests


class TrafficStream(LogStream):  # type: ignore[misc]  # moto is followed as Any
    """A stream that is written to all the time, as far as anybody looks."""

    def __init__(self, group: LogGroup, name: str, traffic: Traffic) -> None:
        self._traffic = traffic
        self._minutes: OrderedDict[int, bytes] = OrderedDict()
        super().__init__(group, name)
        self.creation_time = utcnow() - timedelta(milliseconds=_now() - traffic.first * _MINUTE)
        self.first_event_timestamp = traffic.first * _MINUTE

    def lines_between(self, start: int, end: int) -> list[Line]:
        """Time and text of the events from `start` to `end` (milliseconds, both included), oldest first."""
        end = min(end, _now())
        first = max(self._traffic.first, start // _MINUTE)
        lines = [
            line for minute in self._made(first, end // _MINUTE + 1) for line in minute if start <= line[0] <= end
        ]  # fmt: skip
        return sorted(lines, key=lambda line: line[0])

    def between(self, start: int, end: int) -> Iterator[LogEvent]:
        """The events from `start` to `end` (milliseconds, both included), oldest first."""
        for number, (at, text) in enumerate(self.lines_between(start, end)):
            event = LogEvent(at + INGESTED_AFTER, {"timestamp": at, "message": text})
            event.event_id = event_id_of(at, text, number)
            yield event

    def _made(self, first: int, last: int) -> list[list[Line]]:
        """The lines of the calls that ended in the minutes from `first`, and of those that began before `last`."""
        wanted = range(first, max(first, min(last + _LONGEST_CALL, _now() // _MINUTE + 1)))
        missing = [minute for minute in wanted if minute not in self._minutes]
        if missing:
            numbers = self._traffic.requests(missing[0], missing[-1] + 1)
            for minute in missing:
                count = numbers[minute - missing[0]]
                traffic = self._traffic
                self._minutes[minute] = _packed(
                    lines_of(traffic.profile, traffic.changes, minute, count, traffic.chance)
                )
        made = [_unpacked(self._minutes[minute]) for minute in wanted]
        while len(self._minutes) > _KEPT_MINUTES:
            self._minutes.popitem(last=False)
        return made

    @property
    def events(self) -> list[LogEvent]:
        """All events; for what moto itself reads."""
        return list(self.between(0, _now()))

    @events.setter
    def events(self, events: list[LogEvent]) -> None:
        """moto empties a new stream; what is written follows from the traffic."""

    def sizes(self) -> list[tuple[int, int]]:
        """Time and bytes, a minute at a time, as far as they can be told without making the lines."""
        last = _now() // _MINUTE
        numbers = self._traffic.requests(self._traffic.first, last)
        rate = self._traffic.profile.rate
        return [
            ((self._traffic.first + offset) * _MINUTE, int(rate * count * _TYPICAL_BYTES))
            for offset, count in enumerate(numbers)
        ]

    def _update(self) -> None:
        """The times follow from the traffic."""

    def to_describe_dict(self) -> dict[str, Any]:
        """As moto's, without making the events."""
        now = _now()
        return {
            "arn": self.arn,
            "creationTime": int(unix_time_millis(self.creation_time)),
            "logStreamName": self.log_stream_name,
            "firstEventTimestamp": self.first_event_timestamp,
            "lastEventTimestamp": now // 1000 * 1000,
            "lastIngestionTime": now,
            "uploadSequenceToken": "1",
            "storedBytes": 0,
        }


def _packed(lines: list[Line]) -> bytes:
    return zlib.compress(marshal.dumps(lines), 1)


def _unpacked(packed: bytes) -> list[Line]:
    lines: list[Line] = marshal.loads(zlib.decompress(packed))
    return lines


def event_id_of(at: int, text: str, number: int) -> str:
    """The id of an event, which it keeps however often it is read."""
    return f"{at:014d}{crc32(text.encode()):010d}{number % 1000:03d}"


def events_between(stream: LogStream, start: int, end: int) -> Iterator[LogEvent]:
    """The events of any stream from `start` to `end` (milliseconds, both included)."""
    if isinstance(stream, TrafficStream):
        return stream.between(start, end)
    return (event for event in stream.events if start <= event.timestamp <= end)


def _now() -> int:
    return int(unix_time_millis(utcnow()))
