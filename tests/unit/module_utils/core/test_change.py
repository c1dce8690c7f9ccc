"""Changes and plans: a digest that two runs over the same state share, and a diff that a person can read."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import (
    Change,
    Kept,
    Plan,
    Undo,
    canonical_json,
    diff_of,
    digest_of,
    no_undo,
    one_step,
)
from tests.support.toys import change


def digest(*changes: Change) -> str:
    return one_step(list(changes), [], len(changes), "switches").digest


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"summary": "other words"}, id="summary"),
        pytest.param({"undo": no_undo("too late")}, id="undo"),
        pytest.param({"handle": {"request": "f81d4fae"}}, id="handle"),
        pytest.param({"before": {"b": [1, 2], "a": None}}, id="order_of_keys"),
        pytest.param({"before": {"a": None, "b": (1, 2)}}, id="tuple_for_list"),
    ],
)
def test_the_digest_leaves_out_what_is_not_the_change(other: dict[str, Any]) -> None:
    one = {"before": {"a": None, "b": [1, 2]}}

    assert digest(change(**one)) == digest(change(**{**one, **other}))


@pytest.mark.parametrize("other", [
    {"resource": "switch:b"}, {"action": "turn_off"}, {"before": "unknown"}, {"after": None}, {"after": "On"},
])
def test_the_digest_covers_every_part_of_the_change(other: dict[str, Any]) -> None:
    assert digest(change()) != digest(change(**other))


def test_the_digest_leaves_out_what_stays_and_how_much_was_looked_at() -> None:
    assert one_step([change()], [Kept("switch:b", "on already")], 2, "switches").digest == digest(change())


@pytest.mark.parametrize(("one", "other"), [
    ("switch:a", "switch:b"), ("switch:2", "switch:10"), ("switch:7", "switch:07"), ("switch:1", "switch:1²"),
])
def test_the_digest_does_not_depend_on_the_order_of_reading(one: str, other: str) -> None:
    a, b = change(one), change(other)

    assert digest(a, b) == digest(b, a)


def test_a_person_finds_changes_in_the_order_of_counting() -> None:
    plan = one_step([change(f"switch:{name}") for name in ("10", "a", "9", "b2", "b10", "b1")], [], 6, "switches")

    assert [planned.resource.partition(":")[2] for planned in plan.changes] == ["9", "10", "a", "b1", "b2", "b10"]


def test_the_digest_depends_on_the_order_of_steps() -> None:
    a, b = change("switch:a"), change("switch:b")

    assert len({Plan(((a,), (b,))).digest, Plan(((b,), (a,))).digest, Plan(((a, b),)).digest}) == 3


def test_a_digest_is_sha256_of_the_canonical_text() -> None:
    assert Plan().digest == hashlib.sha256(b"[]").hexdigest()
    assert digest_of({"b": "é", "a": 1}) == hashlib.sha256(b'{"a":1,"b":"\\u00e9"}').hexdigest()


@pytest.mark.parametrize("value", [
    float("nan"), float("inf"), datetime(2026, 1, 1, tzinfo=UTC), b"bytes", {"set"}, object(),
])
def test_a_value_without_one_text_is_no_part_of_a_plan(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        digest(change(before={"deep": [value]}))


def test_text_that_is_no_unicode_has_a_digest_too() -> None:
    assert canonical_json("\udcff") == '"\\udcff"'
    assert len(digest(change(before="\udcff"))) == 64


def test_the_same_change_given_twice_is_planned_once() -> None:
    plan = one_step([change(), change()], [], 2, "switches")

    assert [planned.resource for planned in plan.changes] == ["switch:a"]
    assert plan.digest == digest(change())


def test_no_change_means_no_step() -> None:
    plan = one_step([], [Kept("switch:a", "on already")], 1, "switches")

    assert (plan.steps, plan.changes, len(plan.kept)) == ((), (), 1)


def test_changes_come_in_the_order_of_steps() -> None:
    plan = Plan(((change("switch:z"),), (change("switch:a"), change("switch:b"))))

    assert [planned.resource for planned in plan.changes] == ["switch:z", "switch:a", "switch:b"]


def test_a_change_cannot_be_altered_after_planning() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        change().after = "off"  # type: ignore[misc]


def test_a_change_is_shown_with_its_undo_and_without_its_handle() -> None:
    assert change(handle={"etag": "x"}).as_dict() == {
        "resource": "switch:a", "action": "turn_on", "before": "off", "after": "on", "summary": "Turn on switch:a",
        "undo": {"module": "ns.col.switch", "arguments": {"on": False}, "reason": ""}}


def test_what_cannot_be_reversed_says_why() -> None:
    assert no_undo("gone for good").as_dict() == {"module": None, "arguments": {}, "reason": "gone for good"}


def test_what_an_undo_shows_can_be_changed_without_changing_the_undo() -> None:
    undo = Undo("ns.col.switch", {"on": False})
    undo.as_dict()["arguments"]["on"] = True

    assert undo.arguments == {"on": False}


@pytest.mark.parametrize(
    ("before", "after", "texts"),
    [
        pytest.param(None, {"a": 1}, ("", '{\n  "a": 1\n}\n'), id="creation"),
        pytest.param({"a": 1}, None, ('{\n  "a": 1\n}\n', ""), id="deletion"),
        pytest.param("Zürich", 3, ('"Zürich"\n', "3\n"), id="plain_values"),
        pytest.param(False, 0, ("false\n", "0\n"), id="false_is_not_nothing"),
        pytest.param({"b": 1, "a": 2}, [], ('{\n  "a": 2,\n  "b": 1\n}\n', "[]\n"), id="sorted_keys"),
    ],
)
def test_a_diff_shows_each_resource_under_its_own_name(before: Any, after: Any, texts: tuple[str, str]) -> None:
    assert diff_of((change(before=before, after=after),)) == [{
        "before_header": "switch:a (turn_on)", "after_header": "switch:a (turn_on)",
        "before": texts[0], "after": texts[1]}]
