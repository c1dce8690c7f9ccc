"""Sealing records and finding what was done to them afterwards: real folders, real keys, the real `verify`."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.notes import append_note
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.orphans import seal_interrupted
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record_store import FolderStore
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.sealing import finish_record, signer_from
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.signers import Unsigned
from tests.support.sealed import Keys, faults_of, judged, run_record, told, write_run

FILES = ("attestation.json", "evidence.jsonl", "journal.jsonl", "plan.json", "record.html", "record.json")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def records(tmp_path: Path, keys: Keys) -> Path:
    """Three records, each following the one before."""
    folder = tmp_path / "records"
    for name in ("run1", "run2", "run3"):
        assert run_record(folder, name, keys.signer).trouble == ""
    return folder


def statement(records: Path, name: str) -> dict[str, object]:
    payload = json.loads((records / name / "attestation.json").read_text())["payload"]
    said: dict[str, object] = json.loads(base64.b64decode(payload))
    return said


def heads(records: Path) -> list[str]:
    payload = json.loads((records / ".chain" / "heads.json").read_text())["payload"]
    return [subject["name"] for subject in json.loads(base64.b64decode(payload))["subject"]]


def test_sealed_records_verify(records: Path, keys: Keys) -> None:
    found = judged(records, keys)

    assert (found.status, found.faults) == (0, ())
    assert [seen.id for seen in found.entries] == ["run1", "run2", "run3"]
    assert sorted(path.name for path in (records / "run1").iterdir()) == list(FILES)


def test_an_attestation_is_an_in_toto_statement_in_an_envelope_that_others_can_check(records: Path, keys: Keys) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    envelope = Envelope.from_dict(json.loads((records / "run2" / "attestation.json").read_text()))
    key = SSlibKey.from_crypto(load_pem_public_key(keys.public.read_bytes()))
    said = statement(records, "run2")

    assert envelope.verify([key], 1) == {key.keyid: key}
    assert (said["_type"], envelope.payload_type) == ("https://in-toto.io/Statement/v1", "application/vnd.in-toto+json")
    assert [subject["name"] for subject in said["subject"]] == list(FILES[1:])  # type: ignore[attr-defined,index]
    predicate = said["predicate"]
    assert isinstance(predicate, dict)
    assert [link["id"] for link in predicate["follows"]] == ["run1"]
    assert (predicate["id"], predicate["kind"], predicate["status"], predicate["systems"], predicate["operator"]) == (
        "run2", "procedure", "checked", ["commerce"], "ada")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.31, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("record", ["run1", "run3"])
def test_a_byte_changed_anywhere_is_named(records: Path, keys: Keys, record: str, name: str, place: float) -> None:
    path = records / record / name
    content = bytearray(path.read_bytes())
    offset = int(place * (len(content) - 1))
    content[offset] ^= 0x01
    path.write_bytes(content)
    faults = faults_of(records, keys)

    assert {(fault.entry, fault.kind) for fault in faults if fault.wrong} >= {(record, "altered")}
    assert all(fault.entry == record for fault in faults if fault.wrong)
    assert any(name in fault.what for fault in faults) or {"invalid signature"} & {fault.kind for fault in faults}
    assert judged(records, keys).status == 1


def test_any_single_byte_of_an_attestation_counts_even_by_itself(tmp_path: Path, keys: Keys) -> None:
    run_record(tmp_path / "records", "only", keys.signer)
    path = tmp_path / "records" / "only" / "attestation.json"
    shutil.rmtree(tmp_path / "records" / ".chain")
    content = path.read_bytes()
    for offset in range(0, len(content), 7):
        path.write_bytes(content[:offset] + bytes([content[offset] ^ 0x04]) + content[offset + 1:])
        about = [fault for fault in faults_of(tmp_path / "records", keys) if fault.entry == "only"]
        assert about, f"byte {offset}"


@pytest.mark.parametrize(("damage", "expected"), [
    (lambda records: (records / "run2" / "record.html").unlink(), ("run2", "removed")),
    (lambda records: (records / "run2" / "extra").write_text("x"), ("run2", "added")),
    (lambda records: (records / "run2" / ".hidden").write_text("x"), ("run2", "added")),
    (lambda records: (records / "run2" / "attestation.json").unlink(), ("run2", "removed")),
    (lambda records: shutil.rmtree(records / "run2"), ("run2", "removed")),
    (lambda records: shutil.rmtree(records / "run3"), ("run3", "removed")),
    (lambda records: (records / "run2").rename(records / "run9"), ("run9", "renamed")),
    (lambda records: shutil.copytree(records / "run2", records / "run9"), ("run9", "renamed")),
    (lambda records: (records / ".chain" / "heads.json").unlink(), (".chain/heads.json", "removed")),
    (lambda records: (records / ".chain" / "heads.json").write_text("{}"), (".chain/heads.json", "altered")),
    (lambda records: (records / "run2" / "notes").mkdir() or (records / "run2" / "notes" / "evil.sh").write_text("x"),
     ("run2", "added")),
], ids=["file_removed", "file_added", "hidden_file_added", "attestation_removed", "record_removed_from_the_middle",
        "record_removed_from_the_end", "renamed", "copied", "heads_removed", "heads_emptied", "stranger_among_the_notes"])
def test_what_was_done_to_a_store_is_named(
    records: Path, keys: Keys, damage: Callable[[Path], object], expected: tuple[str, str]
) -> None:
    damage(records)
    found = judged(records, keys)

    assert expected in told(list(found.faults))
    assert {fault.entry for fault in found.faults if fault.wrong} <= {expected[0], "run2", ".chain/heads.json"}
    assert found.status == 1


def test_swapped_records_are_named_both(records: Path, keys: Keys) -> None:
    (records / "run1").rename(records / "aside")
    (records / "run2").rename(records / "run1")
    (records / "aside").rename(records / "run2")

    assert told(faults_of(records, keys)) >= {("run1", "renamed"), ("run2", "renamed")}


def test_a_record_put_back_from_an_earlier_time_is_named(tmp_path: Path, keys: Keys) -> None:
    records = tmp_path / "records"
    run_record(records, "run1", keys.signer)
    shutil.copytree(records, tmp_path / "earlier")
    run_record(records, "run2", keys.signer)
    (records / ".chain" / "heads.json").write_bytes((tmp_path / "earlier" / ".chain" / "heads.json").read_bytes())

    assert ("run2", "altered") in told(faults_of(records, keys))


def test_a_store_put_back_as_a_whole_is_found_by_a_head_that_was_kept_elsewhere(tmp_path: Path, keys: Keys) -> None:
    records = tmp_path / "records"
    run_record(records, "run1", keys.signer)
    shutil.copytree(records, tmp_path / "earlier")
    kept = run_record(records, "run2", keys.signer).digest[:12]

    assert judged(records, keys, heads=(kept,)).status == 0
    assert judged(tmp_path / "earlier", keys).status == 0
    assert told(faults_of(tmp_path / "earlier", keys, heads=(kept,))) == {(f"attestation {kept}", "removed")}


def test_a_record_sealed_anew_with_another_key_is_named(records: Path, keys: Keys, tmp_path: Path) -> None:
    theirs = Keys(tmp_path, "theirs")
    shutil.rmtree(records / "run2")
    run_record(records, "run2", theirs.signer)
    faults = told(faults_of(records, keys))

    assert {("run2", "altered"), ("run2", "unknown key")} <= faults


def test_one_record_is_verified_with_what_follows_and_precedes_it(records: Path, keys: Keys) -> None:
    (records / "run1" / "record.html").write_text("altered")

    assert judged(records, keys, names=("run3",)).status == 0
    assert told(faults_of(records, keys, names=("run1",))) == {("run1", "altered")}
    shutil.rmtree(records / "run2")
    assert told(faults_of(records, keys, names=("run3",))) == {("run2", "removed")}


def test_a_link_or_a_pipe_in_place_of_a_file_is_named_and_never_opened(records: Path, keys: Keys, tmp_path: Path) -> None:
    page = records / "run1" / "record.html"
    page.rename(tmp_path / "page")
    page.symlink_to(tmp_path / "page")
    (records / "run2" / "record.json").unlink()
    os.mkfifo(records / "run2" / "record.json")
    (records / "run3" / "everything").symlink_to("/")
    found = [(fault.entry, fault.kind, fault.what) for fault in faults_of(records, keys)]

    assert ("run1", "altered", "record.html: it is a symbolic link now") in found
    assert ("run2", "altered", "record.json: it is no plain file now") in found
    assert ("run3", "added", "everything: a symbolic link") in found


def test_names_of_files_move_no_cursor(records: Path, keys: Keys, tmp_path: Path) -> None:
    hostile = os.fsdecode(b"\x1b[2J\nrun1  verified \xff")
    (records / "run1" / hostile).write_text("x")
    command = [sys.executable, "-m", "opsbook", "verify", "--record-dir", str(records), "--key", str(keys.public)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert not any(line.startswith("run1  verified") for line in done.stdout.splitlines())


def test_unsigned_records_say_so_and_are_chained_all_the_same(tmp_path: Path) -> None:
    records, nobody = tmp_path / "records", Unsigned("no key was made")
    sealed = [run_record(records, name, nobody) for name in ("run1", "run2")]
    content = json.loads((records / "run2" / "attestation.json").read_text())
    found = judged(records)

    assert (content["unsigned"], "signatures" in content) == ("no key was made", False)
    assert "Not signed: no key was made." in (records / "run2" / "record.html").read_text()
    assert "NOT SIGNED: no key was made" in sealed[1].said
    assert sealed[1].follows == ("run1",)
    assert (found.status, {fault.kind for fault in found.faults}) == (3, {"unsigned"})
    (records / "run1" / "record.json").write_text("{}")
    assert judged(records).status == 1


def test_a_key_that_nobody_vouches_for_is_said(records: Path, tmp_path: Path) -> None:
    found = judged(records, Keys(tmp_path, "theirs"))

    assert found.status == 3
    assert {fault.kind for fault in found.faults} == {"unknown key"}


def test_a_new_key_takes_over_and_both_are_asked_for(records: Path, keys: Keys, tmp_path: Path) -> None:
    new = Keys(tmp_path, "new")
    run_record(records, "run4", new.signer)

    assert judged(records, keys, new).status == 0
    assert judged(records, new).status == 3


def test_heads_that_were_removed_are_found_anew_and_that_is_said_ever_after(records: Path, keys: Keys) -> None:
    shutil.rmtree(records / "run3")
    (records / ".chain" / "heads.json").unlink()
    run_record(records, "run4", keys.signer)
    run_record(records, "run5", keys.signer)
    found = judged(records, keys)

    assert (found.status, told(list(found.faults))) == (3, {(".chain/heads.json", "uncertain")})
    assert [link["id"] for link in statement(records, "run4")["predicate"]["follows"]] == ["run2"]  # type: ignore[index]


def test_heads_that_somebody_forged_are_not_signed_over(records: Path, keys: Keys, tmp_path: Path) -> None:
    path = records / ".chain" / "heads.json"
    content = json.loads(path.read_text())
    content["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    run_record(records, "run4", keys.signer)
    faults = faults_of(records, keys)

    assert [(fault.entry, fault.kind) for fault in faults] == [(".chain/heads.json", "uncertain")]
    assert "signature does not hold" in faults[0].what


def _seal_one(arguments: tuple[Path, str, Path]) -> str:
    records, name, key = arguments
    return run_record(records, name, signer_from(f"file:{key}", {})).trouble


def test_runs_that_end_at_once_leave_a_whole_chain(tmp_path: Path, keys: Keys) -> None:
    records = tmp_path / "records"
    names = [f"run{number:02}" for number in range(24)]
    with ProcessPoolExecutor(6) as pool:
        troubles = list(pool.map(_seal_one, [(records, name, keys.private) for name in names]))
    run_record(records, "last", keys.signer)
    found = judged(records, keys)

    assert troubles == [""] * len(names)
    assert (found.status, found.faults) == (0, ())
    assert len(found.entries) == len(names) + 1
    assert heads(records) == ["last"]


def test_a_store_can_be_verified_while_runs_end(tmp_path: Path, keys: Keys) -> None:
    records = tmp_path / "records"
    run_record(records, "first", keys.signer)
    with ProcessPoolExecutor(3) as pool:
        running = [pool.submit(_seal_one, (records, f"run{number:02}", keys.private)) for number in range(40)]
        wrong = []
        while not all(one.done() for one in running):
            wrong += [fault for fault in faults_of(records, keys) if fault.wrong]

    assert wrong == []
    assert judged(records, keys).status == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident import record_store, sealing
left = int(sys.argv[3])
for name in ("write", "swap", "create", "remove"):
    def counted(self, *given, plain=getattr(record_store.FolderStore, name)):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return plain(self, *given)
    setattr(record_store.FolderStore, name, counted)
sealing.seal_run(Path(sys.argv[1]), sealing.signer_from("file:" + sys.argv[2], {}))
"""


@pytest.mark.parametrize("steps", range(7))
def test_a_death_while_sealing_is_finished_by_the_next_seal(records: Path, keys: Keys, steps: int) -> None:
    folder = records / "run4"
    folder.mkdir()
    write_run(folder, "run4")
    command = [sys.executable, "-c", KILLED, str(folder), str(keys.private), str(steps)]
    killed = subprocess.run(command, check=False, timeout=60)
    if steps < 6:
        assert killed.returncode == -signal.SIGKILL
    assert not any(fault.wrong for fault in faults_of(records, keys))
    sealed = seal_interrupted(records, lambda: keys.signer)
    run_record(records, "run5", keys.signer)
    found = judged(records, keys)

    assert sealed.failed == {}
    assert (found.status, found.faults) == (0, ())
    assert [seen.id for seen in found.entries] == ["run1", "run2", "run3", "run4", "run5"]
    assert heads(records) == ["run5"]
    assert list((records / ".chain" / "pending").iterdir()) == []


def test_a_record_is_sealed_once(records: Path, keys: Keys) -> None:
    before = (records / "run1" / "attestation.json").read_bytes()
    again = finish_record(records / "run1", {"title": "another"}, keys.signer)

    assert (records / "run1" / "attestation.json").read_bytes() == before
    assert again.follows == ()
    assert judged(records, keys).status == 0


def test_a_disk_that_is_full_is_said_and_raises_nothing(tmp_path: Path, keys: Keys) -> None:
    folder = tmp_path / "records" / "run1"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{}")
    (tmp_path / "records" / ".chain").write_text("a file where a folder is to be")
    sealed = finish_record(folder, {}, keys.signer)

    assert sealed.digest == ""
    assert sealed.said.startswith("NOT SEALED: ")


def test_what_people_add_is_an_entry_of_the_chain(records: Path, keys: Keys) -> None:
    store = FolderStore(records)
    first = append_note(store, "run1", "ada", "It was the index.", keys.signer, "a missing index", ["add it"])
    second = append_note(store, "run1", "bob", "Done.", keys.signer)
    found = judged(records, keys)

    assert (first, second) == ("run1/notes/0001", "run1/notes/0002")
    assert (found.status, heads(records)) == (0, [second])
    assert [seen.id for seen in judged(records, keys, names=("run1",)).entries] == ["run1", first, second]


@pytest.mark.parametrize(("damage", "expected"), [
    (lambda notes: (notes / "0001.json").write_text("{}"), ("run1/notes/0001", "altered")),
    (lambda notes: (notes / "0001.json").unlink(), ("run1/notes/0001", "removed")),
    (lambda notes: [path.unlink() for path in notes.glob("0001*")], ("run1/notes/0001", "removed")),
    (lambda notes: [path.unlink() for path in notes.glob("0002*")], ("run1/notes/0002", "removed")),
    (lambda notes: [path.rename(path.with_name(f"0003{path.name[4:]}")) for path in notes.glob("0002*")],
     ("run1/notes/0003", "renamed")),
    (lambda notes: shutil.move(notes, notes.parents[1] / "run2" / "notes"), ("run2/notes/0001", "renamed")),
], ids=["altered", "its_text_removed", "removed", "the_last_removed", "renumbered", "put_to_another_record"])
def test_what_was_done_to_notes_is_named(
    records: Path, keys: Keys, damage: Callable[[Path], object], expected: tuple[str, str]
) -> None:
    for text in ("one", "two"):
        append_note(FolderStore(records), "run1", "ada", text, keys.signer)
    damage(records / "run1" / "notes")
    found = judged(records, keys)

    assert expected in told(list(found.faults))
    assert found.status == 1
