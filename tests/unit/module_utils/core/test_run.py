"""What one execution of an operation may use of the world: time, permission, progress."""

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Stopped
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run, utc_now
from tests.support.clocks import ScriptedClock


def lost() -> None:
    raise Stopped("go on", "this run", "lease lost")


def test_changes_may_start_until_the_deadline() -> None:
    clock = ScriptedClock()
    run = Run(timeout=10, clock=clock.clock())
    run.may_change()
    clock.now = 9.99
    run.may_change()
    clock.now = 10.0

    with pytest.raises(Stopped, match="deadline of 10 s passed"):
        run.may_change()


def test_no_change_starts_without_a_permit() -> None:
    with pytest.raises(Stopped, match="lease lost"):
        Run(permit=lost).may_change()


def test_no_change_starts_once_stopped() -> None:
    run = Run()
    run.stop()

    with pytest.raises(Stopped, match="the run was stopped"):
        run.may_change()


def test_the_permit_is_not_asked_for_nothing() -> None:
    """The permit costs a call: it is not asked when the answer is no already."""
    asked: list[str] = []
    clock = ScriptedClock()
    run = Run(timeout=1, clock=clock.clock(), permit=lambda: asked.append("permit"))
    clock.now = 2

    with pytest.raises(Stopped):
        run.may_change()
    assert asked == []


def test_reads_ask_for_no_permit() -> None:
    run = Run(timeout=-1, permit=lost)

    assert [done.answer for done in run.each(len, ["a", "bb"])] == [1, 2]
    assert [done.started for done in run.each_change(len, ["a", "bb"])] == [False, False]


def test_every_change_asks_for_its_own_permit() -> None:
    asked: list[str] = []
    Run(permit=lambda: asked.append("permit")).each_change(len, ["a", "bb", "ccc"])

    assert asked == ["permit"] * 3


def test_a_defect_in_one_read_stops_the_run() -> None:
    run = Run()

    with pytest.raises(ZeroDivisionError):
        run.each(lambda item: 1 // item, [1, 0, 1])
    with pytest.raises(Stopped):
        run.may_change()


def test_a_wait_ends_at_the_runs_deadline() -> None:
    clock = ScriptedClock()
    run = Run(timeout=5, clock=clock.clock())
    clock.now = 3.0

    waited = run.poll(first_delay=1, longest_delay=1).until(lambda: "seen", lambda seen: False, lambda seen: "")

    assert (waited.done, waited.seen, clock.now) == (False, "seen", 5.0)


@pytest.mark.parametrize("run", [Run(permit=lost), Run()], ids=["without_a_permit", "stopped"])
def test_a_wait_ends_when_the_run_may_not_go_on(run: Run) -> None:
    run.stop()

    with pytest.raises(Stopped):
        run.poll().until(lambda: "never looked", lambda seen: pytest.fail(seen), lambda seen: "")


def test_stopping_ends_a_pause_at_once() -> None:
    run = Run()
    threading.Timer(0.05, run.stop).start()
    started = time.monotonic()

    waited = run.poll(first_delay=30, longest_delay=30).until(lambda: "seen", lambda seen: False, lambda seen: "")

    assert (waited.done, waited.seen) == (False, "seen")
    assert time.monotonic() - started < 5


def test_progress_of_a_wait_is_the_runs() -> None:
    told: list[str] = []
    Run(progress=told.append).poll().until(lambda: 1, lambda seen: True, lambda seen: "all is well")

    assert told == ["all is well"]


def test_the_moment_is_in_utc() -> None:
    offset = utc_now().utcoffset()

    assert offset is not None
    assert not offset
