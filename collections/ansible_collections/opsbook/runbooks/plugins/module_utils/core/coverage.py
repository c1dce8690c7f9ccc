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
    :param left_out: what could not be read either and nobody asked for, which leaves nothing open
    """

    read: tuple[str, ...] = ()
    missing: tuple[Gap, ...] = ()
    left_out: tuple[Gap, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that was needed has been read."""
        return not self.missing

    def as_dict(self) -> dict[str, Any]:
        """The coverage as plain data for a module's result."""
        told = {"complete": self.complete, "read": list(self.read), "missing": _told(self.missing)}
        return {**told, "left_out": _told(self.left_out)} if self.left_out else told


def _told(gaps: Iterable[Gap]) -> list[dict[str, str]]:
    return [{"resource": gap.resource, "reason": gap.reason} for gap in gaps]


def merge_coverage(parts: Iterable[Coverage]) -> Coverage:
    """Join the coverage of several collections, in their order."""
    read: list[str] = []
    missing: list[Gap] = []
    left_out: list[Gap] = []
    for part in parts:
        read.extend(part.read)
        missing.extend(part.missing)
        left_out.extend(part.left_out)
    return Coverage(tuple(read), tuple(missing), tuple(left_out))


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
