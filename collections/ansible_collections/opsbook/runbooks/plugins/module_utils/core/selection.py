# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choosing resources by name or by shell-style pattern."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Selection:
    """What a list of names and patterns chose.

    :param chosen: existing names, in the order of the existing ones
    :param absent: plain names that do not exist; a pattern that matches nothing is not an error
    """

    chosen: tuple[str, ...]
    absent: tuple[str, ...]


def has_pattern(names: Iterable[str]) -> bool:
    """Whether any of the names is a pattern (contains `*`, `?` or `[`)."""
    return any(any(sign in name for sign in "*?[") for name in names)


def select(wanted: Sequence[str], existing: Iterable[str]) -> Selection:
    """Choose among existing names. Upper and lower case matter.

    :param wanted: names and patterns; empty chooses everything
    """
    names = list(existing)
    if not wanted:
        return Selection(tuple(names), ())
    chosen = tuple(name for name in names
                   if any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in wanted))
    absent = tuple(name for name in wanted if not has_pattern([name]) and name not in names)
    return Selection(chosen, absent)
