"""The times of an investigation: its window and what that is compared with, from the parameters that people write.

The runner reads them before anything runs, the kit in the kernel: both by this, so that both refuse the same.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.durations import parse_duration
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from opsbook.evidence.pieces import Span

ATTEMPTED = "start the investigation"
PARAMETERS = ("at", "window", "baseline")
"""Those of a notebook's parameters that tell times; docs/investigations.md."""


def spans_of(now: datetime, at: str, window: str, baseline: str) -> tuple[Span, Span]:
    """The stretch that is looked at, and the one before it that it is compared with.

    :param now: the moment that all of it is seen from
    :param at: end of the window, ISO 8601 (UTC where it names no zone); now where empty
    :param window: how long the window is, as "1h"
    :param baseline: how long the stretch before it is, as "3h"
    :raises Refused: for what is no time or length of time, has not come yet, or lies before all calendars
    """
    end = _moment(at) if at.strip() else now
    if end > now:
        raise Refused(ATTEMPTED, f"at={at}", "it has not come yet", "Give a moment that has passed, or none.")
    lengths = {name: parse_duration(text) for name, text in (("window", window), ("baseline", baseline))}
    for name, length in lengths.items():
        if length.total_seconds() <= 0:
            raise Refused(ATTEMPTED, f"the parameter {name}", "it is no time at all", "Give a length of time as 1h.")
    try:
        span = Span(end - lengths["window"], end)
        return span, span.before(lengths["baseline"])
    except OverflowError as error:
        raise Refused(ATTEMPTED, f"window={window}, baseline={baseline}", "that is longer than the calendar",
                      "Give lengths of time as 1h.") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused(ATTEMPTED, f"at={text}", "it is not a time", "Give ISO 8601: 2026-11-22T02:30:00Z.") from error
