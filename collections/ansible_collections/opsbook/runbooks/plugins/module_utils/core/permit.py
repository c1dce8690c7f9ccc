# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Permission to change, asked before each change and at each look of a wait: our lease, a living launcher."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Callable

from ..incident.lease import LeaseStore, digest_token
from .errors import Refused, Stopped
from .lock_store import LEASE_SECONDS, ask_interval, lease_length, open_store


class Permit:
    """Refuses when the lease is no longer ours or the ansible-playbook that started us is gone.

    The lease is renewed at most every third of its length, so that asking often costs nothing: who takes over from a
    living holder waits as long. It is asked at once the first time: a forged receipt is found before the first change.
    """

    def __init__(
        self, renew: Callable[[], bool] | None, lease_seconds: float, launcher_alive: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param renew: prolongs the lease, False when it is not ours; None where no guard is required"""
        self._renew = renew
        self._interval = ask_interval(lease_seconds)
        self._launcher_alive = launcher_alive
        self._monotonic = monotonic
        self._next = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Ask.

        :raises Stopped: when nothing may change any more
        """
        if not self._launcher_alive():
            raise Stopped("go on", "this run", "the ansible-playbook process that started it is gone",
                          "Start the procedure again: it finishes what is left.")
        if self._renew is None:
            return
        with self._lock:
            now = self._monotonic()
            if now < self._next:
                return
            if not self._renew():
                raise Stopped("go on", "this run", "lease lost: the lock does not carry this run's token",
                              "Look at who holds the lock, then start the procedure again.")
            self._next = now + self._interval


def permit_of(guard: Mapping[str, Any] | None) -> Permit:
    """The permit of a module's `guard` option, which the action plugin fills in.

    :raises Refused: when the inventory requires the guard and there is no receipt
    """
    guard = guard or {}
    without_lock = bool(guard.get("token") and guard.get("without_lock"))
    if guard.get("required") and not (without_lock or (guard.get("token") and guard.get("store"))):
        raise Refused(
            "change anything", str(guard.get("system") or "this system"),
            "the inventory requires the guard (opsbook_require_guard) and this run has no receipt of it",
            "Start the procedure from its beginning, without --start-at-task and without --skip-tags always.")
    locked = guard.get("token") and guard.get("store") and not without_lock
    renew, seconds = _renewal(guard) if locked else (None, LEASE_SECONDS)
    return Permit(renew, seconds, launcher_check(guard.get("launcher"), guard.get("launcher_started")))


def _renewal(guard: Mapping[str, Any]) -> tuple[Callable[[], bool], float]:
    stored = dict(guard["store"])
    seconds = lease_length(stored)
    system, digest = str(guard["system"]), digest_token(str(guard["token"]))
    opened: list[LeaseStore] = []

    def renew() -> bool:
        if not opened:
            opened.append(open_store(stored))
        return opened[0].renew(system, digest, time.time() + seconds)

    return renew, seconds


def launcher_check(launcher: int | None, started: str | None) -> Callable[[], bool]:
    """Whether the process that started us still lives; a reused process id is told apart by its start time."""
    if not launcher:
        return lambda: True
    return lambda: process_started(launcher) == (started or process_started(launcher)) != ""


def process_started(process: int) -> str:
    """When a process started, in the kernel's own words; empty when it does not run."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return _started_without_proc(process)


def _started_without_proc(process: int) -> str:
    if os.path.isdir("/proc/self"):
        return ""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "running"
    return "running"
