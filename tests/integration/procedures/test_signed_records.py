"""Records of procedures stand up: signed, chained, copied, whatever happens to the run or the key."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.labs import ROOT, Lab
from tests.support.playbooks import Finished, run_playbook, start_playbook
from tests.support.procedures import files_with, procedure
from tests.support.waiting import eventually

LOOK = [{"name": "Look", "ansible.builtin.debug": {"msg": "well"}}]
WAIT = [{"name": "Wait", "ansible.builtin.command": {"argv": ["sleep", "60"]}}]


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    return procedure(tmp_path, LOOK, guarded=False)


def look(lab: Lab, playbook: Path, records: Path, **environment: str) -> Finished:
    return run_playbook(lab, playbook, records=records, environment=environment)


def verify(records: Path, lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m opsbook verify` as a person calls it, with the lab's key."""
    environment = {**os.environ, "OPSBOOK_SIGNING_KEY": f"file:{lab.folder}/signing.key"}
    return subprocess.run([sys.executable, "-m", "opsbook", "verify", "--record-dir", str(records), *arguments], cwd=ROOT,
                          env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_each_run_is_signed_and_follows_the_one_before(seeded_lab: Lab, playbook: Path, tmp_path: Path) -> None:
    records = tmp_path / "records"
    runs = [look(seeded_lab, playbook, records) for _run in range(2)]
    verified = verify(records, seeded_lab)
    digests = [run.output.partition("sealed   ")[2][:12] for run in runs]

    assert [run.status for run in runs] == [0, 0]
    assert (verified.returncode, "2 entries: all verified" in verified.stdout) == (0, True), verified.stdout
    assert f"End of the chain: {runs[1].folder.name} {digests[1]}" in verified.stdout
    assert verify(records, seeded_lab, "--head", digests[0], "--head", digests[1]).returncode == 0
    assert "To be signed with key" in (runs[1].folder / "record.html").read_text()
    assert "journal.jsonl" in {path.name for path in runs[1].folder.iterdir()}


def test_a_byte_of_the_journal_and_a_run_that_is_gone_are_named(seeded_lab: Lab, playbook: Path, tmp_path: Path) -> None:
    records = tmp_path / "records"
    first, second = [look(seeded_lab, playbook, records).folder for _run in range(2)]
    with (first / "journal.jsonl").open("r+b") as journal:
        journal.seek(40)
        journal.write(b"#")
    for path in second.iterdir():
        path.unlink()
    second.rmdir()
    verified = verify(records, seeded_lab)

    assert verified.returncode == 1
    assert f"{first.name}  NOT AS IT WAS SEALED" in verified.stdout
    assert "altered: journal.jsonl" in verified.stdout
    assert f"{second.name}  NOT AS IT WAS SEALED\n    removed: all of it" in verified.stdout


def _readable(path: Path) -> str:
    path.chmod(0o644)
    return f"file:{path}"


@pytest.mark.parametrize(("reference", "reason"), [
    (lambda key: "", "no signing key is configured"),
    (lambda key: f"file:{key}.none", "No such file"),
    (_readable, "others than its owner"),
    (lambda key: "env:NO_SUCH_VARIABLE", "not set"),
    (lambda key: key.read_text(), "not env:NAME"),
    (lambda key: "secretsmanager:none", "cannot be used"),
], ids=["none", "no_file", "readable_by_others", "no_variable", "the_key_itself", "no_aws"])
def test_without_a_usable_key_a_run_ends_well_and_says_that_nobody_signed(
    seeded_lab: Lab, playbook: Path, tmp_path: Path, reference: object, reason: str
) -> None:
    key = tmp_path / "signing.key"
    key.write_bytes((seeded_lab.folder / "signing.key").read_bytes())
    key.chmod(0o600)
    run = look(seeded_lab, playbook, tmp_path / "records", OPSBOOK_SIGNING_KEY=reference(key),  # type: ignore[operator]
               AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_ACCESS_KEY_ID="LABOPERATOR", AWS_SECRET_ACCESS_KEY="lab",
               AWS_DEFAULT_REGION="us-east-1")
    sealed = json.loads((run.folder / "attestation.json").read_text())
    verified = verify(tmp_path / "records", seeded_lab)

    assert run.status == 0
    assert "NOT SIGNED" in run.output
    assert reason in sealed["unsigned"]
    assert "Not signed: " in (run.folder / "record.html").read_text()
    assert (verified.returncode, "unsigned: " in verified.stdout) == (3, True)
    assert files_with([key.read_text().splitlines()[1]], tmp_path / "records") == {}
    assert key.read_text().splitlines()[1] not in run.output


def test_a_run_that_was_killed_is_sealed_by_the_next_and_is_part_of_the_chain(
    seeded_lab: Lab, playbook: Path, tmp_path: Path
) -> None:
    records = tmp_path / "records"
    waiting = tmp_path / "waiting"
    waiting.mkdir()
    process = start_playbook(seeded_lab, procedure(waiting, WAIT, guarded=False), records=records, capture=False)
    eventually(lambda: next(records.glob("*/journal.jsonl"), None), 30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [killed] = records.glob("2*")
    after = look(seeded_lab, playbook, records)
    verified = verify(records, seeded_lab)

    assert "An earlier run was interrupted" in after.output
    assert json.loads((killed / "record.json").read_text())["status"] == "interrupted"
    assert (verified.returncode, "2 entries: all verified" in verified.stdout) == (0, True), verified.stdout


def test_records_are_copied_and_one_that_cannot_be_is_copied_by_the_next_run(
    seeded_lab: Lab, playbook: Path, tmp_path: Path
) -> None:
    records = tmp_path / "records"
    store = f"s3://{seeded_lab.status['record_bucket']}/{tmp_path.name}"
    aws = {"OPSBOOK_RECORD_STORE": store, "AWS_ENDPOINT_URL": seeded_lab.status["endpoints"]["aws"],
           "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "LABOPERATOR", "AWS_SECRET_ACCESS_KEY": "lab"}
    refused = look(seeded_lab, playbook, records, **{**aws, "OPSBOOK_RECORD_STORE": "s3://no-such-bucket/x"})
    copied = look(seeded_lab, playbook, records, **aws)
    environment = {**os.environ, **aws, "OPSBOOK_SIGNING_KEY": f"file:{seeded_lab.folder}/signing.key"}
    verified = subprocess.run([sys.executable, "-m", "opsbook", "verify", "--record-dir", store], cwd=ROOT, env=environment,
                              capture_output=True, text=True, timeout=60, check=False)

    assert (refused.status, copied.status) == (0, 0)
    assert "NOT COPIED to s3://no-such-bucket/x" in refused.output
    assert f"copied to {store}" in " ".join(copied.output.split())
    assert (verified.returncode, "2 entries: all verified" in verified.stdout) == (0, True), verified.stdout
