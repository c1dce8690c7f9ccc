"""Permission to change: our lease, a living launcher, and no way round either."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws import client, lease_table
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError, Refused, Stopped
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.permit import (
    Permit,
    launcher_check,
    permit_of,
    process_started,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.lease import digest_token
from tests.support.clocks import ScriptedClock
from tests.support.waiting import eventually

RECEIPT = {
    "system": "commerce", "token": "canary-token", "store": {"table": "locks", "lease_seconds": 3.0}, "required": True}


def alive() -> bool:
    return True


class Renewals:
    """Counts renewals and answers them in turn."""

    def __init__(self, *answers: bool) -> None:
        self.count = 0
        self._answers = answers

    def __call__(self) -> bool:
        self.count += 1
        return self._answers[min(self.count, len(self._answers)) - 1]


def test_the_lease_is_renewed_at_the_first_asking() -> None:
    renew = Renewals(True)
    Permit(renew, 60, alive)()

    assert renew.count == 1


def test_the_lease_is_renewed_once_in_a_third_of_its_length() -> None:
    clock, renew = ScriptedClock(), Renewals(True)
    permit = Permit(renew, 60, alive, clock.monotonic)
    counts = []
    for clock.now in (1000.0, 1001.0, 1019.9, 1020.0, 1039.0, 1040.0):
        permit()
        counts.append(renew.count)

    assert counts == [1, 1, 1, 2, 2, 3]


def test_a_lease_that_is_not_ours_stops_at_once_and_for_good() -> None:
    permit = Permit(Renewals(False), 60, alive)

    for _time in range(3):
        with pytest.raises(Stopped, match="lease lost"):
            permit()


def test_a_lease_lost_on_the_way_stops_within_a_third_of_its_length() -> None:
    clock = ScriptedClock()
    permit = Permit(Renewals(True, False), 60, alive, clock.monotonic)
    permit()
    clock.now = 20.0

    with pytest.raises(Stopped, match="lease lost"):
        permit()


def test_a_store_that_cannot_be_reached_gives_no_permission() -> None:
    def unreachable() -> bool:
        raise OperationError("write the run lock", "locks/commerce", "AWS did not answer")

    permit = Permit(unreachable, 60, alive)

    for _time in range(2):
        with pytest.raises(OperationError, match="did not answer"):
            permit()


def test_a_dead_launcher_stops_although_the_lease_is_ours() -> None:
    living = [True, False]
    renew = Renewals(True)
    permit = Permit(renew, 60, lambda: living.pop(0))
    permit()

    with pytest.raises(Stopped, match="ansible-playbook process that started it is gone"):
        permit()
    assert renew.count == 1


def test_many_threads_renew_once() -> None:
    renew = Renewals(True)

    def slow() -> bool:
        time.sleep(0.02)
        return renew()

    permit = Permit(slow, 60, alive)
    threads = [threading.Thread(target=permit) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert renew.count == 1


@pytest.mark.parametrize("guard", [None, {}, {"required": False}, {"required": False, "system": "commerce"}])
def test_no_guard_is_needed_where_none_is_required(guard: dict[str, Any] | None) -> None:
    permit_of(guard)()


@pytest.mark.parametrize("missing", ["token", "store"])
def test_a_required_guard_without_its_receipt_is_refused(missing: str) -> None:
    with pytest.raises(Refused, match=r"commerce.*opsbook_require_guard"):
        permit_of({**RECEIPT, missing: None})


class Table:
    """Stands for the lock table's rows: knows the one token that holds the lock."""

    def __init__(self, token: str) -> None:
        self.digest = digest_token(token)
        self.asked: list[tuple[str, str, float]] = []

    def __call__(self, connect: object, table: str) -> Table:
        return self

    def renew(self, system: str, token_digest: str, expires: float) -> bool:
        self.asked.append((system, token_digest, expires))
        return token_digest == self.digest


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    rows = Table("canary-token")
    monkeypatch.setattr(client, "connector", lambda options, attempts: options)
    monkeypatch.setattr(lease_table, "DynamoLeaseStore", rows)
    return rows


def test_the_token_of_the_receipt_is_compared_with_the_row(table: Table) -> None:
    before = time.time()
    permit_of(RECEIPT)()
    system, digest, expires = table.asked[0]

    assert (system, digest) == ("commerce", digest_token("canary-token"))
    assert before + 3 <= expires <= time.time() + 3


@pytest.mark.parametrize("required", [True, False])
def test_a_forged_token_is_found_before_the_first_change(table: Table, required: bool) -> None:
    with pytest.raises(Stopped, match="lease lost"):
        permit_of({**RECEIPT, "token": "forged", "required": required})()


@pytest.mark.parametrize("store", [{}, RECEIPT["store"]])
def test_an_emergency_without_the_lock_may_change_and_asks_no_store(table: Table, store: dict[str, Any]) -> None:
    permit_of({**RECEIPT, "store": store, "without_lock": "the store is down"})()

    assert table.asked == []


def test_a_reason_without_a_token_is_no_receipt(table: Table) -> None:
    with pytest.raises(Refused, match="no receipt"):
        permit_of({"required": True, "without_lock": "the store is down"})


def test_the_store_is_not_reached_before_it_is_asked(table: Table) -> None:
    permit_of(RECEIPT)

    assert table.asked == []


@pytest.fixture
def launcher() -> Iterator[subprocess.Popen[bytes]]:
    """A real process that stands for ansible-playbook."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_launcher_lives_until_it_is_killed(launcher: subprocess.Popen[bytes]) -> None:
    lives = launcher_check(launcher.pid, process_started(launcher.pid))
    assert lives()
    launcher.kill()

    # Nobody has waited for it: what is left of it, a zombie, is no living launcher.
    assert eventually(lambda: not lives(), 5)


def test_a_stopped_launcher_still_lives(launcher: subprocess.Popen[bytes]) -> None:
    lives = launcher_check(launcher.pid, process_started(launcher.pid))
    launcher.send_signal(signal.SIGSTOP)

    assert lives()


def test_a_reused_process_id_is_not_the_launcher(launcher: subprocess.Popen[bytes]) -> None:
    earlier = str(int(process_started(launcher.pid)) - 1)

    assert not launcher_check(launcher.pid, earlier)()


def test_without_a_start_time_the_process_id_has_to_do(launcher: subprocess.Popen[bytes]) -> None:
    lives = launcher_check(launcher.pid, None)
    assert lives()
    launcher.kill()
    launcher.wait()

    assert not lives()


@pytest.mark.parametrize("launcher_id", [None, 0])
def test_no_launcher_is_known_to_a_user_of_the_library(launcher_id: int | None) -> None:
    assert launcher_check(launcher_id, None)()


def test_the_start_of_a_process_does_not_change() -> None:
    assert process_started(os.getpid()) == process_started(os.getpid()) != ""


def test_a_process_that_does_not_run_has_no_start(launcher: subprocess.Popen[bytes]) -> None:
    launcher.kill()
    launcher.wait()

    assert process_started(launcher.pid) == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_process_may_have_any_name(tmp_path: Path) -> None:
    """The kernel shows the name in brackets before the state: a name made of brackets must not be taken for it."""
    program = tmp_path / "a) Z 1 (b"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([str(program), "60"]) as process:
        try:
            assert eventually(lambda: f"({program.name[:15]})" in Path(f"/proc/{process.pid}/stat").read_text(), 5)
            assert process_started(process.pid).isdigit()
        finally:
            process.kill()
