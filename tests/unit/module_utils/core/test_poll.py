"""Waiting is bounded, backs off, tells how things stand and gives what was seen when time runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied, Stopped
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.poll import Poll, Waited
from tests.support.clocks import ScriptedClock


def wait_for(poll: Poll, answers: Iterable[str]) -> Waited[str]:
    seen = iter(answers)
    return poll.until(lambda: next(seen), lambda answer: answer == "done", lambda answer: f"it is {answer}")


def forever(answer: str) -> Iterable[str]:
    while True:
        yield answer


def test_a_condition_that_holds_at_once_costs_no_pause() -> None:
    time = ScriptedClock()

    assert wait_for(Poll(10, time.clock()), ["done"]) == Waited(True, "done", 0.0, 1)
    assert time.pauses == []


def test_backs_off_to_the_longest_delay() -> None:
    time = ScriptedClock()
    waited = wait_for(Poll(100, time.clock(), first_delay=1, longest_delay=3), ["a"] * 5 + ["done"])

    assert time.pauses == [1, 1.5, 2.25, 3, 3]
    assert (waited.done, waited.elapsed, waited.looks) == (True, sum(time.pauses), 6)


def test_gives_what_was_seen_last_when_time_runs_out() -> None:
    time = ScriptedClock()
    waited = wait_for(Poll(10, time.clock(), first_delay=4, longest_delay=4), ["a", "b", "c", "d", "done"])

    assert waited == Waited(False, "d", 10.0, 4)


def test_the_last_pause_ends_at_the_deadline_and_a_last_look_follows() -> None:
    time = ScriptedClock()
    waited = wait_for(Poll(10, time.clock(), first_delay=4, longest_delay=4), ["a", "b", "c", "done"])

    assert time.pauses == [4, 4, 2]
    assert waited.done


def test_looks_once_although_time_is_up_already() -> None:
    time = ScriptedClock()
    time.now = 50.0

    assert wait_for(Poll(10, time.clock()), ["done"]).done
    assert wait_for(Poll(10, time.clock()), ["a", "done"]) == Waited(False, "a", 0.0, 1)
    assert time.pauses == []


def test_elapsed_counts_from_the_start_of_the_wait() -> None:
    time = ScriptedClock()
    time.now = 100.0

    assert wait_for(Poll(110, time.clock(), first_delay=2), ["a", "done"]).elapsed == 2.0


def test_a_look_that_takes_longer_than_all_the_time_is_the_last() -> None:
    time = ScriptedClock()

    def slow() -> str:
        time.now += 60
        return "a"

    waited = Poll(10, time.clock()).until(slow, lambda seen: False, lambda seen: "")

    assert (waited.done, waited.looks, time.pauses) == (False, 1, [])


def test_a_stopped_pause_ends_the_wait_with_what_was_seen() -> None:
    time = ScriptedClock(stopped_after=2)

    waited = wait_for(Poll(100, time.clock()), ["a", "b", "done"])

    assert (waited.done, waited.seen, waited.looks) == (False, "b", 2)


def test_tells_how_things_stand_only_when_it_changes() -> None:
    told: list[str] = []
    wait_for(Poll(100, ScriptedClock().clock(), progress=told.append), ["a", "a", "b", "b", "a", "done"])

    assert told == ["it is a", "it is b", "it is a", "it is done"]


def test_nothing_to_say_is_not_said() -> None:
    told: list[str] = []
    Poll(100, ScriptedClock().clock(), progress=told.append).until(lambda: 1, lambda seen: True, lambda seen: "")

    assert told == []


@pytest.mark.parametrize("error", [Stopped("wait", "run", "lease lost"), Denied("read", "x", "no"), KeyboardInterrupt()])
def test_what_a_tick_raises_ends_the_wait_before_the_next_look(error: BaseException) -> None:
    ticks: list[str] = []
    looks: list[str] = []

    def tick() -> None:
        if ticks:
            raise error
        ticks.append("tick")

    with pytest.raises(type(error)):
        Poll(100, ScriptedClock().clock(), tick=tick).until(
            lambda: looks.append("look"), lambda seen: False, lambda seen: "")
    assert looks == ["look"]


@pytest.mark.parametrize("deadline", [0.05, -1.0])
def test_the_real_clock_ends_a_wait_too(deadline: float) -> None:
    import time

    started = time.monotonic()
    poll = Poll(started + deadline, first_delay=0.01)
    waited = wait_for(poll, forever("a"))

    assert not waited.done
    assert time.monotonic() - started < 2


def test_an_error_of_looking_is_not_swallowed() -> None:
    def denied() -> str:
        raise Denied("read", "x", "no")

    nothing: Callable[[str], str] = lambda seen: ""  # noqa: E731
    with pytest.raises(Denied):
        Poll(100, ScriptedClock().clock()).until(denied, bool, nothing)
