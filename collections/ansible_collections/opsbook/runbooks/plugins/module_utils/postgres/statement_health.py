# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the statements of a database mean, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..core.coverage import Collected
from ..core.evidence import Evidence
from .statements import Choice, Statements


def evaluate_statements(collected: Collected[Statements], choice: Choice) -> list[Evidence]:
    """Each statement that was chosen takes too long; without a least time nothing is judged, only counted."""
    seen = collected.state
    if not seen.counted:
        return []
    if not seen.statements or not choice.mean_ms:
        return [Evidence("mean time", f"postgres:{seen.place}", _expected(choice), f"{seen.counted} statements read", True)]
    return [
        Evidence("mean time", seen.resource(statement), _expected(choice),
                 {"mean_ms": statement.mean_ms, "calls": statement.calls, "user": statement.user,
                  "percent": statement.percent, "text": statement.text or "hidden"}, False)
        for statement in seen.statements
    ]


def describe_statements(collected: Collected[Statements]) -> Mapping[str, Any]:
    """The statements as plain data, with since when they are counted."""
    seen = collected.state
    return {
        "queries": [asdict(statement) for statement in seen.statements],
        "counted": seen.counted,
        "matching": seen.matching,
        "total_ms": seen.total_ms,
        "since": seen.since,
        "dropped": seen.dropped,
    }


def _expected(choice: Choice) -> str:
    calls = f", for what was called {choice.calls} times or more" if choice.calls > 1 else ""
    return f"less than {choice.mean_ms:g} ms{calls}" if choice.mean_ms else "no limit given"
