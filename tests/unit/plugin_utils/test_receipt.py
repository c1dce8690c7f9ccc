"""The guard's receipt, and the option `guard` that a changing module gets from it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import digest_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.permit import process_started
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident import journal
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.journal import Journal
from ansible_collections.opsbook.runbooks.plugins.plugin_utils import receipt
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.events import task_events
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.receipt import (
    Receipt,
    delete_receipt,
    delete_receipts,
    guard_option,
    load_receipt,
    lock_store,
    system_of,
)

RECEIPT = Receipt("r1", "commerce", "canary-token")
VARS: dict[str, Any] = {
    "inventory_hostname": "commerce", "opsbook_require_guard": True, "opsbook_lock": {"table": "locks", "lease_seconds": 3},
    "opsbook_aws": {"region": "eu-central-1", "endpoint_url": "http://127.0.0.1", "validate_certs": False, "profile": ""}}

GuardOption = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The record folder of a run that is under way."""
    run = tmp_path / "r1"
    run.mkdir()
    monkeypatch.setattr(journal, "active", Journal(str(run / "journal.jsonl"), "r1"))
    return run


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command line gives with -e."""
    extra: dict[str, Any] = {}
    monkeypatch.setattr(receipt, "extra_vars", lambda: extra)
    return extra


@pytest.fixture
def option(given: dict[str, Any]) -> GuardOption:
    """The option `guard` of a task."""

    def make(variables: dict[str, Any] | None = None, timeout: int = 0, label: str = "") -> dict[str, Any]:
        found = {**VARS, **(variables or {})}
        task = SimpleNamespace(
            action="opsbook.runbooks.secret_rotate", timeout=timeout, name="Rotate the secrets",
            loop_control=SimpleNamespace(label=trust_as_template(label)) if label else None)
        return guard_option(task, found, Templar(loader=DataLoader(), variables=found))

    return make


def test_a_receipt_comes_back(folder: Path) -> None:
    RECEIPT.save()

    assert load_receipt("commerce") == RECEIPT


def test_a_receipt_is_its_owners_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        RECEIPT.save()
    finally:
        os.umask(before)
    files = [path for path in folder.iterdir() if "receipt" in path.name]

    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]


def test_a_newer_receipt_replaces_the_older(folder: Path) -> None:
    Receipt("r1", "commerce", "x" * 500).save()
    RECEIPT.save()

    assert load_receipt("commerce") == RECEIPT


def test_systems_have_receipts_of_their_own(folder: Path) -> None:
    RECEIPT.save()

    assert load_receipt("media") is None
    delete_receipt("media")
    assert load_receipt("commerce") == RECEIPT


def test_a_deleted_receipt_is_gone(folder: Path) -> None:
    RECEIPT.save()
    delete_receipt("commerce")
    delete_receipt("commerce")

    assert load_receipt("commerce") is None
    assert list(folder.iterdir()) == []


def test_a_systems_name_leads_nowhere_else(folder: Path) -> None:
    Receipt("r1", "../../commerce", "t").save()

    assert [path.parent for path in folder.parent.rglob(".receipt*")] == [folder]
    assert load_receipt("../../commerce") is not None


@pytest.mark.parametrize("content", [
    "", "{", "[]", "null", "{}", '{"run": "r1"}', '{"run": "r1", "system": "s", "token": "t", "more": 1}'])
def test_a_damaged_receipt_is_refused(folder: Path, content: str) -> None:
    RECEIPT.save()
    next(folder.iterdir()).write_text(content)

    with pytest.raises(Refused, match="damaged"):
        load_receipt("commerce")


def test_without_a_journal_there_is_no_receipt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RECEIPT.save()
    monkeypatch.setattr(journal, "active", None)
    monkeypatch.chdir(folder)

    with pytest.raises(Refused, match="keeps no journal"):
        RECEIPT.save()
    assert load_receipt("commerce") is None
    delete_receipt("commerce")


def test_the_option_carries_the_receipt_the_lock_and_the_run(folder: Path, option: GuardOption) -> None:
    RECEIPT.save()

    assert option(timeout=90) == {
        "system": "commerce", "required": True, "operation": "secret_rotate", "task": "Rotate the secrets", "item": "",
        "launcher": os.getpid(), "launcher_started": process_started(os.getpid()), "task_timeout": 90.0,
        "journal": str(folder / "journal.jsonl"), "run": "r1", "token": "canary-token", "without_lock": "",
        "store": {"table": "locks", "lease_seconds": 3.0, "region": "eu-central-1", "endpoint_url": "http://127.0.0.1",
                  "validate_certs": False}}


def test_the_launcher_is_who_opened_the_journal(folder: Path, option: GuardOption) -> None:
    """A worker whose launcher died is somebody else's child by now; it must not take that one for its launcher."""
    reader, writer = os.pipe()
    if not os.fork():
        os.write(writer, str(option()["launcher"]).encode())
        os._exit(0)
    os.wait()

    assert int(os.read(reader, 20)) == os.getpid()


def test_all_receipts_of_a_run_that_ended_are_gone(folder: Path) -> None:
    RECEIPT.save()
    Receipt("r1", "media", "t").save()
    (folder / "record.json").touch()
    delete_receipts(folder)

    assert [path.name for path in folder.iterdir()] == ["record.json"]


def test_without_a_receipt_the_option_has_no_token(folder: Path, option: GuardOption) -> None:
    made = option()

    assert made["required"] is True
    assert not {"token", "store", "run"} & set(made)


@pytest.mark.parametrize(("value", "required"), [
    (True, True), ("yes", True), ("true", True), (1, True), (False, False), ("false", False), ("no", False),
    (trust_as_template("{{ 1 == 1 }}"), True), (trust_as_template("{{ opsbook_environment == 'production' }}"), True),
])
def test_the_inventory_says_whether_the_guard_is_required(
    folder: Path, option: GuardOption, value: Any, required: bool
) -> None:
    assert option({"opsbook_require_guard": value, "opsbook_environment": "production"})["required"] is required


def test_a_word_that_is_neither_yes_nor_no_does_not_switch_the_guard_off(folder: Path, option: GuardOption) -> None:
    assert option({"opsbook_require_guard": "always"})["required"] is True


@pytest.mark.parametrize("name", [
    "opsbook_require_guard", "opsbook_lock", "opsbook_aws", "opsbook_environment", "system",
])
def test_the_command_line_cannot_say_what_only_the_inventory_may(
    folder: Path, option: GuardOption, given: dict[str, Any], name: str
) -> None:
    given[name] = "x"

    with pytest.raises(Refused, match=name):
        option()


def test_a_forged_fact_is_no_receipt(folder: Path, option: GuardOption) -> None:
    made = option({"guard": {"token": "mallory"}, "opsbook_receipt": {"token": "mallory"}, "token": "mallory"})

    assert "mallory" not in json.dumps(made)


def test_a_machine_belongs_to_its_system(folder: Path, option: GuardOption) -> None:
    Receipt("r1", "media", "t").save()

    assert option({"inventory_hostname": "encoder-1", "system": "media"})["token"] == "t"
    assert system_of({"inventory_hostname": "commerce"}) == "commerce"


def test_what_was_approved_for_the_task_is_part_of_the_option(
    folder: Path, option: GuardOption, given: dict[str, Any], tmp_path: Path
) -> None:
    change = {"resource": "secret:db", "action": "rotate", "before": None, "after": None}
    entries = [{"system": "commerce", "task": "Rotate the secrets", "item": "", "changes": [change]}]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"entries": entries, "digest": digest_of(entries)}))
    given["approved_plan"] = str(path)

    assert option()["approved_plan"] == {"changes": [change]}
    assert option({"item": "other"})["approved_plan"] == {"changes": []}


def test_without_an_approval_nothing_is_compared(folder: Path, option: GuardOption) -> None:
    assert "approved_plan" not in option()


@pytest.mark.parametrize(
    ("item", "label"),
    [
        ("x", ""), (7, ""), ({"name": "x"}, ""), ("x" * 500, ""), ({"name": "x", "password": "canary"}, "{{ item.name }}"),
    ],
)
def test_an_item_has_the_same_name_before_and_after_its_task(
    folder: Path, option: GuardOption, item: Any, label: str
) -> None:
    """An approval is looked up under the name that the check's journal gave: the label, which may leave a secret out."""
    shown = "x" if label else item
    result = {"results": [{"ansible_loop_var": "item", "item": item, "_ansible_item_label": shown}]}
    made = option({"item": item, "ansible_loop_var": "item"}, label=label)

    assert made["item"] == next(task_events("ok", result))["item"]
    assert "canary" not in made["item"]


@pytest.mark.parametrize("lock", [None, {}])
def test_a_system_may_have_no_lock(lock: Any) -> None:
    assert lock_store({"opsbook_lock": lock}, Templar(loader=DataLoader())) is None


def test_a_lease_lasts_a_minute_unless_the_inventory_says_otherwise() -> None:
    assert lock_store({"opsbook_lock": {"table": "locks"}}, Templar(loader=DataLoader())) == {
        "table": "locks", "lease_seconds": 60.0}
