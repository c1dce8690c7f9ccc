"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.durations import parse_duration, say_duration
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("20h", 72000), ("7d", 604800), ("45", 45), (45, 45), ("1.5h", 5400), ("0", 0),
     (" 20 h ", 72000), ("0.5", 0.5)],
)
def test_reads(text: Any, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", [
    "", " ", "h", "-5m", "5 weeks", "1h30m", "1,5h", "7D", "1e3", "nan", "inf", "5m\n5m", ".5h", None, True, [],
    pytest.param("9999999999d", id="longer_than_time"),
    pytest.param("9" * 400 + "s", id="longer_than_any_number"),
])
def test_refuses_what_it_cannot_read(text: Any) -> None:
    with pytest.raises(Refused, match="read a length of time"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(0), "0 s"), (timedelta(seconds=59.9), "59 s"), (timedelta(seconds=60), "1 m"),
        (timedelta(minutes=59, seconds=59), "59 m"), (timedelta(hours=1), "1 h"), (timedelta(hours=23, minutes=59), "23 h"),
        (timedelta(days=6, hours=23), "6 d"), (timedelta(minutes=-90), "-1 h"),
    ],
)
def test_says_the_largest_whole_unit(length: timedelta, said: str) -> None:
    assert say_duration(length) == said
