"""A piece of evidence: rows of one source, with what was asked, over which window, and how much of it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import EvidenceSummary

Row = TypeVar("Row")


@dataclass(frozen=True)
class Span:
    """A stretch of time from `start` (inclusive) to `end` (exclusive), UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    def say(self) -> str:
        """The stretch as a person reads it."""
        last = f"{self.end:%H:%M}" if self.start.date() == self.end.date() else f"{self.end:%Y-%m-%d %H:%M}"
        return f"{self.start:%Y-%m-%d %H:%M} to {last} UTC"

    def before(self, length: timedelta) -> Span:
        """The stretch of this length that ends where this one begins."""
        return Span(self.start - length, self.start)


@dataclass(frozen=True)
class Piece(Generic[Row]):
    """What one question to one source brought.

    :param name: what reasons and pages call it, unique within an investigation ("requests and errors")
    :param source: where it was read: cloudwatch, logs-insights, log-events, ecs, lambda, cloudtrail, postgres, redis ...
    :param query: what was asked, in one line that a person could ask again
    :param span: the time it covers; None where the source shows the present only
    :param rows: frozen dataclasses, in the source's order
    :param coverage: what was read, and what was not: denied is never "no rows"
    :param cost: what asking cost, as `bytes_scanned`
    """

    name: str
    source: str
    query: str
    span: Span | None
    rows: tuple[Row, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    cost: Mapping[str, Any] = field(default_factory=dict)

    def summary(self) -> EvidenceSummary:
        """The piece without its rows, as findings name it."""
        missing, left_out = (tuple((gap.resource, gap.reason) for gap in gaps)
                             for gaps in (self.coverage.missing, self.coverage.left_out))
        start, end = (self.span.start, self.span.end) if self.span else (None, None)
        return EvidenceSummary(self.name, self.source, self.query, start, end, len(self.rows), self.coverage.read, missing,
                               left_out, self.cost)
