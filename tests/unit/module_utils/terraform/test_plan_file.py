"""What a saved plan says, with sensitive values masked."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.plan_file import (
    SENSITIVE,
    UNKNOWN,
    mask,
    read_plan,
)


def change(address: str = "r.a", actions: tuple[str, ...] = ("update",), **parts: Any) -> dict[str, Any]:
    item = {name: parts.pop(name) for name in ("mode", "deposed", "previous_address") if name in parts}
    return {"address": address, "mode": "managed", **item,
            "change": {"actions": list(actions), "before": None, "after": None, **parts}}


@pytest.mark.parametrize(
    ("item", "action"),
    [
        pytest.param(change(actions=("create",)), "create", id="create"),
        pytest.param(change(actions=("delete",)), "delete", id="delete"),
        pytest.param(change(actions=("delete", "create")), "replace", id="replace"),
        pytest.param(change(actions=("create", "delete")), "replace", id="replace_created_first"),
        pytest.param(change(actions=("forget",)), "forget", id="forget"),
        pytest.param(change(actions=("no-op",), importing={"id": "sg-1"}), "import", id="import"),
        pytest.param(change(actions=("no-op",), previous_address="r.old"), "move", id="move"),
        pytest.param(change(actions=("no-op",)), None, id="no_change"),
        pytest.param(change(actions=("read",), mode="data"), None, id="reading_is_no_change"),
    ],
)
def test_names_what_happens_to_a_resource(item: dict[str, Any], action: str | None) -> None:
    plan = read_plan({"resource_changes": [item]})

    assert [entry.action for entry in plan.entries] == ([action] if action else [])


def test_an_update_shows_only_what_differs() -> None:
    item = change(before={"port": 80, "cidr": "10.0.0.0/8"}, after={"port": 443, "cidr": "10.0.0.0/8"})

    (entry,) = read_plan({"resource_changes": [item]}).entries

    assert (entry.before, entry.after) == ({"port": 80}, {"port": 443})


def test_a_changed_secret_shows_that_it_changes_and_no_value() -> None:
    item = change(before={"token": "old-secret"}, after={"token": "new-secret"}, before_sensitive={"token": True},
                  after_sensitive={"token": True})

    plan = read_plan({"resource_changes": [item]})

    assert (plan.entries[0].before, plan.entries[0].after) == ({"token": SENSITIVE}, {"token": SENSITIVE})
    assert set(plan.secrets) == {"old-secret", "new-secret"}
    assert "secret" not in repr(plan).replace(SENSITIVE, "")


def test_values_of_sensitive_variables_are_secrets() -> None:
    plan = read_plan({
        "variables": {"token": {"value": "canary-1"}, "size": {"value": "large"}},
        "configuration": {"root_module": {"variables": {"token": {"sensitive": True}, "size": {}}}}})

    assert plan.secrets == ("canary-1",)


@pytest.mark.parametrize(
    ("value", "sensitive", "unknown", "masked"),
    [
        pytest.param({"a": 1}, False, False, {"a": 1}, id="plain"),
        pytest.param({"a": 1}, True, False, SENSITIVE, id="whole"),
        pytest.param({"a": {"b": "s", "c": 2}}, {"a": {"b": True}}, False, {"a": {"b": SENSITIVE, "c": 2}}, id="nested"),
        pytest.param(["x", "y"], [False, True], False, ["x", SENSITIVE], id="in_a_list"),
        pytest.param({"a": 1}, {}, {"id": True}, {"a": 1, "id": UNKNOWN}, id="known_later"),
        pytest.param({"a": None}, {}, {"a": {"id": True}}, {"a": {"id": UNKNOWN}}, id="known_later_inside"),
        pytest.param({"a": 1}, {"a": True}, {"a": True}, {"a": SENSITIVE}, id="sensitive_outweighs_unknown"),
        pytest.param(None, False, {}, None, id="nothing"),
    ],
)
def test_masks(value: Any, sensitive: Any, unknown: Any, masked: Any) -> None:
    assert mask(value, sensitive, unknown) == masked


def test_all_outputs_together_are_one_entry() -> None:
    outputs = {"a": {"actions": ["create"], "before": None, "after": 1}, "b": {"actions": ["no-op"]},
               "c": {"actions": ["update"], "before": "s", "after": "t", "before_sensitive": True, "after_sensitive": True}}

    plan = read_plan({"resource_changes": [change(actions=("no-op",))], "output_changes": outputs})

    assert [(entry.address, entry.before, entry.after) for entry in plan.entries] == [
        ("output values", {"a": None, "c": SENSITIVE}, {"a": 1, "c": SENSITIVE})]
    assert plan.considered == 2


def test_a_left_over_of_a_replacement_has_a_name_of_its_own() -> None:
    plan = read_plan({"resource_changes": [change(actions=("delete",)), change(actions=("delete",), deposed="1f")]})

    assert [entry.resource for entry in plan.entries] == ["terraform:r.a", "terraform:r.a (deposed 1f)"]
