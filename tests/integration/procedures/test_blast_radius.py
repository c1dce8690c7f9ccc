"""How much one run may change is counted over the whole run: a loop does not get around the limit."""

from __future__ import annotations

from pathlib import Path

from tests.support.labs import Lab
from tests.support.procedures import maintain, procedure

FUNCTIONS = ["tiktok-commerce-video-indexer", "tiktok-commerce-link-resolver"]


def test_a_loop_is_refused_when_its_sum_passes_the_limit(lab: Lab, records: Path, tmp_path: Path) -> None:
    # Four versions of the first function are old, and five of the second.
    run = maintain(lab, records, playbook=procedure(tmp_path, [{
        "name": "Delete old versions", "opsbook.runbooks.lambda_version_prune": {
            "function_names": ["{{ item }}"], "max_affected": "6"}, "loop": FUNCTIONS}]))
    deleted = [call for call in run.calls if call["action"] == "DeleteFunction"]
    assert run.status != 0
    assert {call["parameters"]["FunctionName"] for call in deleted} == {FUNCTIONS[0]}
    assert len(deleted) <= 6
    assert "resources would be affected in this run, and max_affected (6) allows" in run.said
    assert "Look at the plan with --check --diff; raise max_affected if it is right" in run.said
    assert [change["outcome"] for change in run.record["changes"]] == ["done"] * len(deleted)


def test_the_same_loop_is_let_through_where_the_limit_holds_it(lab: Lab, records: Path, tmp_path: Path) -> None:
    run = maintain(lab, records, playbook=procedure(tmp_path, [{
        "name": "Delete old versions", "opsbook.runbooks.lambda_version_prune": {
            "function_names": ["{{ item }}"], "max_affected": "20"}, "loop": FUNCTIONS}]))
    assert run.status == 0, run.output
    assert {call["parameters"]["FunctionName"] for call in run.calls if call["action"] == "DeleteFunction"} == set(FUNCTIONS)
