"""Free ports for servers that must be told one."""

from __future__ import annotations

import socket
from collections.abc import Callable

from lab.processes import Child, ChildEnded

_ATTEMPTS = 3


def on_free_port(start: Callable[[int], Child]) -> tuple[Child, int]:
    """Start a child on a free port and return both; another port is tried when somebody took the first meanwhile."""
    for attempt in range(1, _ATTEMPTS + 1):
        port = _free_port()
        try:
            return start(port), port
        except ChildEnded as error:
            if attempt == _ATTEMPTS or "address already in use" not in str(error).lower():
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
