"""A system's lock in one run: taken once, shared by its machines, given back by the last; an emergency goes without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident import journal
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.journal import Journal
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.lease import Lease, digest_token
from ansible_collections.opsbook.runbooks.plugins.plugin_utils import lock
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.lock import Asked, Held, give_back, hold, look_at
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.receipt import load_receipt

STORED = {"table": "locks", "lease_seconds": 30.0}
DOWN = OperationError("write the run lock", "locks/media", "no route to host", "Try later.")


class Rows:
    """A store of leases in memory, that can be down."""

    def __init__(self) -> None:
        self.rows: dict[str, Lease] = {}
        self.down = False
        self.takes = 0

    def __call__(self, stored: object, quick: bool = False) -> Rows:
        return self

    def read(self, system: str) -> Lease | None:
        if self.down:
            raise DOWN
        return self.rows.get(system)

    def take(self, wanted: Lease, seen: Lease | None) -> bool:
        self.takes += 1
        self.rows[wanted.system] = wanted
        return True

    def release(self, system: str, token_digest: str) -> bool:
        if self.down:
            raise DOWN
        ours = self.rows[system].token_digest == token_digest
        if ours:
            del self.rows[system]
        return ours


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rows:
    store = Rows()
    (tmp_path / "r1").mkdir()
    monkeypatch.setattr(journal, "active", Journal(str(tmp_path / "r1" / "journal.jsonl"), "r1"))
    monkeypatch.setattr(lock, "open_store", store)
    return store


def asked(host: str = "media", **given: Any) -> Asked:
    return Asked("media", host, "r1", "ada", "Restart", **given)


def silent(text: str) -> None:
    assert isinstance(text, str)


def test_machines_of_one_system_share_its_lock_and_the_last_gives_it_back(rows: Rows) -> None:
    for host in ("media", "media-host-1", "media-host-2"):
        assert hold(STORED, asked(host), silent).lease == rows.rows["media"]
    assert rows.takes == 1

    assert give_back(STORED, "media", "media-host-1") is None
    assert give_back(STORED, "media", "media") is None
    assert "media" in rows.rows
    assert give_back(STORED, "media", "media-host-2") is True
    assert rows.rows == {}
    assert load_receipt("media") is None


def test_a_host_that_asks_twice_is_counted_once(rows: Rows) -> None:
    hold(STORED, asked(), silent)
    hold(STORED, asked(), silent)

    assert give_back(STORED, "media", "media") is True


def test_the_receipt_carries_the_token_of_the_row(rows: Rows) -> None:
    hold(STORED, asked(), silent)
    receipt = load_receipt("media")

    assert receipt is not None
    assert digest_token(receipt.token) == rows.rows["media"].token_digest


def test_a_routine_stops_where_the_store_is_down(rows: Rows) -> None:
    rows.down = True

    with pytest.raises(OperationError, match="no route to host"):
        hold(STORED, asked(), silent)
    assert load_receipt("media") is None


def test_an_emergency_goes_on_without_the_lock_and_its_receipt_says_so(rows: Rows) -> None:
    rows.down = True
    held = hold(STORED, asked(emergency=True), silent)
    receipt = load_receipt("media")

    assert held.lease is None
    assert "no route to host" in held.without_lock
    assert receipt is not None
    assert receipt.without_lock == held.without_lock
    assert hold(STORED, asked("media-host-1", emergency=True), silent) == held
    assert give_back(STORED, "media", "media") is None
    assert give_back(STORED, "media", "media-host-1") is None
    assert load_receipt("media") is None


def test_an_emergency_takes_no_lock_that_somebody_holds(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "MARGIN_SECONDS", 0.1)
    rows.rows["media"] = Lease("media", "other", "bob", "Fail over", "d", 7, 9e9)

    with pytest.raises(Refused, match="run other of bob holds it"):
        hold({**STORED, "lease_seconds": 0.1}, asked(emergency=True), silent)


def test_an_emergency_takes_over_the_lock_of_the_run_it_names(rows: Rows) -> None:
    rows.rows["media"] = Lease("media", "other", "bob", "Fail over", "d", 7, 9e9)
    # It waits until the other run must have noticed, which takes the longer the longer a lease is.
    lease = hold({**STORED, "lease_seconds": 1}, asked(emergency=True, take_over="other"), silent).lease

    assert lease is not None
    assert (lease.run, lease.fence) == ("r1", 8)


def test_looking_takes_nothing(rows: Rows) -> None:
    assert look_at(STORED, asked()) == Held(None)
    assert rows.takes == 0
    assert load_receipt("media") is None


def test_a_receipt_is_forgotten_though_the_store_is_down(rows: Rows) -> None:
    hold(STORED, asked(), silent)
    rows.down = True

    with pytest.raises(OperationError):
        give_back(STORED, "media", "media")
    assert load_receipt("media") is None
