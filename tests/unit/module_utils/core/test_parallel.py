"""The same work on many items at once: bounded, in order, and nothing new begins once it has to end."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied, OperationError, Stopped
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.parallel import Done, map_parallel

LOST = Stopped("go on", "this run", "lease lost")


def nothing() -> None:
    return None


class Work:
    """Counts how many items are worked on at once, and lets some of them fail.

    :param failing: item -> what it raises
    """

    def __init__(
        self, failing: dict[int, BaseException] | None = None, seconds: Callable[[int], float] = lambda item: 0.0
    ) -> None:
        self.begun: list[int] = []
        self.most = 0
        self._at_once = 0
        self._failing = failing or {}
        self._seconds = seconds
        self._lock = threading.Lock()

    def __call__(self, item: int) -> int:
        with self._lock:
            self.begun.append(item)
            self._at_once += 1
            self.most = max(self.most, self._at_once)
        time.sleep(self._seconds(item))
        with self._lock:
            self._at_once -= 1
        if item in self._failing:
            raise self._failing[item]
        return item * 10


def test_answers_in_the_order_of_the_items() -> None:
    done = map_parallel(Work(seconds=lambda item: 0.05 - item * 0.01), iter(range(5)), workers=5)

    assert [(entry.item, entry.answer) for entry in done] == [(0, 0), (1, 10), (2, 20), (3, 30), (4, 40)]


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (3, 3), (0, 1), (-2, 1), (100, 12)])
def test_works_on_no_more_items_at_once_than_it_may(workers: int, most: int) -> None:
    work = Work(seconds=lambda item: 0.02)
    map_parallel(work, range(12), workers=workers)

    assert work.most <= most
    assert sorted(work.begun) == list(range(12))


def test_really_works_on_several_at_once() -> None:
    meeting = threading.Barrier(4, timeout=5)

    assert [done.error for done in map_parallel(lambda item: meeting.wait(), range(4), workers=4)] == [None] * 4


@pytest.mark.parametrize("items", [[], [7], [7, 7]])
def test_takes_any_number_of_items(items: list[int]) -> None:
    assert [done.answer for done in map_parallel(Work(), items)] == [item * 10 for item in items]


@pytest.mark.parametrize("count", [1, 4])
def test_one_failing_item_does_not_hide_the_others(count: int) -> None:
    denied = Denied("read", "0", "no")
    done = map_parallel(Work({0: denied}), range(count))

    assert done == [Done(0, None, denied), *(Done(item, item * 10, None) for item in range(1, count))]


@pytest.mark.parametrize("count", [1, 4])
def test_nothing_begins_when_nothing_may_start(count: int) -> None:
    work = Work()

    def refuse() -> None:
        raise LOST

    done = map_parallel(work, range(count), may_start=refuse)

    assert done == [Done(item, None, LOST, started=False) for item in range(count)]
    assert work.begun == []


def test_what_began_before_the_stop_is_reported_as_done() -> None:
    asked = 0

    def refuse_from_the_third() -> None:
        nonlocal asked
        asked += 1
        if asked > 2:
            raise LOST

    done = map_parallel(Work(), range(5), workers=1, may_start=refuse_from_the_third)

    assert [entry.started for entry in done] == [True, True, False, False, False]
    assert [entry.answer for entry in done] == [0, 10, None, None, None]


def test_a_refused_start_for_any_reason_is_kept_beside_its_item() -> None:
    """The lock's store cannot be reached: what was done before must not vanish from the answer."""
    asked = 0

    def unreachable_from_the_second() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise OperationError("write the run lock", "locks", "AWS did not answer")

    done = map_parallel(Work(), range(3), workers=1, may_start=unreachable_from_the_second)

    assert [entry.answer for entry in done] == [0, None, None]
    assert [entry.started for entry in done] == [True, False, False]


def test_a_stop_inside_the_work_is_the_items_own() -> None:
    done = map_parallel(Work({1: LOST}), range(3), workers=1)

    assert [(entry.answer, entry.error, entry.started) for entry in done] == [
        (0, None, True), (None, LOST, True), (20, None, True)]


@pytest.mark.parametrize("error", [ValueError("a defect"), KeyboardInterrupt(), SystemExit(1), TimeoutError()])
def test_anything_unexpected_ends_the_map_and_cancels_what_has_not_begun(error: BaseException) -> None:
    work = Work({0: error}, seconds=lambda item: 0.0 if item == 0 else 0.05)
    stopped: list[str] = []

    def refuse_when_stopped() -> None:
        if stopped:
            raise LOST

    with pytest.raises(type(error)):
        map_parallel(work, range(50), workers=2, may_start=refuse_when_stopped, on_stop=lambda: stopped.append("stop"))
    begun = len(work.begun)
    time.sleep(0.12)

    assert stopped == ["stop"]
    assert len(work.begun) == begun <= 6


def test_an_interrupt_of_the_main_thread_does_not_wait_for_work_in_progress() -> None:
    may_end = threading.Event()
    begun: list[int] = []

    def hang(item: int) -> None:
        begun.append(item)
        if len(begun) == 2:
            _thread.interrupt_main()
        may_end.wait(10)

    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            map_parallel(hang, range(10), workers=2, on_stop=nothing)
        assert time.monotonic() - started < 3
        assert len(begun) == 2
    finally:
        may_end.set()
