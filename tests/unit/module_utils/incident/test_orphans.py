"""Runs that were killed before they could write their record."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.permit import process_started
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.orphans import (
    is_running,
    seal_interrupted,
    unsealed,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record_store import try_lock
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.signers import Unsigned
from tests.support.journals import begun, play, started


@pytest.fixture
def dead() -> Iterator[int]:
    """The id of a process that does not run any more."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
        yield process.pid


def leave(records: Path, name: str, **given: Any) -> Path:
    folder = records / name
    folder.mkdir()
    events = [started(run=name, **given), play(), begun()]
    (folder / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"event": "cha')
    return folder


def running() -> dict[str, Any]:
    return {"launcher": os.getpid(), "launcher_started": process_started(os.getpid())}


def test_a_killed_run_gets_its_record(tmp_path: Path, dead: int) -> None:
    folder = leave(tmp_path, "killed", launcher=dead, launcher_started="123")
    sealed = seal_interrupted(tmp_path)
    record = json.loads((folder / "record.json").read_text())

    assert (sealed.runs, sealed.failed) == (("killed",), {})
    assert (record["status"], record["changes"][0]["outcome"], record["torn_lines"]) == ("interrupted", "unknown", 1)


def test_a_run_that_is_under_way_is_left_alone(tmp_path: Path) -> None:
    folder = leave(tmp_path, "running", **running())

    assert seal_interrupted(tmp_path).runs == ()
    assert not (folder / "record.json").exists()


def test_a_reused_process_id_is_not_the_run(tmp_path: Path) -> None:
    leave(tmp_path, "killed", **{**running(), "launcher_started": "1"})

    assert seal_interrupted(tmp_path).runs == ("killed",)


def test_a_run_is_sealed_once(tmp_path: Path, dead: int) -> None:
    leave(tmp_path, "killed", launcher=dead, launcher_started="1")

    assert seal_interrupted(tmp_path).runs == ("killed",)
    assert seal_interrupted(tmp_path).runs == ()


def test_the_receipt_of_a_killed_run_is_deleted(tmp_path: Path, dead: int) -> None:
    killed = leave(tmp_path, "killed", launcher=dead, launcher_started="1")
    living = leave(tmp_path, "living", **running())
    for folder in (killed, living):
        (folder / ".receipt-commerce.json").write_text("{}")
    seal_interrupted(tmp_path)

    assert not (killed / ".receipt-commerce.json").exists()
    assert (living / ".receipt-commerce.json").exists()


@pytest.mark.parametrize("journal", [
    b"", b'{"event": "run_st', b"12\n", b'{"event": "run_started", "launcher": "none"}\n',
    b'{"event": "change_started", "time": "t", "change": {}}\n', b'{"event": "play_started", "procedure": "text"}\n',
], ids=["empty", "torn_at_once", "no_event", "no_launcher", "no_resource", "no_front_matter"])
def test_a_damaged_journal_does_not_keep_the_others_from_their_records(tmp_path: Path, dead: int, journal: bytes) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "journal.jsonl").write_bytes(journal)
    leave(tmp_path, "killed", launcher=dead, launcher_started="1")
    sealed = seal_interrupted(tmp_path)

    assert "killed" in sealed.runs
    assert {*sealed.runs, *sealed.failed} == {"damaged", "killed"}


def test_what_has_no_journal_is_no_run(tmp_path: Path, dead: int) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (leave(tmp_path, "sealed", launcher=dead) / "record.json").touch()

    assert unsealed(tmp_path) == []
    assert unsealed(tmp_path / "nowhere") == []


def test_a_run_that_does_not_name_its_launcher_is_not_running(tmp_path: Path) -> None:
    assert not is_running(leave(tmp_path, "old"))


def test_a_record_that_is_there_is_only_sealed(tmp_path: Path, dead: int) -> None:
    folder = leave(tmp_path, "older", launcher=dead, launcher_started="1")
    (folder / "record.json").write_text('{"title": "as it was"}')
    sealed = seal_interrupted(tmp_path)

    assert (sealed.runs, sealed.attested, sealed.failed) == ((), ("older",), {})
    assert (folder / "record.json").read_text() == '{"title": "as it was"}'
    assert (folder / "attestation.json").exists()


def test_nobody_is_asked_for_a_key_while_there_is_nothing_to_seal(tmp_path: Path, dead: int) -> None:
    leave(tmp_path, "killed", launcher=dead, launcher_started="1")
    leave(tmp_path, "living", **running())
    seal_interrupted(tmp_path)

    def asked() -> Unsigned:
        raise AssertionError("a key was asked for")

    assert seal_interrupted(tmp_path, asked).runs == ()


def test_a_run_that_somebody_else_seals_is_left_to_them(tmp_path: Path, dead: int) -> None:
    folder = leave(tmp_path, "killed", launcher=dead, launcher_started="1")
    with (folder / "journal.jsonl").open() as journal:
        assert try_lock(journal.fileno())
        assert seal_interrupted(tmp_path).runs == ()
    assert seal_interrupted(tmp_path).runs == ("killed",)
