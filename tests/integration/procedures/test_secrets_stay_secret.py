"""No byte that a run leaves behind holds a secret: of the lab, of the run itself, or of what it makes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.audit import read_audit
from tests.support.labs import Lab
from tests.support.playbooks import start_playbook
from tests.support.procedures import PLAYBOOK, faults, files_with, procedure, titles

ROTATED = ("tiktok-commerce/api-keys", "tiktok-commerce/webhook-signing")


WORK = [
    {"name": "Rotate the secrets", "opsbook.runbooks.secret_rotate": {"secrets": list(ROTATED), "wait_timeout": 8}},
    {"name": "Give notice", "opsbook.runbooks.notify": {
        "channels": "{{ notice_channels }}", "title": "Rotated", "body": "All of them.", "severity": "info"}},
]


def _run_to_be_searched(
    lab: Lab, place: Path, *arguments: str, playbook: str | Path = PLAYBOOK, killed_at: Callable[[], object] = lambda: False
) -> tuple[list[str], str]:
    """Run the maintenance with all its traces below `place`; returns the secrets it had and what the terminal showed.

    The lease's tokens are secrets of the run itself: they are read from the receipts while they are there.
    """
    temporary = place / "tmp"
    temporary.mkdir()
    records = place / "records"
    variables = {"TMPDIR": str(temporary), "ANSIBLE_LOCAL_TEMP": str(temporary / "local"),
                 "ANSIBLE_REMOTE_TEMP": str(temporary / "remote")}
    tokens: set[str] = set()
    with (place / "terminal.txt").open("w") as terminal:
        process = start_playbook(lab, playbook, "-vvv", *arguments, records=records, environment=variables, output=terminal)
        while process.poll() is None:
            for receipt in records.glob("*/.receipt-*"):
                try:
                    tokens.add(json.loads(receipt.read_text())["token"])
                except (FileNotFoundError, ValueError):
                    continue  # Just being written or deleted.
            if killed_at():
                process.kill()
                process.wait()
            time.sleep(0.02)
    assert tokens
    return [*lab.canaries, *tokens, *_values(lab)], (place / "terminal.txt").read_text()


def _values(lab: Lab) -> list[str]:
    """The secrets' present values: those that the run made."""
    client = lab.client("secretsmanager")
    documents = [json.loads(client.get_secret_value(SecretId=name)["SecretString"]) for name in ROTATED]
    return [str(value) for document in documents for value in document.values()]


def _leaks(lab: Lab, place: Path, secrets: list[str]) -> dict[str, str]:
    return files_with(secrets, place, lab.folder / "received.jsonl", lab.folder / "audit.jsonl")


def test_a_whole_run_shown_in_all_detail_leaks_nothing(lab: Lab, tmp_path: Path) -> None:
    secrets, output = _run_to_be_searched(lab, tmp_path, "--diff")
    assert "ended well" in output
    assert titles(lab)
    assert _leaks(lab, tmp_path, secrets) == {}


@pytest.mark.parametrize("direct", ["true", "false"], ids=["direct", "ordinary"])
def test_operations_on_secrets_leak_nothing(lab: Lab, tmp_path: Path, direct: str) -> None:
    secrets, output = _run_to_be_searched(
        lab, tmp_path, "--diff", "-e", f"opsbook_direct={direct}", playbook=procedure(tmp_path, WORK))
    assert "ended well" in output
    assert titles(lab)
    assert _leaks(lab, tmp_path, secrets) == {}


@pytest.mark.parametrize("direct", ["true", "false"], ids=["direct", "ordinary"])
def test_operations_that_fail_in_the_middle_leak_nothing(lab: Lab, tmp_path: Path, direct: str) -> None:
    # The answer to the first call is lost, and the read that would tell what became of it is denied.
    faults(lab, {"kind": "drop", "when": "after", "service": "secretsmanager", "action": "RotateSecret"},
           {"kind": "deny", "service": "secretsmanager", "action": "DescribeSecret", "probability": 0.5}, seed=3)
    lab.control("receivers", {"receiver": "slack", "status": 500}, of="web")
    secrets, output = _run_to_be_searched(
        lab, tmp_path, "-e", f"opsbook_direct={direct}", playbook=procedure(tmp_path, WORK))
    assert "FAILED" in output
    assert _leaks(lab, tmp_path, secrets) == {}


def test_a_run_killed_on_the_ordinary_path_leaves_no_secret_but_its_receipt(lab: Lab, tmp_path: Path) -> None:
    lab.control("ecs/settings", {"task_seconds": 9})
    deploy = {"name": "Renew", "opsbook.runbooks.ecs_service_deploy": {
        "cluster": "production-cluster", "services": ["product-service"]}}
    secrets, _output = _run_to_be_searched(
        lab, tmp_path, "-e", "opsbook_direct=false", playbook=procedure(tmp_path, [deploy]),
        killed_at=lambda: "UpdateService" in {call["action"] for call in read_audit(lab.folder)})
    leaks = {path: secret for path, secret in _leaks(lab, tmp_path, secrets).items() if ".receipt-" not in path}
    assert leaks == {}
