# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run lock: one changing run per system, held as a lease with a fencing number.

AWS does not check fencing numbers, so this is check-then-act: a change that was already on its way when a lease was
lost still arrives. The row keeps a digest of the token: who can read the row cannot pass for the holder.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.errors import Refused


@dataclass(frozen=True)
class Lease:
    """A system's row in the lock table.

    :param system: what is locked
    :param run: id of the run that holds it; empty when released
    :param holder: who started that run
    :param procedure: what it carries out
    :param token_digest: SHA-256 of the holder's token
    :param fence: grows by one each time the lease changes hands
    :param expires: moment it ends, seconds since the epoch
    """

    system: str
    run: str
    holder: str
    procedure: str
    token_digest: str
    fence: int
    expires: float

    def held_at(self, now: float) -> bool:
        """Whether somebody holds the lease at that moment (seconds since the epoch)."""
        return bool(self.run) and self.expires > now

    def as_dict(self) -> dict[str, Any]:
        """What may be shown of a lease: everything but the token's digest."""
        return {"system": self.system, "run": self.run, "holder": self.holder, "procedure": self.procedure,
                "fence": self.fence, "expires": self.expires}


class LeaseStore(Protocol):
    """Where leases are kept. Every method raises OperationError when the store cannot be reached."""

    def read(self, system: str) -> Lease | None:
        """The system's row, or None where there is none."""

    def take(self, wanted: Lease, seen: Lease | None) -> bool:
        """Write the row if it still is as `seen`; False when somebody was faster."""

    def renew(self, system: str, token_digest: str, expires: float) -> bool:
        """Prolong the lease if its token is still ours; False when it is not."""

    def release(self, system: str, token_digest: str) -> bool:
        """Give the lease back if it is ours; False when it is not."""


def digest_token(token: str) -> str:
    """SHA-256 of a lease's token, as kept in the row."""
    return hashlib.sha256(token.encode()).hexdigest()


def next_lease(
    seen: Lease | None, now: float, seconds: float, wanted: Lease, take_over: str = ""
) -> Lease | None:
    """The lease to write, or None while another run holds it.

    :param seen: the row as read
    :param now: seconds since the epoch
    :param seconds: the lease's length
    :param wanted: run, holder, procedure and token digest of the new holder
    :param take_over: run id of a holder that is to be put aside (emergencies only)
    :raises Refused: when somebody else holds it than the one to be put aside
    """
    if seen is not None and seen.held_at(now) and seen.run != wanted.run:
        if not take_over:
            return None
        if take_over != seen.run:
            raise Refused("take over the lock", wanted.system, f"it is held by run {seen.run}, not by {take_over}",
                          "Name the run that holds it now.")
    fence = (seen.fence if seen else 0) + 1
    return Lease(wanted.system, wanted.run, wanted.holder, wanted.procedure, wanted.token_digest, fence, now + seconds)
