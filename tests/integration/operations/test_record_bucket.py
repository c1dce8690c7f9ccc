"""Records kept in S3: chained there, copied there, verified there, and what happens when S3 refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.copying import copy_record
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.inspection import inspect
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.notes import append_note
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import seal
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record_store import Store
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.sealing import (
    Sealed,
    finish_record,
    open_store,
    signer_from,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.verification import Fault, examine
from tests.integration.operations.conftest import Aws
from tests.support.sealed import Keys, run_record, told, write_run

BUCKET = "opsbook-records"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def address(aws: Aws, unique: str) -> str:
    aws.client("s3").create_bucket(Bucket=BUCKET)
    return f"s3://{BUCKET}/{unique}"


@pytest.fixture
def store(aws: Aws, address: str) -> Store:
    return open_store(address, connector(aws.connection, attempts=2))


def seal_there(folder: Path, keys: Keys, store: Store) -> Sealed:
    folder.mkdir(parents=True)
    write_run(folder, folder.name)
    return finish_record(folder, seal(folder), keys.signer, store)


def faults_of(store: Store, keys: Keys) -> list[Fault]:
    found = inspect(store, [keys.public.read_text()])
    return examine(found.entries, found.ends, (), found.trusted)


def environment(aws: Aws, **more: str) -> Mapping[str, str]:
    return {**os.environ, "AWS_ENDPOINT_URL": aws.endpoint, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "LABOPERATOR", "AWS_SECRET_ACCESS_KEY": "canary-of-the-test", **more}


def opsbook(aws: Aws, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "opsbook", *arguments], env=environment(aws, **more), capture_output=True,
                          text=True, timeout=120, check=False)


def test_records_are_chained_where_they_are_kept(store: Store, keys: Keys, tmp_path: Path, aws: Aws) -> None:
    with aws.calls() as calls:
        first = seal_there(tmp_path / "one" / "run1", keys, store)
        second = seal_there(tmp_path / "two" / "run2", keys, store)

    assert (first.trouble, second.trouble, second.follows) == ("", "", ("run1",))
    assert store.ids() == ["run1", "run2"]
    assert faults_of(store, keys) == []
    assert {call["purpose"] for call in calls} == {"control"}


def test_what_was_done_to_objects_is_named(store: Store, keys: Keys, tmp_path: Path) -> None:
    for name in ("run1", "run2", "run3"):
        seal_there(tmp_path / name, keys, store)
    store.write("run1/record.html", b"altered")
    store.write("run2/extra", b"added")
    for file in store.files("run3"):
        store.remove(f"run3/{file}")

    assert told(faults_of(store, keys)) == {("run1", "altered"), ("run2", "added"), ("run3", "removed")}


def test_machines_that_seal_at_once_leave_a_whole_chain(store: Store, keys: Keys, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(lambda number: seal_there(tmp_path / f"run{number}", keys, store), range(8)))
    last = seal_there(tmp_path / "last", keys, store)

    assert [one.trouble for one in sealed] == [""] * 8
    assert faults_of(store, keys) == []
    assert set(last.follows) <= {f"run{number}" for number in range(8)}
    assert [link.id for link in inspect(store, []).ends.heads.links] == ["last"]  # type: ignore[union-attr]


def test_an_upload_that_was_cut_off_is_finished_by_the_next(store: Store, keys: Keys, tmp_path: Path) -> None:
    seal_there(tmp_path / "run1", keys, store)
    before = store.read(".chain/heads.json")
    sealed = seal_there(tmp_path / "run2", keys, store)
    # As if it had died before the heads were written.
    store.write(".chain/heads.json", before)
    store.write(f".chain/pending/{sealed.digest}.json", b'{"id": "run2"}')

    assert told(faults_of(store, keys)) == {("run2", "uncertain")}
    assert seal_there(tmp_path / "run3", keys, store).follows == ("run2",)
    assert faults_of(store, keys) == []


def test_a_copy_brings_what_it_follows(store: Store, address: str, keys: Keys, tmp_path: Path, aws: Aws) -> None:
    connect = connector(aws.connection, attempts=2)
    records = tmp_path / "records"
    for name in ("run1", "run2", "run3"):
        run_record(records, name, keys.signer)
    first = copy_record(records / "run2", address, keys.signer, connect)
    rest = copy_record(records / "run3", address, keys.signer, connect)

    assert (first.entries, first.trouble) == (("run1", "run2"), "")
    assert rest.entries == ("run3",)
    assert faults_of(store, keys) == []
    assert store.read("run1/attestation.json") == (records / "run1" / "attestation.json").read_bytes()


def test_what_was_altered_is_not_copied(address: str, store: Store, keys: Keys, tmp_path: Path, aws: Aws) -> None:
    run_record(tmp_path / "records", "run1", keys.signer)
    (tmp_path / "records" / "run1" / "record.html").write_text("altered")
    copied = copy_record(tmp_path / "records" / "run1", address, keys.signer, connector(aws.connection, attempts=2))

    assert "record.html): it is not as it was sealed" in copied.trouble
    assert "attestation.json" not in store.files("run1")


@pytest.mark.parametrize("action", ["PutObject", "GetObject", "ListObjectsV2"])
def test_a_store_that_refuses_is_said_and_the_record_stays_here(
    store: Store, keys: Keys, tmp_path: Path, aws: Aws, action: str
) -> None:
    aws.control("faults", {"seed": 1, "faults": [{"kind": "deny", "service": "s3", "action": action}]})
    try:
        sealed = seal_there(tmp_path / "run1", keys, store)
    finally:
        aws.control("faults", {"seed": 1, "faults": []})

    assert "AccessDenied" in sealed.trouble
    assert (tmp_path / "run1" / "record.json").exists()


def test_a_note_is_added_there(store: Store, keys: Keys, tmp_path: Path) -> None:
    seal_there(tmp_path / "run1", keys, store)

    assert append_note(store, "run1", "ada", "It was the index.", keys.signer) == "run1/notes/0001"
    assert faults_of(store, keys) == []


def test_the_commands_take_an_address(store: Store, address: str, keys: Keys, tmp_path: Path, aws: Aws) -> None:
    seal_there(tmp_path / "run1", keys, store)
    signing = {"OPSBOOK_SIGNING_KEY": f"file:{keys.private}"}
    appended = opsbook(aws, "records", "append", "run1", "--text", "Seen.", "--record-dir", address, **signing)
    verified = opsbook(aws, "verify", "--record-dir", address, **signing)
    listed = opsbook(aws, "records", "--record-dir", address)

    assert (appended.returncode, verified.returncode, listed.returncode) == (0, 0, 0), appended.stderr + verified.stderr
    assert "2 entries: all verified" in verified.stdout
    assert listed.stdout.startswith("run1  checked")


def test_a_key_of_secrets_manager_signs_and_appears_nowhere(aws: Aws, keys: Keys, unique: str, tmp_path: Path) -> None:
    pem = keys.private.read_text()
    aws.client("secretsmanager").create_secret(Name=f"{unique}-key", SecretString=pem)
    signer: Any = signer_from(f"secretsmanager:{unique}-key", {}, connector(aws.connection))
    sealed = run_record(tmp_path / "records", "run1", signer)
    absent = signer_from(f"secretsmanager:{unique}-none", {}, connector(aws.connection))

    assert sealed.keyid == keys.signer.key.keyid
    assert "ResourceNotFoundException" in absent.said
    body = pem.splitlines()[1].encode()
    assert not [path for path in (tmp_path / "records").rglob("*") if path.is_file() and body in path.read_bytes()]
