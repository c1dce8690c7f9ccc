# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same work on many items at once: bounded, in order, each failure kept beside its item."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Callable, Generic, TypeVar

from .errors import OperationError

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Done(Generic[Item, Answer]):
    """What became of one item.

    :param item: the item
    :param answer: what the work returned; None when it failed or never started
    :param error: why it failed; None when it did not
    :param started: False when the work on it never began
    """

    item: Item
    answer: Answer | None
    error: OperationError | None
    started: bool = True


def map_parallel(
    work: Callable[[Item], Answer],
    items: Iterable[Item],
    workers: int = 8,
    may_start: Callable[[], None] = lambda: None,
    on_stop: Callable[[], None] = lambda: None,
) -> list[Done[Item, Answer]]:
    """Do the work on each item, at most `workers` at once, and answer in the items' order.

    :param work: called once an item; an OperationError is kept beside its item, anything else ends the map
    :param may_start: called before each item begins; raises OperationError when no new work may start
    :param on_stop: called when the map ends early, so that work in progress can notice
    :raises BaseException: whatever interrupts the map or is no OperationError, after work not begun was cancelled
    """
    queue = list(items)
    if len(queue) == 1:
        return [_guarded(work, queue[0], may_start)]
    pool = ThreadPoolExecutor(max_workers=max(1, min(workers, len(queue) or 1)), thread_name_prefix="opsbook")
    futures: list[Future[Done[Item, Answer]]] = []
    try:
        futures = [pool.submit(_guarded, work, item, may_start) for item in queue]
        pending = set(futures)
        while pending:
            # A bounded wait: signals (task timeout, interrupt) reach the main thread only between waits.
            finished, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
        return [future.result() for future in futures]
    except BaseException:
        on_stop()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _guarded(
    work: Callable[[Item], Answer], item: Item, may_start: Callable[[], None]
) -> Done[Item, Answer]:
    try:
        may_start()
    except OperationError as error:
        return Done(item, None, error, started=False)
    try:
        return Done(item, work(item), None)
    except OperationError as error:
        return Done(item, None, error)
