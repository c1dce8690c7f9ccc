"""Which indexes are rebuilt and which are dropped, and why the others stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import Plan
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.sizes import MEBIBYTE
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.bloat import Bloat
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.indexes import Index, Indexes
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.reindex import (
    Judged,
    Rules,
    decide,
    plan_rebuild,
    rules_of,
)
from tests.support.indexes import INDEX, LEFT

BROKEN = replace(INDEX, valid=False)
RULES = Rules(["*"])
WORN = Bloat("estimate", 40 * MEBIBYTE, 40.0)


def judged(*indexes: Index, bloat: Bloat = WORN, named: bool = False) -> Judged:
    keys = [index.key for index in indexes]
    seen = Indexes("db:5432/media", "operator", "2026-11-21T08:00:00.000000+00:00", None, (), indexes)
    return Judged(seen, frozenset(keys[:1] if named else []), dict.fromkeys(keys, bloat))


@pytest.mark.parametrize(("index", "bloat", "action", "reason"), [
    (INDEX, WORN, "rebuild", "40 % of 100.0 MiB wasted (estimate)"),
    (INDEX, Bloat("pgstattuple", 30, 30.0), "rebuild", "30 % of 100.0 MiB wasted (pgstattuple)"),
    (INDEX, Bloat("estimate", 29, 29.9), "", "no need: 29.9 % of 100.0 MiB wasted (estimate)"),
    (INDEX, Bloat(None, None, None, "never analyzed"), "", "its bloat is not known: never analyzed"),
    (replace(INDEX, size=MEBIBYTE), WORN, "", "smaller than minimum_size"),
    (replace(INDEX, method="gin"), WORN, "", "of the method gin"),
    (replace(INDEX, partitioned=True), WORN, "", "no pages of its own"),
    (replace(INDEX, exclusion=True), WORN, "", "exclusion constraint"),
    (replace(INDEX, being_built=True), WORN, "", "a session builds it"),
    (replace(BROKEN, being_built=True), WORN, "", "a session builds it"),
    (replace(INDEX, definition=""), WORN, "", "somebody locks its table against all"),
    (BROKEN, WORN, "drop", "its build failed"),
    (replace(BROKEN, constraint="title_key"), WORN, "", "only a rebuild helps"),
    (replace(BROKEN, attached=True), WORN, "", "only a rebuild helps"),
    (LEFT, WORN, "", "no valid index does the same"),
])
def test_each_index_is_decided_about(index: Index, bloat: Bloat, action: str, reason: str) -> None:
    decision = decide(judged(index, bloat=bloat), index, RULES)
    assert decision.action == action
    assert reason in decision.reason


@pytest.mark.parametrize("index", [INDEX, replace(INDEX, size=8192), replace(INDEX, method="gin"), BROKEN])
def test_what_is_asked_for_by_name_is_rebuilt_whatever_it_is_like(index: Index) -> None:
    assert decide(judged(index, bloat=Bloat(None, None, None), named=True), index, RULES).action == "rebuild"


@pytest.mark.parametrize(("wanted", "broken", "left"), [
    ("drop", "drop", "drop"), ("rebuild", "rebuild", "drop"), ("keep", "", "")])
def test_what_is_not_valid_goes_as_asked_and_what_a_rebuild_left_is_never_rebuilt(
    wanted: str, broken: str, left: str
) -> None:
    rules = replace(RULES, invalid=wanted)
    failed = replace(BROKEN, name="other_idx", identity="(9,403,3)")
    state = judged(INDEX, LEFT, failed)

    assert decide(state, failed, rules).action == broken
    assert decide(state, LEFT, rules).action == left


def plan(*indexes: Index, bloat: Bloat = WORN, protected: Any = ()) -> Plan:
    collected = Collected(judged(*indexes, bloat=bloat), datetime(2026, 11, 21, 8, tzinfo=UTC), Coverage())
    return plan_rebuild(collected, RULES, Limits(protected=protected))


def test_a_change_says_why_how_much_room_it_needs_and_what_would_undo_it() -> None:
    rebuilt, dropped = plan(INDEX, LEFT).changes

    assert rebuilt.summary == ("rebuild public.title_idx: 40 % of 100.0 MiB wasted (estimate); the new one needs up to "
                               "100.0 MiB before the old one goes, and WAL about as much again")
    assert dropped.summary == "drop public.title_idx_ccnew: a rebuild of public.title_idx left it behind"
    assert "CREATE INDEX title_idx ON" in dropped.undo.reason
    assert dropped.undo.module == ""


def test_only_what_was_measured_lowers_the_room_and_what_is_not_logged_needs_no_wal() -> None:
    assert "up to 60.0 MiB before" in plan(INDEX, bloat=replace(WORN, method="pgstattuple")).changes[0].summary
    assert "WAL" not in plan(replace(INDEX, logged=False)).changes[0].summary


@pytest.mark.parametrize(("index", "reason"), [
    (replace(INDEX, maintainable=False), "may not rebuild it"), (replace(BROKEN, droppable=False), "may not drop it"),
    (replace(INDEX, maintainable=False, toast=True), "REINDEX TABLE CONCURRENTLY"),
])
def test_without_the_right_an_index_is_kept_and_the_right_is_named(index: Index, reason: str) -> None:
    made = plan(index)
    assert made.changes == ()
    assert reason in made.kept[0].reason


def test_what_is_protected_is_kept() -> None:
    assert [kept.reason for kept in plan(INDEX, protected=("public.title*",)).kept] == ["protected"]


def test_sizes_that_move_do_not_make_another_plan() -> None:
    assert plan(INDEX).digest == plan(replace(INDEX, size=200 * MEBIBYTE), bloat=Bloat("pgstattuple", 9, 50.0)).digest


@pytest.mark.parametrize(("percent", "size"), [(0.0, 0), (101.0, 0), (30.0, -1)])
def test_limits_that_make_no_sense_are_refused(percent: float, size: int) -> None:
    with pytest.raises(Refused):
        rules_of({"tables": [], "indexes": [], "minimum_bloat_percent": percent, "minimum_size": size, "invalid": "drop"})
