"""Age what the lab holds: the `backdate` control route, and the registry of the kinds of things it can age.

Real resources grow old by themselves; retention, rotation and freshness rules can be exercised only if a test can make
a log group, a backup or a secret as old as it needs. Everything is moved back by `days`, relative to its present age.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from lab.aws.control import ControlError, ControlRoutes

# (name, age to add) -> None; raises ControlError if there is nothing of that name.
BackdateFunction = Callable[[str, timedelta], None]

_functions: dict[str, BackdateFunction] = {}


def register_backdate(kind: str, function: BackdateFunction) -> None:
    """Let `POST /lab/backdate` age things of this kind with `function`."""
    if kind in _functions:
        raise ValueError(f"backdate kind {kind!r} is registered twice")
    _functions[kind] = function


def backdate(body: Mapping[str, Any]) -> dict[str, Any]:
    """Make one thing older: `{"kind", "name", "days"}`; days may be a fraction, or negative to undo it."""
    missing = sorted({"kind", "name", "days"} - set(body))
    if missing:
        raise ControlError(f"backdate needs {', '.join(missing)}")
    kind, name = str(body["kind"]), str(body["name"])
    if kind not in _functions:
        raise ControlError(f"backdate knows no kind {kind!r}; known: {', '.join(sorted(_functions))}")
    try:
        age = timedelta(days=float(body["days"]))
    except (TypeError, ValueError, OverflowError) as error:
        raise ControlError(f"days must be a number, not {body['days']!r}") from error
    _functions[kind](name, age)
    return {"kind": kind, "name": name, "days": float(body["days"])}


def install(control: ControlRoutes) -> None:
    """Register the control route `backdate`."""
    control.route("backdate")(backdate)
