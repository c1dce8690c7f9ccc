# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking and releasing the run lock for the guard.

A system's machines are hosts of their own; in one run they share their system's lock. The first host takes it, the others
join it, the last that is done gives it back.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..module_utils.core.errors import OperationError, Refused
from ..module_utils.core.lock_store import ask_interval, lease_length, open_store
from ..module_utils.core.poll import Poll
from ..module_utils.incident.lease import Lease, LeaseStore, digest_token, next_lease
from .receipt import Receipt, delete_receipt, join, leave, load_receipt, turn

MARGIN_SECONDS = 2.0
"""Waited beyond the end of somebody else's lease: a dead holder's lock is free then, a living one's was renewed."""


@dataclass(frozen=True)
class Asked:
    """Who asks for a system's lock.

    :param host: the inventory host that the guard runs for, the system itself or one of its machines
    :param emergency: goes on without the lock where its store cannot be asked
    :param take_over: run id of a holder that is put aside
    """

    system: str
    host: str
    run: str
    holder: str
    procedure: str
    emergency: bool = False
    take_over: str = ""


@dataclass(frozen=True)
class Held:
    """What became of it: a lease, or the reason why an emergency goes on without one."""

    lease: Lease | None
    without_lock: str = ""


def hold(stored: Mapping[str, Any], asked: Asked, progress: Callable[[str], None]) -> Held:
    """Take the lock and leave a receipt, or join the lock that another host of the system took in this run.

    :param stored: what `open_store` takes
    :raises Refused: when another run holds it
    :raises OperationError: when its store cannot be asked and this is no emergency
    """
    with turn(asked.system):
        receipt = load_receipt(asked.system)
        if receipt is not None:
            held = Held(None, receipt.without_lock) if receipt.without_lock else look_at(stored, asked)
        else:
            token = new_token()
            held = _asked(asked, lambda: _take(stored, asked, token, progress))
            Receipt(asked.run, asked.system, token, held.without_lock).save()
        join(asked.system, asked.host)
    return held


def look_at(stored: Mapping[str, Any], asked: Asked) -> Held:
    """The lock as it is, without taking it.

    :raises OperationError: when its store cannot be asked and this is no emergency
    """
    return _asked(asked, lambda: open_store(stored, asked.emergency).read(asked.system))


def give_back(stored: Mapping[str, Any], system: str, host: str) -> bool | None:
    """Release the lock when no other host of this run still needs it.

    :returns: whether it was released; None where it is still needed, or was never held
    """
    with turn(system):
        receipt = load_receipt(system)
        if receipt is None or leave(system, host):
            return None
        try:
            if receipt.without_lock:
                return None
            return open_store(stored).release(system, digest_token(receipt.token))
        finally:
            # Also where the store cannot be reached: the lease ends by itself, its token must not stay on the disk.
            delete_receipt(system)


def _asked(asked: Asked, question: Callable[[], Lease | None]) -> Held:
    try:
        return Held(question())
    except Refused:
        raise  # somebody else holds it: that is an answer
    except OperationError as error:
        if not asked.emergency:
            raise
        return Held(None, error.message())


def _take(stored: Mapping[str, Any], asked: Asked, token: str, progress: Callable[[str], None]) -> Lease:
    wanted = Lease(asked.system, asked.run, asked.holder, asked.procedure, digest_token(token), 0, 0.0)
    store = open_store(stored, asked.emergency)
    return acquire(store, wanted, token, lease_length(stored), asked.take_over, progress)


def new_token() -> str:
    """A lease's secret token."""
    return secrets.token_hex(16)


def acquire(
    store: LeaseStore, wanted: Lease, token: str, seconds: float, take_over: str, progress: Callable[[str], None],
    now: Callable[[], float] = time.time,
) -> Lease:
    """Take the lock, waiting for a lease that nobody renews to end.

    :param wanted: system, run, holder and procedure; the rest is filled in
    :param seconds: length of the lease
    :param take_over: run id of a holder that is put aside
    :param progress: told who holds the lock and until when
    :raises Refused: when somebody still holds it after a lease's length, or held it when the store ceased to answer
    """
    other: Lease | None = None

    def attempt() -> tuple[Lease | None, Lease | None]:
        nonlocal other
        seen = _read(store, wanted.system, other if other is not None and other.run != take_over else None, now())
        if seen is not None and seen.token_digest == digest_token(token):
            return seen, seen  # an answer was lost, the write was not
        other = seen if seen is not None and seen.held_at(now()) else None
        lease = next_lease(seen, now(), seconds, wanted, take_over)
        taken = lease is not None and store.take(lease, seen)
        return (lease if taken else None), seen

    waited = Poll(time.monotonic() + seconds + MARGIN_SECONDS, first_delay=0.1, longest_delay=0.5,
                  progress=progress).until(attempt, lambda answer: answer[0] is not None, _describe)
    lease, seen = waited.seen
    if lease is None:
        raise Refused("take the run lock", wanted.system,
                      f"run {seen.run if seen else '?'} of {seen.holder if seen else '?'} holds it and keeps renewing it",
                      "Wait for that run to end; an emergency may take over with -e take_over=<its run id>.")
    if other is not None:
        _let_notice(other, ask_interval(seconds), progress)
    return lease


def _read(store: LeaseStore, system: str, held: Lease | None, now: float) -> Lease | None:
    """The row; where it cannot be read, somebody who held it a moment ago is taken to hold it still.

    An emergency goes on without a lock that nobody can ask for, never beside a run that it has seen.
    """
    try:
        return store.read(system)
    except OperationError as error:
        if held is None or not held.held_at(now):
            raise
        raise Refused("take the run lock", system,
                      f"run {held.run} of {held.holder} held it a moment ago, and now its store does not answer "
                      f"({error.reason})",
                      "Wait for that run to end and try again; an emergency may take over with -e take_over=<its run id>."
                      ) from error


def _let_notice(other: Lease, seconds: float, progress: Callable[[str], None]) -> None:
    """Wait until a run that was put aside has asked for its lease, and found it gone: until then it goes on changing."""
    until = time.monotonic() + seconds
    Poll(until, progress=progress).until(
        time.monotonic, lambda moment: moment >= until,
        lambda moment: f"waiting {seconds:.0f} s, until run {other.run} ({other.holder}) has noticed that it was put aside")


def _describe(answer: tuple[Lease | None, Lease | None]) -> str:
    lease, seen = answer
    if lease is not None or seen is None:
        return ""
    until = time.strftime("%H:%M:%S", time.gmtime(seen.expires))
    return f"waiting for the lock: run {seen.run} ({seen.holder}) holds it until {until} UTC"


def shown(lease: Lease | None) -> dict[str, Any] | None:
    """What a result may show of a lock."""
    return lease.as_dict() if lease else None
