"""The window and the stretch before it, from what people write; and what is no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from opsbook.evidence.pieces import Span
from opsbook.times import spans_of

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("at", "end"), [
    ("", NOW), ("  ", NOW), ("2026-11-22T02:30:00Z", NOW - HOUR / 2), ("2026-11-22T02:30", NOW - HOUR / 2),
    (" 2026-11-22T04:00:00+02:00 ", NOW - HOUR), ("2026-11-22", NOW - 3 * HOUR), (NOW.isoformat(), NOW),
])
def test_the_window_ends_at_the_moment_that_is_named_in_utc(at: str, end: datetime) -> None:
    window, before = spans_of(NOW, at, "30m", "2h")

    assert (window, before) == (Span(end - HOUR / 2, end), Span(end - 2.5 * HOUR, end - HOUR / 2))
    assert window.end.tzinfo is UTC


@pytest.mark.parametrize(("given", "said"), [
    ({"at": "2030-01-01"}, "it has not come yet"), ({"at": "2026-11-22T03:00:01Z"}, "it has not come yet"),
    ({"at": "yesterday"}, "it is not a time"), ({"at": "0001-01-01T00:00:00+14:00"}, "it is not a time"),
    ({"window": "abc"}, "it is not a number"), ({"baseline": ""}, "it is not a number"),
    ({"window": "-1h"}, "it is not a number"),
    ({"window": "0h"}, "it is no time at all"), ({"baseline": "0"}, "it is no time at all"),
    ({"window": "9000000d"}, "longer than the calendar"), ({"baseline": "9000000d"}, "longer than the calendar"),
    ({"window": "9" * 30 + "d"}, "too long"),
])
def test_what_is_no_time_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(Refused) as refused:
        spans_of(NOW, **{"at": "", "window": "1h", "baseline": "3h", **given})
    assert said in refused.value.message()
