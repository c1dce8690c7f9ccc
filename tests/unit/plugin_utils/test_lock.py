"""Taking the run lock: waits as long as a lease lasts, tells for whom, and never takes what is renewed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.lock_store import ask_interval
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.lease import Lease, digest_token
from ansible_collections.opsbook.runbooks.plugins.plugin_utils import lock
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.lock import acquire, new_token, shown

SECONDS = 0.2
WANTED = Lease("commerce", "mine", "ada", "Weekly maintenance", digest_token("t"), 0, 0.0)
HELD = Lease("commerce", "theirs", "bob", "Fail over", "d", 7, 0.0)


@pytest.fixture(autouse=True)
def _short_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "MARGIN_SECONDS", 0.2)


class Row:
    """A lease store of one row, with the same conditions as the real ones.

    :param on_read: called before each read, to let the world move on
    """

    def __init__(self, lease: Lease | None = None, on_read: Callable[[Row], None] = lambda row: None) -> None:
        self.lease = lease
        self.reads = 0
        self.lost_answers = 0
        self._on_read = on_read
        self._lock = threading.Lock()

    def read(self, system: str) -> Lease | None:
        self.reads += 1
        self._on_read(self)
        return self.lease

    def take(self, wanted: Lease, seen: Lease | None) -> bool:
        with self._lock:
            if self.lease != seen:
                return False
            self.lease = wanted
        if self.lost_answers:
            self.lost_answers -= 1
            return False
        return True

    def renew(self, system: str, token_digest: str, expires: float) -> bool:
        with self._lock:
            if self.lease is None or self.lease.token_digest != token_digest:
                return False
            self.lease = replace(self.lease, expires=expires)
            return True

    def release(self, system: str, token_digest: str) -> bool:
        return self.renew(system, token_digest, 0.0)


def take(row: Row, take_over: str = "", told: list[str] | None = None) -> Lease:
    return acquire(row, WANTED, "t", SECONDS, take_over, (told if told is not None else []).append)


def test_a_free_lock_is_taken_at_once() -> None:
    row, told = Row(), list[str]()
    before = time.time()
    lease = take(row, told=told)

    assert lease == row.lease
    assert (lease.run, lease.fence, lease.token_digest) == ("mine", 1, digest_token("t"))
    assert before + SECONDS <= lease.expires <= time.time() + SECONDS
    assert [text for text in told if text] == []


def test_waits_for_the_lease_of_a_dead_run_to_end_and_says_for_whom() -> None:
    row, told = Row(replace(HELD, expires=time.time() + SECONDS)), list[str]()
    began = time.monotonic()
    lease = take(row, told=told)

    assert (lease.run, lease.fence) == ("mine", 8)
    assert time.monotonic() - began >= SECONDS * 0.9
    assert told[0].startswith("waiting for the lock: run theirs (bob) holds it until ")
    assert row.reads >= 2


def test_a_run_that_renews_keeps_its_lock() -> None:
    def renew(row: Row) -> None:
        row.lease = replace(HELD, expires=time.time() + SECONDS)

    row = Row(HELD, renew)
    began = time.monotonic()
    with pytest.raises(Refused, match="run theirs of bob holds it and keeps renewing it"):
        take(row)

    assert row.lease is not None
    assert row.lease.run == "theirs"
    assert time.monotonic() - began < 5


def test_an_emergency_takes_over_at_once_by_naming_the_run() -> None:
    row = Row(replace(HELD, expires=time.time() + 600))

    assert (take(row, take_over="theirs").fence, row.reads) == (8, 1)


def test_who_takes_over_waits_until_the_other_run_has_asked_for_its_lease_again() -> None:
    row, told = Row(replace(HELD, expires=time.time() + 600)), list[str]()
    began = time.monotonic()
    acquire(row, WANTED, "t", 1.5, "theirs", told.append)

    assert time.monotonic() - began >= ask_interval(1.5)
    assert "until run theirs (bob) has noticed that it was put aside" in "".join(told)


def test_a_lease_that_ended_by_itself_is_taken_without_a_further_wait() -> None:
    row, told = Row(replace(HELD, expires=time.time() - 1)), list[str]()
    acquire(row, WANTED, "t", 30, "", told.append)

    assert "put aside" not in "".join(told)


def test_taking_over_from_another_run_is_refused_at_once() -> None:
    row = Row(replace(HELD, expires=time.time() + 600))

    with pytest.raises(Refused, match="held by run theirs, not by another"):
        take(row, take_over="another")
    assert row.reads == 1


def test_a_write_whose_answer_was_lost_is_ours() -> None:
    row = Row()
    row.lost_answers = 1
    lease = take(row)

    assert (lease.run, lease.fence) == ("mine", 1)
    assert lease == row.lease


def test_who_was_slower_waits_for_the_faster() -> None:
    def somebody_is_faster(row: Row) -> None:
        if row.reads == 2:
            row.lease = replace(HELD, fence=9, expires=time.time() + SECONDS / 4)

    row = Row(replace(HELD, expires=time.time() + SECONDS / 4), somebody_is_faster)

    assert take(row).fence == 10


def test_of_many_at_once_one_gets_it() -> None:
    row = Row()
    start = threading.Barrier(6)
    won: list[str] = []

    def compete(name: str) -> None:
        start.wait()
        try:
            acquire(row, replace(WANTED, run=name, token_digest=digest_token(name)), name, 60.0, "", give_up)
        except Refused:
            return
        won.append(name)

    def give_up(waiting: str) -> None:
        """Somebody has it: the others need not wait out a lease of a minute."""
        if waiting:
            raise Refused("take the run lock", "commerce", waiting)

    threads = [threading.Thread(target=compete, args=(f"run{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert row.lease is not None
    assert won == [row.lease.run]
    assert row.lease.fence == 1


def test_a_store_that_cannot_be_reached_gives_no_lock() -> None:
    def unreachable(row: Row) -> None:
        raise OperationError("read the run lock", "locks/commerce", "AWS did not answer")

    with pytest.raises(OperationError, match="did not answer"):
        take(Row(None, unreachable))


@pytest.mark.parametrize(("take_over", "raised", "said"), [
    ("", Refused, "run theirs of bob held it a moment ago, and now its store does not answer"),
    ("theirs", OperationError, "did not answer"),
])
def test_a_store_that_falls_silent_has_not_freed_the_lock_of_a_run_that_was_seen(
    take_over: str, raised: type[OperationError], said: str
) -> None:
    def falls_silent(row: Row) -> None:
        if row.reads == 2:
            raise OperationError("read the run lock", "locks/commerce", "AWS did not answer")

    row = Row(replace(HELD, expires=time.time() + 600), falls_silent)
    row.take = lambda wanted, seen: False  # type: ignore[method-assign]
    with pytest.raises(OperationError, match=said) as caught:
        take(row, take_over)

    assert caught.type is raised


def test_tokens_cannot_be_guessed_from_one_another() -> None:
    tokens = {new_token() for _number in range(100)}

    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {32}


def test_a_shown_lock_has_no_digest() -> None:
    assert shown(None) is None
    assert "token_digest" not in (shown(HELD) or {})
