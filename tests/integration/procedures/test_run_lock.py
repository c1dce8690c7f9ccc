"""One changing run a system: the second waits and says for whom; a run whose lease is taken changes nothing more."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.audit import carried_out, changing, read_audit
from tests.support.labs import Lab
from tests.support.locks import lock_row
from tests.support.playbooks import start_playbook
from tests.support.procedures import PLAYBOOK, maintain, named, procedure
from tests.support.waiting import eventually

READ = {"name": "Read the functions", "opsbook.runbooks.lambda_function_info": {"function_names": ["tiktok-commerce-*"]}}


def _deploying(lab: Lab) -> bool:
    return "ecs:UpdateService" in [named(call) for call in carried_out(read_audit(lab.folder))]


def test_a_second_run_waits_says_for_whom_and_is_refused_while_the_first_renews(
    lab: Lab, records: Path, tmp_path: Path
) -> None:
    lab.control("ecs/settings", {"task_seconds": 9})
    first = start_playbook(lab, PLAYBOOK, records=records, capture=False)
    try:
        eventually(lambda: _deploying(lab))
        holder = lock_row(lab)
        second = maintain(lab, tmp_path / "second", playbook=procedure(tmp_path, [READ]))
    finally:
        first.kill()
        first.wait()
    assert second.status != 0
    assert f"waiting for the lock: run {holder['run']} ({holder['holder']}) holds it until" in second.said
    assert f"run {holder['run']} of {holder['holder']} holds it and keeps renewing it. Wait for that run" in second.said
    assert "Read the functions" not in second.output

    # The first is dead now: nobody renews its lease, so the next run gets the lock when it ends.
    third = maintain(lab, tmp_path / "third", playbook=procedure(tmp_path, [READ]))
    assert third.status == 0
    assert third.record["guard"][0]["lock"]["fence"] == int(holder["fence"]) + 1


def test_a_run_whose_lease_is_taken_changes_nothing_more(lab: Lab, records: Path) -> None:
    lab.control("ecs/settings", {"task_seconds": 9})
    run = start_playbook(lab, PLAYBOOK, records=records)
    eventually(lambda: _deploying(lab))
    time.sleep(0.3)  # Both services are asked for at the same time; the second answer may be on its way.
    taken = {"system": {"S": "commerce"}, "run": {"S": "another"}, "holder": {"S": "somebody"}, "procedure": {"S": "other"},
             "token_digest": {"S": "theirs"}, "fence": {"N": "99"}, "expires": {"N": str(time.time() + 600)}}
    lab.client("dynamodb").put_item(TableName=lab.status["lock_table"], Item=taken)
    before = len(read_audit(lab.folder))
    output, _none = run.communicate(timeout=60)
    said = " ".join(output.split())
    assert run.returncode != 0
    assert "lease lost" in said
    assert changing(read_audit(lab.folder)[before:], "work") == []
    assert "The run lock of commerce is no longer ours and is left alone" in said
    assert lock_row(lab)["run"] == "another"
