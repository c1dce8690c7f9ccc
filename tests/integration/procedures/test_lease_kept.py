"""A run keeps its lock while it only reads, however long that takes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.labs import Lab
from tests.support.locks import lock_row
from tests.support.playbooks import start_playbook
from tests.support.procedures import procedure
from tests.support.waiting import eventually

READ = {"name": "Read the functions", "opsbook.runbooks.lambda_function_info": {
    "function_names": ["tiktok-commerce-report-mailer"]}}
LEASE_SECONDS = 4


@pytest.mark.parametrize("direct", ["true", "false"])
def test_a_reading_task_longer_than_a_lease_keeps_it(lab: Lab, records: Path, tmp_path: Path, direct: str) -> None:
    lab.control("faults", {"faults": [{"service": "lambda", "action": "GetFunctionConfiguration", "kind": "latency",
                                       "seconds": 2.5 * LEASE_SECONDS}]})
    run = start_playbook(lab, procedure(tmp_path, [READ]), "-e", f"opsbook_direct={direct}", records=records)
    try:
        eventually(lambda: bool(lock_row(lab).get("run")))
        taken = lock_row(lab)
        eventually(lambda: time.time() > float(taken["expires"]) + 1, 10)
        kept, read = lock_row(lab), time.time()
    finally:
        output, _none = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert kept["run"] == taken["run"]
    assert float(kept["expires"]) > read - LEASE_SECONDS, "renewed at its half, however late a busy machine comes to it"
    assert float(kept["expires"]) > float(taken["expires"])
    assert not lock_row(lab)["run"]
