# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lease is kept while any of our modules runs, also one that only reads, or waits in one long call.

Without it a run whose pre-checks take longer than a lease would lose the lock to another in the middle. A task that ends
before the next renewal is due costs nothing. Tasks of other collections do not renew: a long pause between ours can
still outlive a lease, and the next change then finds out.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ..module_utils.core.errors import OperationError
from ..module_utils.core.lock_store import lease_length, open_store
from ..module_utils.incident.lease import LeaseStore, digest_token
from .receipt import Receipt, load_receipt, lock_store, receipt_path, system_of


@contextlib.contextmanager
def lease_kept(task_vars: Mapping[str, Any], templar: Any) -> Iterator[None]:
    """Renew this run's lease every third of its length for as long as the block lasts."""
    receipt = load_receipt(system_of(task_vars))
    store = lock_store(task_vars, templar) if receipt is not None and not receipt.without_lock else None
    if receipt is None or store is None:
        yield
        return
    ended = threading.Event()
    # A daemon: a call that hangs must not keep a worker from ending.
    threading.Thread(target=_beat, args=(receipt, store, ended), daemon=True, name="opsbook-lease").start()
    try:
        yield
    finally:
        ended.set()


def _beat(receipt: Receipt, store: Mapping[str, Any], ended: threading.Event) -> None:
    seconds = lease_length(store)
    path = receipt_path(receipt.system)
    opened: LeaseStore | None = None
    while path is not None and not ended.wait(_until_due(path, seconds / 3)):
        try:
            opened = opened or open_store(store)
            if not opened.renew(receipt.system, digest_token(receipt.token), time.time() + seconds):
                return  # not ours any more: the next change asks for itself and stops
            os.utime(path)
        except OperationError:
            # The lock's store is out of reach for now; the lease lasts two more thirds.
            ended.wait(seconds / 6)
        except FileNotFoundError:
            return  # released meanwhile


def _until_due(path: os.PathLike[str], interval: float) -> float:
    """Seconds until the next renewal; the receipt's own time tells when the last one was, by whichever task."""
    try:
        return max(0.0, os.stat(path).st_mtime + interval - time.time())
    except FileNotFoundError:
        return interval
