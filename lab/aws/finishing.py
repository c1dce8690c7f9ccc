"""Things that moto makes and the lab finishes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def after_init(model: Any, then: Callable[[Any], None]) -> None:
    """Let `then` finish every new object of a class."""
    original = model.__init__

    def init(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        then(self)

    model.__init__ = init
