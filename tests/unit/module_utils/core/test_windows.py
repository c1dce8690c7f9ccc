"""Maintenance windows and change freezes, over midnight, clock changes, quarters and leap days."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.windows import freeze_at, parse_window, zone_of

EVERY_DAY = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def window(start: str, end: str, days: list[str] | None = None, zone: str = "UTC") -> dict[str, Any]:
    return {"days": days or ["saturday"], "start": start, "end": end, "timezone": zone}


# 2026-11-21 is a Saturday.
@pytest.mark.parametrize(
    ("declared", "now", "inside"),
    [
        pytest.param(window("01:00", "05:00"), "2026-11-21T03:00+00:00", True, id="in_the_middle"),
        pytest.param(window("01:00", "05:00"), "2026-11-21T01:00+00:00", True, id="the_start_belongs_to_it"),
        pytest.param(window("01:00", "05:00"), "2026-11-21T05:00+00:00", False, id="the_end_does_not"),
        pytest.param(window("01:00", "05:00"), "2026-11-21T04:59:59.999999+00:00", True, id="the_last_moment"),
        pytest.param(window("01:00", "05:00"), "2026-11-21T00:59:59+00:00", False, id="a_second_early"),
        pytest.param(window("01:00", "05:00"), "2026-11-22T03:00+00:00", False, id="another_day"),
        pytest.param(window("22:00", "04:00"), "2026-11-21T23:00+00:00", True, id="before_midnight"),
        pytest.param(window("22:00", "04:00"), "2026-11-22T03:59+00:00", True, id="after_midnight"),
        pytest.param(window("22:00", "04:00"), "2026-11-21T03:00+00:00", False, id="not_the_night_before"),
        pytest.param(window("22:00", "04:00"), "2026-11-22T22:30+00:00", False, id="not_the_night_after"),
        pytest.param(window("22:00", "00:00"), "2026-11-21T23:59+00:00", True, id="until_midnight"),
        pytest.param(window("22:00", "00:00"), "2026-11-22T00:00+00:00", False, id="midnight_is_its_end"),
        pytest.param(window("06:00", "06:00"), "2026-11-22T05:59+00:00", True, id="start_equal_to_end_is_a_whole_day"),
        pytest.param(window("06:00", "06:00"), "2026-11-22T06:00+00:00", False, id="and_no_longer"),
        pytest.param(window("22:00", "04:00", ["sunday"]), "2026-11-23T01:00+00:00", True, id="over_the_end_of_the_week"),
        pytest.param(window("01:00", "05:00"), "2026-11-21T02:30+02:00", False, id="a_moment_in_another_zone"),
        pytest.param(window("01:00", "05:00", zone="Europe/Berlin"), "2026-11-21T00:30+00:00", True, id="winter_time"),
        pytest.param(window("01:00", "05:00", zone="Europe/Berlin"), "2026-07-18T00:30+00:00", True, id="summer_time"),
        pytest.param(window("01:00", "05:00", zone="Europe/Berlin"), "2026-07-18T03:30+00:00", False, id="summer_end"),
        pytest.param(window("01:00", "05:00", zone="Asia/Tokyo"), "2026-11-20T17:00+00:00", True, id="the_day_is_the_zones"),
        pytest.param(window("01:00", "05:00", zone="Asia/Kolkata"), "2026-11-20T19:29+00:00", False, id="half_hour_early"),
        pytest.param(window("01:00", "05:00", zone="Asia/Kolkata"), "2026-11-20T19:30+00:00", True, id="half_hour_zone"),
        pytest.param(window("22:00", "04:00", ["tuesday"]), "2028-03-01T03:00+00:00", True, id="over_a_leap_day"),
        pytest.param(window("22:00", "04:00", ["thursday"]), "2027-01-01T03:00+00:00", True, id="over_new_year"),
    ],
)
def test_contains(declared: dict[str, Any], now: str, inside: bool) -> None:
    assert parse_window(declared).contains(moment(now)) is inside


# In Berlin clocks go forward on 2026-03-29 at 02:00 and back on 2026-10-25 at 03:00.
@pytest.mark.parametrize("noon_before", ["2026-03-28T12:00+00:00", "2026-10-24T12:00+00:00", "2026-11-20T12:00+00:00"])
@pytest.mark.parametrize(("start", "end"), [("22:00", "06:00"), ("01:00", "02:30"), ("02:15", "02:45"), ("00:30", "03:30")])
def test_opens_once_a_night_also_when_the_clocks_change(noon_before: str, start: str, end: str) -> None:
    open_window = parse_window(window(start, end, EVERY_DAY, "Europe/Berlin"))
    moments = [moment(noon_before) + timedelta(minutes=5 * step) for step in range(24 * 12)]
    inside = [open_window.contains(now) for now in moments]

    assert sum(now and not before for before, now in itertools.pairwise(inside)) == 1


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"start": "01:00", "end": "05:00"}, id="no_days"),
        pytest.param({"days": ["saturday"], "end": "05:00"}, id="no_start"),
        pytest.param(window("01:00", "05:00", ["sat"]), id="a_short_name"),
        pytest.param(window("01:00", "05:00", [5]), id="a_number_for_a_day"),  # type: ignore[list-item]
        pytest.param({**window("01:00", "05:00"), "days": "saturday"}, id="a_text_for_the_days"),
        pytest.param({**window("01:00", "05:00"), "days": None}, id="null_for_the_days"),
        pytest.param(window("25:00", "05:00"), id="no_such_hour"),
        pytest.param({**window("01:00", "05:00"), "start": 1320}, id="an_unquoted_time"),
        pytest.param(window("01:00", "05:00", zone="Europe/Atlantis"), id="no_such_zone"),
        pytest.param(window("01:00", "05:00", zone="../../etc/passwd"), id="a_path_for_a_zone"),
        pytest.param(window("01:00", "05:00", zone=""), id="an_empty_zone"),
        pytest.param(window("01:00+05:00", "05:00", zone="Europe/Berlin"), id="an_offset_beside_the_zone"),
        pytest.param(window("01:00Z", "05:00Z", zone="Europe/Berlin"), id="utc_beside_the_zone"),
    ],
)
def test_refuses_a_window_it_cannot_read(declared: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="read a maintenance window"):
        parse_window(declared)


def test_days_may_be_written_in_any_case() -> None:
    assert parse_window(window("01:00", "05:00", ["Monday", "SUNDAY"])).days == (0, 6)


def test_a_window_without_a_zone_is_in_utc() -> None:
    assert parse_window({"days": ["saturday"], "start": "01:00", "end": "05:00"}).zone is UTC


@pytest.mark.parametrize("name", ["UTC", "utc"])
def test_utc_needs_no_zone_data(name: str) -> None:
    assert zone_of(name) is UTC


CHRISTMAS = {"name": "Christmas", "start": "2026-12-20", "end": "2027-01-02"}
LEAP_DAY = {"name": "Leap day", "start": "2028-02-29", "end": "2028-02-29"}
QUARTER_END = {"name": "Quarter end", "last_days_of_quarter": 3}


@pytest.mark.parametrize(
    ("freezes", "now", "name"),
    [
        pytest.param([], "2026-12-24T12:00+00:00", "", id="none_declared"),
        pytest.param([CHRISTMAS], "2026-12-20T00:00+00:00", "Christmas", id="the_first_day"),
        pytest.param([CHRISTMAS], "2027-01-02T23:59:59+00:00", "Christmas", id="the_last_day_to_its_end"),
        pytest.param([CHRISTMAS], "2026-12-19T23:59:59+00:00", "", id="the_day_before"),
        pytest.param([CHRISTMAS], "2027-01-03T00:00+00:00", "", id="the_day_after"),
        pytest.param([CHRISTMAS], "2026-12-20T01:00+02:00", "", id="days_are_utc"),
        pytest.param([LEAP_DAY], "2028-02-29T12:00+00:00", "Leap day", id="a_leap_day"),
        pytest.param([LEAP_DAY], "2028-03-01T00:00+00:00", "", id="after_a_leap_day"),
        pytest.param([QUARTER_END], "2026-03-29T00:00+00:00", "Quarter end", id="march"),
        pytest.param([QUARTER_END], "2026-03-28T23:59+00:00", "", id="a_day_early"),
        pytest.param([QUARTER_END], "2026-06-28T12:00+00:00", "Quarter end", id="june_has_30_days"),
        pytest.param([QUARTER_END], "2026-09-27T12:00+00:00", "", id="september_too"),
        pytest.param([QUARTER_END], "2026-12-31T23:59+00:00", "Quarter end", id="the_end_of_the_year"),
        pytest.param([QUARTER_END], "2027-01-01T00:00+00:00", "", id="the_new_year"),
        pytest.param([{"name": "q", "last_days_of_quarter": 0}], "2026-12-31T12:00+00:00", "", id="no_days"),
        pytest.param([{"last_days_of_quarter": 1}], "2026-12-31T12:00+00:00", "change freeze", id="without_a_name"),
        pytest.param([LEAP_DAY, CHRISTMAS, QUARTER_END], "2026-12-30T12:00+00:00", "Christmas", id="the_first_in_force"),
        pytest.param([{"name": "d", "start": moment("2026-12-24").date(), "end": moment("2026-12-24").date()}],
                     "2026-12-24T12:00+00:00", "d", id="dates_as_yaml_reads_them"),
    ],
)
def test_knows_the_freeze_in_force(freezes: list[dict[str, Any]], now: str, name: str) -> None:
    assert freeze_at(moment(now), freezes) == name


@pytest.mark.parametrize(
    "freeze",
    [
        pytest.param({"name": "x", "start": "2026-12-01"}, id="no_end"),
        pytest.param({"name": "x"}, id="no_dates"),
        pytest.param({"name": "x", "start": "2027-02-29", "end": "2027-03-01"}, id="no_such_day"),
        pytest.param({"name": "x", "start": "soon", "end": "later"}, id="words"),
        pytest.param({"name": "x", "start": "2026-12-31", "end": "2026-12-01"}, id="an_end_before_its_start"),
        pytest.param({"name": "x", "last_days_of_quarter": "few"}, id="no_number"),
    ],
)
def test_refuses_a_freeze_it_cannot_read(freeze: dict[str, Any]) -> None:
    """A freeze that is silently none would let a change through on the one day that matters."""
    with pytest.raises(Refused, match="read a change freeze"):
        freeze_at(moment("2026-11-21T12:00+00:00"), [freeze])
