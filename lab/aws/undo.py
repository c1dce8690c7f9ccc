"""What takes an incident back: each part of it says how when it is made, `incident/clear` does so in reverse order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from lab.aws.control import ControlRoutes

_lock = threading.Lock()
_steps: list[Callable[[], None]] = []


def remember(step: Callable[[], None]) -> None:
    """Let `incident/clear` do this, before what was remembered earlier."""
    with _lock:
        _steps.append(step)


def forget() -> None:
    """Everything was reset: there is nothing to take back."""
    with _lock:
        _steps.clear()


def clear(_: Mapping[str, Any]) -> dict[str, Any]:
    """`incident/clear` {}: take back all that incidents did in AWS; the last thing first."""
    done = 0
    while True:
        with _lock:
            step = _steps.pop() if _steps else None
        if step is None:
            return {"undone": done}
        step()
        done += 1


def install(control: ControlRoutes) -> None:
    """Register the control route and forget with the rest."""
    control.route("incident/clear")(clear)
    control.on_reset(forget)
