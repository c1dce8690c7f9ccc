"""The journal: on disk before the next thing happens, whoever writes, whatever is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.journal import (
    Journal,
    affected_by,
    read_journal,
)
from tests.support.journals import begun, ended


def run_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Run a writer as a process of its own."""
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *arguments], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal.jsonl")


def test_an_event_can_be_read_when_write_returns(path: str) -> None:
    journal = Journal(path, "r1", system="commerce")
    journal.write("run_started", operator="ada")
    event = read_journal(path)[0]

    assert {name: event[name] for name in ("event", "system", "operator")} == {
        "event": "run_started", "system": "commerce", "operator": "ada"}
    assert datetime.fromisoformat(event["time"]).utcoffset() == timedelta(0)


def test_events_come_back_in_order(path: str) -> None:
    for number in range(20):
        Journal(path).write("tick", number=number)

    assert [event["number"] for event in read_journal(path)] == list(range(20))


def test_only_its_owner_can_read_it(path: str) -> None:
    before = os.umask(0)
    try:
        Journal(path).write("run_started")
    finally:
        os.umask(before)

    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("value", [
    "two\nlines\r\nand\u2028more", "Zürich \U0001f525", "\udcff no unicode", "\x1b[31mred\x00", {"deep": [1, None, True]},
    "x" * 1_000_000,
], ids=["lines", "unicode", "surrogate", "control", "nested", "a_megabyte"])
def test_any_value_is_one_line_and_comes_back(path: str, value: Any) -> None:
    Journal(path).write("seen", value=value)

    assert Path(path).read_bytes().count(b"\n") == 1
    assert read_journal(path)[0]["value"] == value


def test_what_json_does_not_know_is_written_as_text(path: str) -> None:
    Journal(path).write("seen", where=Path("/x"))

    assert read_journal(path)[0]["where"] == "/x"


@pytest.mark.parametrize("where", ["no/such/folder/journal.jsonl", "/dev/full"])
def test_what_cannot_be_written_is_no_secret(tmp_path: Path, where: str) -> None:
    with pytest.raises(OSError, match=r"No such file|No space"):
        Journal(str(tmp_path / where)).write("change_started")


def test_an_event_that_only_fits_in_part_is_an_error(path: str) -> None:
    """A full disk takes the beginning of a line and says so only by the number of bytes: a real one, by a limit."""
    writer = run_python("""
        import resource, signal, sys
        from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.journal import Journal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
        Journal(sys.argv[1]).write("change_started", text="x" * 1000)
    """, path)
    _output, error = writer.communicate(timeout=20)

    assert os.path.getsize(path) == 200
    assert writer.returncode != 0
    assert "OSError" in error


def test_several_processes_write_whole_lines(path: str) -> None:
    writers = [run_python("""
        import sys
        from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.journal import Journal
        journal = Journal(sys.argv[1], writer=sys.argv[2])
        for number in range(50):
            journal.write("tick", number=number, text="x" * 5000)
    """, path, str(writer)) for writer in range(3)]
    assert [writer.wait(timeout=30) for writer in writers] == [0, 0, 0]
    events = read_journal(path)

    assert {event["event"] for event in events} == {"tick"}
    for writer in "012":
        assert [event["number"] for event in events if event["writer"] == writer] == list(range(50))


def test_a_killed_writer_leaves_at_most_one_torn_line(path: str) -> None:
    with run_python("""
        import sys
        from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.journal import Journal
        number = 0
        while True:
            Journal(sys.argv[1]).write("tick", number=number, text="x" * 100_000)
            if number == 5:
                print("under way", flush=True)
            number += 1
    """, path) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        writer.kill()
    events = read_journal(path)

    assert [event["event"] for event in events].count("torn_line") <= 1
    numbers = [event["number"] for event in events if event["event"] == "tick"]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 6


WHOLE = json.dumps({"event": "run_started", "time": "t"})


@pytest.mark.parametrize("cut", [1, len(WHOLE) // 2, len(WHOLE) - 1])
def test_a_torn_last_line_is_skipped_and_told(path: str, cut: int) -> None:
    Path(path).write_text(WHOLE + "\n" + WHOLE[:cut])

    assert read_journal(path) == [json.loads(WHOLE), {"event": "torn_line", "line": 2}]


@pytest.mark.parametrize("content", [
    b"\x00\x00\x00\n", b"\xff\xfe{\n", b"12\n", b"null\n", b"[]\n", b'"text"\n', b'{"time": 1}\n'])
def test_a_line_that_is_no_event_is_a_torn_one(path: str, content: bytes) -> None:
    Path(path).write_bytes(content + WHOLE.encode() + b"\n")

    assert [event["event"] for event in read_journal(path)] == ["torn_line", "run_started"]


def test_an_event_after_a_torn_line_is_not_lost(path: str) -> None:
    """A worker was killed in the middle of a line and the run goes on: what follows begins a line of its own."""
    Path(path).write_text(WHOLE[:20])
    Journal(path).write("change_started", resource="a")

    assert [event["event"] for event in read_journal(path)] == ["torn_line", "change_started"]


def test_an_empty_journal_has_no_events(path: str) -> None:
    Path(path).touch()

    assert read_journal(path) == []


def test_a_journal_that_is_not_there_is_not_an_empty_one(path: str) -> None:
    with pytest.raises(FileNotFoundError):
        read_journal(path)


@pytest.mark.parametrize(
    ("operation", "system", "affected"),
    [
        ("lambda_version_prune", "commerce", {"a", "b"}), ("lambda_version_prune", "media", {"c"}),
        ("secret_rotate", "commerce", {"d"}), ("secret_rotate", "media", set()), ("None", "None", set()),
    ],
)
def test_counts_what_an_operation_has_begun_to_change_on_one_system(operation: str, system: str, affected: set[str]) -> None:
    events = [begun("a"), begun("b", item="x"), ended("a"), begun("a"), begun("c", system="media"),
              begun("d", operation="secret_rotate"), {"event": "torn_line", "line": 9}, {"event": "run_started"}]

    assert affected_by(events, operation, system) == affected
