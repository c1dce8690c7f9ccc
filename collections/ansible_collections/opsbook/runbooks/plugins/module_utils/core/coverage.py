# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Honest coverage: what was read, and what could not be. Denied or throttled is never "empty"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

State = TypeVar("State")


@dataclass(frozen=True)
class Gap:
    """Something that was needed and could not be read.

    :param resource: what could not be read
    :param reason: why (denied, throttled, missing, ...)
    """

    resource: str
    reason: str


@dataclass(frozen=True)
class Coverage:
    """What a collection has read and what it has not.

    :param read: names of what was read whole, all pages
    :param missing: what could not be read, each with its reason
    """

    read: tuple[str, ...] = ()
    missing: tuple[Gap, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that was needed has been read."""
        return not self.missing

    def as_dict(self) -> dict[str, Any]:
        """The coverage as plain data for a module's result."""
        return {
            "complete": self.complete,
            "read": list(self.read),
            "missing": [{"resource": gap.resource, "reason": gap.reason} for gap in self.missing],
        }


def merge_coverage(parts: Iterable[Coverage]) -> Coverage:
    """Join the coverage of several collections, in their order."""
    read: list[str] = []
    missing: list[Gap] = []
    for part in parts:
        read.extend(part.read)
        missing.extend(part.missing)
    return Coverage(tuple(read), tuple(missing))


@dataclass(frozen=True)
class Collected(Generic[State]):
    """What `collect` brings: the state, the moment it was read at, and how much of it was read.

    :param state: the operation's own state, frozen
    :param now: when it was read (UTC); a plan asks no clock, it uses this
    :param coverage: what was read and what was not
    """

    state: State
    now: datetime
    coverage: Coverage = field(default_factory=Coverage)
