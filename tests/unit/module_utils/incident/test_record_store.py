"""A folder of records: names stay inside, links are not followed, what is written is whole."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Missing, OperationError, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident import record_store
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.deadlines import within
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record_store import FolderStore, try_lock
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.sealing import finish_record, open_store
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.signers import Unsigned


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "records")


@pytest.mark.parametrize("use", [
    lambda store, path: store.read(path), lambda store, path: store.digest(path),
    lambda store, path: store.write(path, b"x"), lambda store, path: store.create(path, b"x"),
    lambda store, path: store.swap(path, "", b"x"), lambda store, path: store.remove(path),
    lambda store, path: store.files(path), lambda store, path: store.versioned(path),
], ids=["read", "digest", "write", "create", "swap", "remove", "files", "versioned"])
@pytest.mark.parametrize("path", ["../outside", "run/../../outside", "/outside"])
def test_no_name_leads_out_of_the_store(
    store: FolderStore, use: Callable[[FolderStore, str], object], path: str, tmp_path: Path
) -> None:
    (tmp_path / "outside").write_text("kept")

    with pytest.raises(Refused, match="not inside the store"):
        use(store, path)
    assert (tmp_path / "outside").read_text() == "kept"


def test_a_file_is_swapped_only_as_long_as_it_is_the_one_that_was_read(store: FolderStore) -> None:
    assert store.versioned("a") == (None, "")
    assert store.swap("a", "", b"one")
    content, mark = store.versioned("a")
    assert not store.swap("a", "", b"late")
    assert store.swap("a", mark, b"two")
    assert not store.swap("a", mark, b"late")
    assert (content, store.read("a")) == (b"one", b"two")


def test_a_file_is_created_once(store: FolderStore) -> None:
    assert store.create("a/b", b"one")
    assert not store.create("a/b", b"two")
    assert store.read("a/b") == b"one"
    assert store.files("a") == {"b": ""}


def test_what_is_written_is_its_owners_alone_and_leaves_nothing_beside(store: FolderStore, tmp_path: Path) -> None:
    store.write("run/attestation.json", b"x")
    path = tmp_path / "records" / "run" / "attestation.json"

    assert path.stat().st_mode & 0o077 == 0
    assert [entry.name for entry in path.parent.iterdir()] == ["attestation.json"]


def test_links_and_pipes_are_named_and_never_opened(store: FolderStore, tmp_path: Path) -> None:
    store.write("run/plain", b"x")
    run = tmp_path / "records" / "run"
    (run / "link").symlink_to(run / "plain")
    (run / "folder").symlink_to(tmp_path)
    os.mkfifo(run / "pipe")
    (tmp_path / "records" / "linked").symlink_to(run)

    assert dict(store.files("run")) == {
        "plain": "", "link": "a symbolic link", "folder": "a symbolic link", "pipe": "no plain file"}
    assert store.ids() == ["run"]
    for name in ("link", "pipe", "folder"):
        with pytest.raises(OperationError):
            store.read(f"run/{name}")
    with pytest.raises(Missing):
        store.read("run/none")


def test_a_lock_that_is_never_given_back_is_said_and_the_record_keeps_its_attestation(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_store, "LOCK_SECONDS", 0.05)
    store.write("run/record.json", b"{}")
    store.write(".chain/lock", b"")
    handle = os.open(tmp_path / "records" / ".chain" / "lock", os.O_RDWR)
    try:
        assert try_lock(handle)
        sealed = finish_record(tmp_path / "records" / "run", {}, Unsigned("a test"))
    finally:
        os.close(handle)

    assert "another process held .chain/lock" in sealed.trouble
    assert sealed.digest
    assert sealed.digest[:12] in sealed.said


def test_what_hangs_is_not_waited_for() -> None:
    never = threading.Event()

    with pytest.raises(OperationError, match=r"no answer within 0\.05 seconds"):
        within(0.05, "read a key", "a server", never.wait)
    assert within(5, "read", "it", lambda: "answer") == "answer"
    with pytest.raises(KeyError):
        within(5, "read", "it", lambda: {}["none"])


@pytest.mark.parametrize("address", ["s3://", "s3:///prefix"])
def test_an_address_without_a_bucket_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="names no bucket"):
        open_store(address, lambda service: None)
