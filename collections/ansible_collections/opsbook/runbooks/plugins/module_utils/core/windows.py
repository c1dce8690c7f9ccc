# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Maintenance windows and change freezes: pure functions over an injected time (procedure 002-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from .errors import Refused

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Window:
    """A weekly maintenance window.

    :param days: numbers of the days it starts on, Monday = 0
    :param start: time of day it opens
    :param end: time of day it closes; not later than start means the next day
    :param zone: the zone both are in
    """

    days: tuple[int, ...]
    start: time
    end: time
    zone: tzinfo

    def contains(self, now: datetime) -> bool:
        """Whether a moment (with zone) lies inside the window."""
        today = now.astimezone(self.zone).date()
        for back in (0, 1):
            day = today - timedelta(days=back)
            if day.weekday() in self.days and self._on(day)[0] <= now < self._on(day)[1]:
                return True
        return False

    def _on(self, day: date) -> tuple[datetime, datetime]:
        """The window that starts on a day, in UTC: local times repeat, or are missing, when clocks change."""
        last = day if self.end > self.start else day + timedelta(days=1)
        edges = (datetime.combine(day, self.start, self.zone), datetime.combine(last, self.end, self.zone))
        return edges[0].astimezone(timezone.utc), edges[1].astimezone(timezone.utc)


def parse_window(declared: Mapping[str, Any]) -> Window:
    """Read a window as the inventory declares it: `days`, `start`, `end`, `timezone`.

    :raises Refused: naming what is wrong
    """
    try:
        days = tuple(WEEKDAYS.index(str(day).lower()) for day in declared["days"])
        return Window(days, _time_of_day(declared["start"]), _time_of_day(declared["end"]),
                      zone_of(str(declared.get("timezone", "UTC"))))
    except (KeyError, ValueError, TypeError) as error:
        raise Refused("read a maintenance window", str(dict(declared)), f"{type(error).__name__}: {error}",
                      "Declare days (names), start and end (HH:MM) and timezone (an IANA name).") from error


def _time_of_day(text: str) -> time:
    moment = time.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError(f"{text} has an offset of its own; the window's timezone says where it holds")
    return moment


def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name. UTC needs no zone data on the machine.

    :raises ValueError: for an unknown name
    """
    if name.upper() == "UTC":
        return timezone.utc
    try:
        from zoneinfo import ZoneInfo

        return ZoneInfo(name)
    except (ImportError, KeyError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}") from error


def freeze_at(now: datetime, freezes: Sequence[Mapping[str, Any]]) -> str:
    """The name of the change freeze in force, or an empty string.

    A freeze is `{name, start, end}` with dates (both included, UTC), or `{name, last_days_of_quarter: N}`.
    """
    today = now.astimezone(timezone.utc).date()
    for freeze in freezes:
        if _frozen(today, freeze):
            return str(freeze.get("name", "change freeze"))
    return ""


def _frozen(today: date, freeze: Mapping[str, Any]) -> bool:
    try:
        if "last_days_of_quarter" in freeze:
            return (_quarter_end(today) - today).days < int(freeze["last_days_of_quarter"])
        start, end = date.fromisoformat(str(freeze["start"])), date.fromisoformat(str(freeze["end"]))
        if end < start:
            raise ValueError("it ends before it starts")
    except (KeyError, ValueError, TypeError) as error:
        raise Refused("read a change freeze", str(dict(freeze)), f"{type(error).__name__}: {error}",
                      "Declare start and end (dates), or last_days_of_quarter (a number).") from error
    return start <= today <= end


def _quarter_end(day: date) -> date:
    month = (day.month - 1) // 3 * 3 + 3
    first_after = date(day.year + month // 12, month % 12 + 1, 1)
    return first_after - timedelta(days=1)
