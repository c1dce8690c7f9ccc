# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lengths of time as people write them: 90s, 15m, 20h, 7d."""

from __future__ import annotations

import re
from datetime import timedelta

from .errors import Refused

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> timedelta:
    """Read "90s", "15m", "20h", "7d"; a bare number means seconds.

    :raises Refused: for anything else
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", str(text).strip())
    if not match:
        raise Refused("read a length of time", str(text), "it is not a number with s, m, h or d", "Give 20h or 7d.")
    try:
        return timedelta(seconds=float(match.group(1)) * UNITS[match.group(2) or "s"])
    except OverflowError as error:
        raise Refused("read a length of time", str(text)[:40], "it is too long", "Give 20h or 7d.") from error


def say_duration(length: timedelta) -> str:
    """A length of time in its largest whole unit ("5 h", "6 d"), for messages."""
    seconds = int(length.total_seconds())
    for unit in ("d", "h", "m"):
        if abs(seconds) >= UNITS[unit]:
            return f"{int(seconds / UNITS[unit])} {unit}"
    return f"{seconds} s"
