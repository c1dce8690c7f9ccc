"""Log streams whose events come into being when somebody reads them.

Two weeks of logs in thousands of groups are hundreds of thousands of events, of which a procedure reads a few. A stream
is described by how many events it has and when the last one was; the same seed and time give the same events.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.utils import unix_time_millis
from moto.logs.models import LogEvent, LogGroup, LogStream

from lab.aws.traffic_streams import TrafficStream

_HOUR_MILLISECONDS = 3_600_000
_SPAN_HOURS = 14 * 24 - 1
_PATHS = ("/items", "/orders", "/profile", "/search", "/uploads")
_SATURDAY = 5


@dataclass(frozen=True)
class Written:
    """What was written to a stream: so many events, the last one at `last_ms` (milliseconds since the epoch)."""

    source: str
    chance: str
    count: int
    last_ms: int

    def times(self) -> list[int]:
        """When the events were: more in the afternoon, fewer at weekends, the last one at the end."""
        draw = random.Random(self.chance)
        end = self.last_ms // _HOUR_MILLISECONDS
        hours = range(end - _SPAN_HOURS, end)
        weights = [_activity(hour) for hour in hours]
        chosen = draw.choices(hours, weights, k=self.count - 1)
        return [*sorted(hour * _HOUR_MILLISECONDS + draw.randrange(_HOUR_MILLISECONDS) for hour in chosen), self.last_ms]

    def messages(self) -> list[str]:
        """What the events say: a JSON object a line, as services log requests."""
        draw = random.Random(f"{self.chance}:messages")
        return [self._message(draw) for _ in range(self.count)]

    def _message(self, draw: random.Random) -> str:
        failed = draw.random() < 0.004
        served = {
            "level": "ERROR" if failed else "INFO",
            "source": self.source,
            "message": "request failed" if failed else "request served",
            "path": draw.choice(_PATHS),
            "status": 500 if failed else 200,
            "duration_ms": int(draw.lognormvariate(3.7, 0.6)),
            "trace_id": f"{draw.getrandbits(64):016x}",
        }
        return json.dumps(served)


class SeededStream(LogStream):  # type: ignore[misc]  # moto is followed as Any
    """A stream that was written to before anybody looked."""

    def __init__(self, group: LogGroup, name: str, written: Written) -> None:
        self._written: Written | None = written
        self._sizes: list[tuple[int, int]] | None = None
        self._events: list[LogEvent] = []
        super().__init__(group, name)
        self._written = written
        self.first_event_timestamp, self.last_event_timestamp = written.times()[0], written.last_ms
        moment = datetime.fromtimestamp(written.last_ms / 1000, UTC).replace(tzinfo=None)
        self.last_ingestion_time = moment + timedelta(seconds=1)
        self.upload_sequence_token = 1

    @property
    def events(self) -> list[LogEvent]:
        """The events, made when they are first asked for."""
        if self._written is not None:
            ingested = int(unix_time_millis(self.last_ingestion_time))
            described = zip(self._written.times(), self._written.messages(), strict=True)
            self._events = [
                LogEvent(min(ingested, at + 1000), {"timestamp": at, "message": message}) for at, message in described
            ]
            self._written = None
        return self._events

    @events.setter
    def events(self, events: list[LogEvent]) -> None:
        self._events, self._written, self._sizes = events, None, None

    def sizes(self) -> list[tuple[int, int]]:
        """Time and bytes of each event."""
        if self._written is None:
            return [(event.timestamp, len(event.message.encode())) for event in self._events]
        if self._sizes is None:
            messages = self._written.messages()
            self._sizes = [(at, len(text)) for at, text in zip(self._written.times(), messages, strict=True)]
        return self._sizes

    def _update(self) -> None:
        if self._written is None:
            super()._update()

    def to_describe_dict(self) -> dict[str, Any]:
        """As moto's, without making the events."""
        self._update()
        return {
            "arn": self.arn,
            "creationTime": int(unix_time_millis(self.creation_time)),
            "logStreamName": self.log_stream_name,
            "firstEventTimestamp": self.first_event_timestamp,
            "lastEventTimestamp": self.last_event_timestamp,
            "lastIngestionTime": int(unix_time_millis(self.last_ingestion_time)),
            "uploadSequenceToken": str(self.upload_sequence_token),
            "storedBytes": 0,
        }


def sizes_of(stream: LogStream) -> list[tuple[int, int]]:
    """Time and bytes of each event of a stream."""
    if isinstance(stream, SeededStream | TrafficStream):
        return stream.sizes()
    return [(event.timestamp, len(event.message.encode())) for event in stream.events]


def _activity(hour: int) -> float:
    """How much happens in an hour of absolute time, in hours since the epoch; like the metrics, see signals."""
    weekday = (hour // 24 + 3) % 7
    wave = 1 + 0.6 * math.cos(2 * math.pi * (hour % 24 - 14) / 24)
    return wave * (0.5 if weekday >= _SATURDAY else 1.0)
