# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking and releasing the run lock for the guard."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from ..module_utils.core.errors import Refused
from ..module_utils.core.poll import Poll
from ..module_utils.incident.lease import Lease, LeaseStore, digest_token, next_lease

MARGIN_SECONDS = 2.0
"""Waited beyond the end of somebody else's lease: a dead holder's lock is free then, a living one's was renewed."""


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
    :raises Refused: when somebody still holds it after a lease's length
    """

    def attempt() -> tuple[Lease | None, Lease | None]:
        seen = store.read(wanted.system)
        if seen is not None and seen.token_digest == digest_token(token):
            return seen, seen  # an answer was lost, the write was not
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
    return lease


def _describe(answer: tuple[Lease | None, Lease | None]) -> str:
    lease, seen = answer
    if lease is not None or seen is None:
        return ""
    until = time.strftime("%H:%M:%S", time.gmtime(seen.expires))
    return f"waiting for the lock: run {seen.run} ({seen.holder}) holds it until {until} UTC"


def shown(lease: Lease | None) -> dict[str, Any] | None:
    """What a result may show of a lock."""
    return lease.as_dict() if lease else None
