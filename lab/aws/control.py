"""The lab's control routes: how a test or the `lab` command reaches into the AWS server from outside.

An extension registers a function per path; the WSGI application (lab/aws/app.py) answers `POST /lab/<path>` with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

ControlFunction = Callable[[Mapping[str, Any]], Any]


class ControlError(ValueError):
    """A control request that cannot be carried out; answered with status 400 and this message."""


class ControlRoutes:
    """Registry of control functions by path."""

    def __init__(self) -> None:
        self._functions: dict[str, ControlFunction] = {}
        self._resetters: list[Callable[[], None]] = []

    def route(self, path: str) -> Callable[[ControlFunction], ControlFunction]:
        """Register the decorated function for `POST /lab/<path>`; it takes the JSON body and returns a JSON value."""

        def register(function: ControlFunction) -> ControlFunction:
            if path in self._functions:
                raise ValueError(f"control route {path!r} is registered twice")
            self._functions[path] = function
            return function

        return register

    def on_reset(self, function: Callable[[], None]) -> Callable[[], None]:
        """Register what forgets an extension's own state when the lab is reset."""
        self._resetters.append(function)
        return function

    def reset(self) -> None:
        """Forget the state of every extension."""
        for resetter in self._resetters:
            resetter()

    def call(self, path: str, body: Mapping[str, Any]) -> Any:
        """Carry out one control request.

        Raises ControlError for an unknown path or a body the function refuses.
        """
        if path not in self._functions:
            raise ControlError(f"unknown control route {path!r}; known: {', '.join(sorted(self._functions))}")
        return self._functions[path](body)
