"""When a view is as wanted, and what is done to it otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied, Missing, OperationError, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.view_upkeep import plan_view
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.views import (
    Desired,
    Seen,
    View,
    comment_with,
    desired_view,
    why_other,
)

QUERY, WORDING = "SELECT id FROM shelf", " SELECT shelf.id\n   FROM public.shelf;"
WANTED = Desired("db:5432/media", "public", "shown", QUERY)
GONE = replace(WANTED, definition=None)
MARKED = comment_with("", QUERY, WORDING)
THERE = View(True, "v", WORDING, MARKED, (), (("id", "integer"),), (), True, True)
NOTHING = View(True, makeable=True)


@pytest.mark.parametrize(("view", "desired", "why"), [
    (THERE, WANTED, ""), (NOTHING, GONE, ""), (View(False), GONE, ""), (NOTHING, WANTED, "there is none"),
    (THERE, GONE, "not wanted"), (THERE, replace(WANTED, definition="SELECT 1"), "another definition is wanted"),
    (replace(THERE, wording="SELECT 1;"), WANTED, "it was changed since"),
    (replace(THERE, comment="Ann's"), WANTED, "nothing tells which definition it was made of"),
    pytest.param(replace(THERE, comment=f"See {MARKED}"), WANTED, "nothing tells which definition it was made of",
                 id="a_mark_is_a_line_of_its_own"),
])
def test_a_view_is_as_wanted_while_both_digests_are_right(view: View, desired: Desired, why: str) -> None:
    assert why_other(view, desired) == why


@pytest.mark.parametrize("others", ["", "Ann's", "Ann's\n\nand Ben's"])
def test_a_comment_keeps_others_lines_and_one_mark(others: str) -> None:
    first = comment_with(others, QUERY, WORDING)
    second = comment_with(first, "SELECT 2", "SELECT 2;")

    assert first.startswith(others)
    assert second == comment_with(others, "SELECT 2", "SELECT 2;")
    assert comment_with(second, QUERY, WORDING) == first


def plan(view: View, desired: Desired = WANTED, new: Any = None) -> Any:
    collected = Collected(Seen(view, new), datetime(2026, 11, 21, tzinfo=UTC))
    return plan_view(collected, desired, Limits(protected=("public.kept",)))


@pytest.mark.parametrize(("view", "desired", "action", "undo"), [
    (NOTHING, WANTED, "create", {"state": "absent"}),
    (replace(THERE, comment=""), WANTED, "replace", {"definition": WORDING.strip().rstrip(";")}),
    (THERE, GONE, "drop", {"definition": WORDING.strip().rstrip(";")}),
])
def test_each_change_is_undone_by_the_same_module(
    view: View, desired: Desired, action: str, undo: dict[str, Any]
) -> None:
    (change,) = plan(view, desired, (("id", "integer"), ("more", "text"))).changes

    assert change.action == action
    assert change.undo.module == "opsbook.runbooks.postgres_view"
    assert change.undo.arguments == {"schema": "public", "name": "shown", **undo}
    assert change.resource == "postgres-view:db:5432/media:public.shown"


def test_what_is_as_wanted_is_left_alone() -> None:
    assert plan(THERE).changes == plan(NOTHING, GONE).changes == ()


@pytest.mark.parametrize(("view", "desired", "kind", "said"), [
    (replace(THERE, kind="r"), WANTED, Refused, "a table has this name"),
    (replace(THERE, kind="r"), GONE, Refused, "a table has this name"),
    (replace(THERE, dependents=("view public.above",)), GONE, Refused, "used by view public.above"),
    (replace(THERE, droppable=False), GONE, Denied, "owns neither"),
    (replace(NOTHING, makeable=False), WANTED, Denied, "CREATE"),
    (View(False), WANTED, Missing, "no schema public"),
    (NOTHING, replace(WANTED, name="kept"), Refused, "protected"),
])
def test_what_is_unsafe_or_impossible_is_refused(
    view: View, desired: Desired, kind: type[OperationError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        plan(view, desired, (("id", "integer"),))


@pytest.mark.parametrize(("new", "fits"), [
    ((("id", "integer"),), True), ((("id", "integer"), ("more", "text")), True), ((), False),
    ((("more", "text"), ("id", "integer")), False), ((("id", "bigint"),), False), ((("Id", "integer"),), False),
])
def test_columns_are_only_added_at_the_end(new: Any, fits: bool) -> None:
    old = replace(THERE, comment="")
    if fits:
        assert plan(old, new=new).changes
    else:
        with pytest.raises(Refused, match="id integer"):
            plan(old, new=new)


@pytest.mark.parametrize(("definition", "good"), [
    ("SELECT 1", True), (" \n( select 1 )", True), ("/* why */ WITH x AS (SELECT 1) TABLE x", True), ("VALUES (';')", True),
    ("SELECT 1;", False), ("selection", False), ("\"SELECT\" 1", False), ("DELETE FROM x", False), ("", False),
    (None, False),
])
def test_a_definition_is_one_query(definition: str | None, good: bool) -> None:
    given = {"schema": "public", "name": "shown", "state": "present", "definition": definition}
    if good:
        assert desired_view("db:5432/media", given).definition == str(definition).strip()
    else:
        with pytest.raises(Refused):
            desired_view("db:5432/media", given)


def test_a_name_that_postgres_would_cut_is_refused() -> None:
    with pytest.raises(Refused, match="63 bytes"):
        desired_view("db:5432/media", {"schema": "public", "name": "ä" * 32, "state": "absent"})
