"""One lock per AWS service: moto's backends are not safe for threads, and a conditional write must be atomic.

The application holds a service's lock while moto answers; an extension that works in the background (a secret's
rotation) takes the same lock before it touches that service's state.
"""

from __future__ import annotations

import threading
from collections import defaultdict

_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
_registry_lock = threading.Lock()


def service_lock(service: str) -> threading.RLock:
    """The lock of one service, by its boto3 name; it may be taken again by the thread that holds it."""
    with _registry_lock:
        return _locks[service]
