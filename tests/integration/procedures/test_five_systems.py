"""The weekly maintenance over five systems, each in an account and region of its own: all do theirs, none stops another."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.accounts import HOME, ROLE, SYSTEMS
from tests.support.audit import carried_out, changing
from tests.support.labs import ROOT, Lab
from tests.support.locks import lock_row
from tests.support.procedures import Maintained, faults, maintain, named, titles

# What the maintenance looks at or works on only where a system declares it.
OPTIONAL = {
    "ecs_services", "target_groups", "dynamodb_tables", "rds_instances", "opsbook_postgres", "opsbook_redis",
    "elasticache_clusters", "cloudfront_distributions", "terraform_projects",
}
GUARD = "Check the parameters, the account and the window, and take the run lock"
RETENTION = "logs:PutRetentionPolicy"
BEGINS, COMPLETE, FAILED = (f"Weekly maintenance of {{}} {word}" for word in ("begins", "is complete", "FAILED"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of this file leave their records."""
    return tmp_path_factory.mktemp("five")


@pytest.fixture(scope="module")
def checked(seeded_estate: Lab, place: Path) -> Maintained:
    """A run with --check on the fresh estate."""
    return maintain(seeded_estate, place / "checked", "--check")


@pytest.fixture(scope="module")
def done(seeded_estate: Lab, checked: Maintained, place: Path) -> Maintained:
    """The run after it."""
    return maintain(seeded_estate, place / "done")


@pytest.fixture(scope="module")
def again(seeded_estate: Lab, done: Maintained, place: Path) -> Maintained:
    """A run at once after that."""
    return maintain(seeded_estate, place / "again")


def test_a_check_plans_for_every_system_and_changes_nothing_in_any_account(checked: Maintained) -> None:
    plan = json.loads((checked.folder / "plan.json").read_text())
    assert checked.status == 0, checked.output
    assert {entry["system"] for entry in plan["entries"]} == set(SYSTEMS)
    assert checked.changing(None) == []
    assert [system for system in SYSTEMS if f"  {system} " not in "\n".join(checked.summary)] == []


def test_every_system_is_maintained(seeded_estate: Lab, done: Maintained) -> None:
    assert done.status == 0, done.output
    assert {change["outcome"] for change in done.record["changes"]} == {"done"}
    assert {change["system"] for change in done.record["changes"]} == set(SYSTEMS)
    assert "Weekly maintenance: ended well" in done.output
    assert sorted(titles(seeded_estate)[:10]) == sorted(
        text.format(system) for system in SYSTEMS for text in (BEGINS, COMPLETE))


def test_each_does_what_it_declares_and_says_what_it_does_not(done: Maintained) -> None:
    for system in SYSTEMS:
        declared = yaml.safe_load((ROOT / "inventory" / "lab" / "host_vars" / f"{system}.yml").read_text())
        missing = OPTIONAL - set(declared)
        assert _undeclared(done, system) == missing
        assert set(_not_declared(done, system)) == missing


def test_each_is_called_only_in_its_own_account_and_region_and_by_its_role(seeded_estate: Lab, done: Maintained) -> None:
    accounts = seeded_estate.status["accounts"]
    expected = {(place["account_id"], place["region"], _principal(system)) for system, place in accounts.items()}
    assumed = [call for call in done.calls if named(call) == "sts:AssumeRole"]
    others = [call for call in done.calls if named(call) != "sts:AssumeRole"]
    assert {(call["account"], call["region"], call["principal"].removesuffix("/opsbook")) for call in others} == expected
    assert {call["parameters"]["RoleArn"] for call in assumed} == {
        place["role_arn"] for place in accounts.values() if place["role_arn"]}
    assert {call["principal"] for call in assumed} == {_principal(HOME)}


def test_what_the_record_says_of_a_system_was_changed_in_its_account(seeded_estate: Lab, done: Maintained) -> None:
    for system, place in seeded_estate.status["accounts"].items():
        recorded = {change["resource"].partition(":")[2] for change in done.record["changes"]
                    if change["system"] == system and change["operation"] == "log_group_retention"}
        called = {call["parameters"]["logGroupName"] for call in carried_out(done.calls)
                  if named(call) == RETENTION and call["account"] == place["account_id"]}
        assert recorded
        assert called == recorded


def test_each_has_a_lock_of_its_own_and_gives_it_back(seeded_estate: Lab, done: Maintained) -> None:
    accounts = seeded_estate.status["accounts"]
    at_dynamodb = {call["account"] for call in done.calls if call["purpose"] == "control"}
    assert {guard["system"]: guard["lock"]["fence"] for guard in done.record["guard"]} == dict.fromkeys(SYSTEMS, 1)
    # The media system keeps its lock in its own database.
    assert at_dynamodb == {place["account_id"] for system, place in accounts.items() if system != "media"}
    assert [lock_row(seeded_estate, system)["run"] for system in SYSTEMS if system != "media"] == [""] * 4
    assert list(done.folder.glob(".receipt-*")) == []


def test_run_again_at_once_it_changes_nothing_anywhere(again: Maintained) -> None:
    assert again.status == 0, again.output
    assert changing(again.calls, "work") == []
    assert again.record["changes"] == []
    assert "\n".join(again.summary).count("nothing to change") == len(SYSTEMS)


def test_a_system_that_fails_and_one_that_cannot_be_entered_stop_no_other(estate: Lab, records: Path) -> None:
    accounts = estate.status["accounts"]
    slow = {"kind": "latency", "seconds": 5, "service": "ecs", "action": "DescribeServices", "times": 1}
    denied = {"kind": "deny", "service": "logs", "action": "PutRetentionPolicy"}
    faults(estate, *({**fault, "account": accounts["metering"]["account_id"]} for fault in (slow, denied)))
    estate.client("iam", "reviews").delete_role(RoleName=ROLE)
    run = maintain(estate, records, "--limit", "media,metering,reviews")
    summary = "\n".join(run.summary)

    assert run.status != 0
    # No system waits for a slow one.
    assert _ended(run, "media", "Read the alarms") < _ended(run, "metering", "Read the services")
    assert "Weekly maintenance: FAILED" in summary
    assert _outcomes(run, "media") == {"done"}
    assert _tasks(run, "media", "failed") == []
    assert "media    failed" not in summary
    assert titles(estate).count(COMPLETE.format("media")) == 1

    assert _tasks(run, "metering", "failed") == ["Give every log group a retention policy"]
    assert _outcomes(run, "metering") == {"done", "failed"}
    assert "metering failed: Give every log group a retention policy" in summary
    assert titles(estate).count(FAILED.format("metering")) == 1
    assert lock_row(estate, "metering")["run"] == ""

    assert _tasks(run, "reviews", "failed") == [GUARD]
    assert "reviews  failed: Check the parameters, the account" in summary
    assert accounts["reviews"]["role_arn"] in run.said
    assert [named(call) for call in run.calls if call["account"] == accounts["reviews"]["account_id"]] == []


def _principal(system: str) -> str:
    return "LABOPERATOR" if system == HOME else f"assumed-role/{ROLE}"


def _undeclared(run: Maintained, system: str) -> set[str]:
    return {task["undeclared"] for task in run.record["tasks"] if task["system"] == system and task["undeclared"]}


def _not_declared(run: Maintained, system: str) -> list[str]:
    """What the summary says at the end of a system's lines that it does not declare."""
    first = next(number for number, line in enumerate(run.summary) if line.startswith(f"  {system} "))
    own = [run.summary[first], *itertools.takewhile(lambda line: line.startswith("    "), run.summary[first + 1:])]
    return " ".join(" ".join(own).split()).partition("not declared: ")[2].split(", ")


def _tasks(run: Maintained, system: str, status: str) -> list[str]:
    return [task["task"] for task in run.record["tasks"] if task["system"] == system and task["status"] == status]


def _ended(run: Maintained, system: str, name: str) -> str:
    """When a system's first task of this name ended, as text that sorts by time."""
    return next(str(task["time"]) for task in run.record["tasks"] if (task["system"], task["task"]) == (system, name))


def _outcomes(run: Maintained, system: str) -> set[Any]:
    return {change["outcome"] for change in run.record["changes"] if change["system"] == system}
