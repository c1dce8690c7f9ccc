# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evidence and verdicts: what was expected, what was seen, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .coverage import Coverage

HEALTHY = "healthy"
UNHEALTHY = "unhealthy"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Evidence:
    """One thing that was looked at.

    :param check: what was checked, a short noun phrase ("running tasks")
    :param resource: on what
    :param expected: what would be right
    :param actual: what was seen, plain JSON values
    :param ok: True, False, or None where it could not be told
    """

    check: str
    resource: str
    expected: Any
    actual: Any
    ok: bool | None

    def as_dict(self) -> dict[str, Any]:
        """The evidence as plain data for a module's result."""
        return {
            "check": self.check,
            "resource": self.resource,
            "expected": self.expected,
            "actual": self.actual,
            "ok": self.ok,
        }


def verdict_of(evidence: Iterable[Evidence], coverage: Coverage) -> str:
    """Healthy only where everything was read and everything is right; a known fault outweighs a gap."""
    answers = [item.ok for item in evidence]
    if any(answer is False for answer in answers):
        return UNHEALTHY
    if not coverage.complete or not answers or any(answer is None for answer in answers):
        return UNKNOWN
    return HEALTHY


SAID_LENGTH = 300


def in_words(value: Any) -> str:
    """A plain value as a message says it: without braces and quotes, cut where it is long."""
    if isinstance(value, Mapping):
        text = ", ".join(f"{name} {in_words(part)}" for name, part in value.items())
    elif isinstance(value, (list, tuple)):
        text = "; ".join(in_words(part) for part in value) or "none"
    else:
        text = "none" if value is None or value == "" else str(value)
    return text if len(text) <= SAID_LENGTH else f"{text[:SAID_LENGTH - 3]}..."
