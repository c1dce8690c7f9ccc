"""Which tables are vacuumed and analyzed, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.table_upkeep import (
    UNCOUNTED,
    Need,
    need_of,
    plan_upkeep,
    why_needed,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.tables import (
    Table,
    Tables,
    fits,
    refuse_standby,
)
from tests.support.tables import TABLE

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
CLEAN = TABLE
LOST = replace(TABLE, live=0, analyzed=None)
VACUUM, ANALYZE = Need("vacuum", 1000, 10.0), Need("analyze", 1000, 10.0)


@pytest.mark.parametrize(("table", "reason"), [
    (CLEAN, ""), (replace(CLEAN, dead=1200), "1,200 of 11,200 rows dead (11 %)"), (replace(CLEAN, dead=1000), ""),
    (replace(CLEAN, dead=999, live=0), ""), (replace(CLEAN, dead=1000, live=0), "1,000 of 1,000 rows dead (100 %)"),
    (replace(CLEAN, frozen_age=150_000_000), "its oldest row is 150,000,000 transactions old"),
    (replace(CLEAN, dead=5000, partitioned=True), ""), (replace(CLEAN, changed=9000, analyzed=None), ""),
    (LOST, UNCOUNTED), (replace(LOST, heap=0), ""),
])
def test_a_vacuum_is_needed_for_dead_rows_and_for_old_ones(table: Table, reason: str) -> None:
    assert why_needed(table, VACUUM) == reason


@pytest.mark.parametrize(("table", "reason"), [
    (CLEAN, ""), (replace(CLEAN, changed=1000), "1,000 of 10,000 rows changed (10 %)"), (replace(CLEAN, changed=999), ""),
    (replace(CLEAN, changed=5000, live=100_000), ""),
    (replace(CLEAN, changed=2000, live=0), "2,000 of 0 rows changed (100 %)"),
    (replace(CLEAN, analyzed=None), "never analyzed"), (replace(CLEAN, analyzed=None, live=0, heap=0), ""),
    (replace(CLEAN, analyzed=None, live=0, heap=0, partitioned=True), "never analyzed"), (LOST, UNCOUNTED),
    (replace(CLEAN, changed=5000, partitioned=True), ""), (replace(CLEAN, dead=5000, frozen_age=10**9), ""),
])
def test_statistics_are_needed_for_changed_rows_and_where_there_are_none(table: Table, reason: str) -> None:
    assert why_needed(table, ANALYZE) == reason


@pytest.mark.parametrize(("change", "lost"), [
    ({}, True), ({"recorded": 0.0}, True), ({"heap": 0}, False), ({"vacuumed": "2026-11-20T08:00:00.000000+00:00"}, False),
    ({"analyzed": "2026-11-20T08:00:00.000000+00:00"}, False), ({"live": 10_000}, False),
    # Written since, which is counted: of the rows before nothing is.
    ({"live": 500, "dead": 20}, True), ({"live": 0, "dead": 10_000}, False), ({"live": 5, "recorded": 0.0}, False),
])
def test_counts_are_lost_where_there_were_more_rows_and_nobody_cleaned_up(change: dict[str, Any], lost: bool) -> None:
    assert replace(LOST, **change).uncounted is lost


def test_a_standby_is_refused() -> None:
    refuse_standby("db:5432/media", False, "vacuum tables")
    with pytest.raises(Refused, match="primary"):
        refuse_standby("db:5432/media", True, "vacuum tables")


def test_frozen_rows_can_be_left_out() -> None:
    assert why_needed(replace(CLEAN, frozen_age=2 * 10**9), replace(VACUUM, frozen_age=0)) == ""


def plan(*tables: Table) -> Any:
    state = Tables("db:5432/media", "operator", "2026-11-21T08:00:00.000000+00:00", tables)
    return plan_upkeep(Collected(state, NOW, Coverage()), VACUUM, Limits(protected=("public.legacy*",)))


def test_each_table_is_a_change_or_kept_with_its_reason() -> None:
    worn = replace(CLEAN, dead=5000)
    made = plan(worn, replace(CLEAN, name="clean"), replace(worn, name="foreign", maintainable=False),
                replace(worn, name="legacy_1"))

    assert [change.resource for change in made.changes] == ["postgres-table:db:5432/media:public.media_items"]
    assert made.changes[0].summary == "vacuum public.media_items: 5,000 of 15,000 rows dead (33 %)"
    assert {kept.resource.rpartition(".")[2]: kept.reason for kept in made.kept} == {
        "clean": "no need", "foreign": "the role has no right to it", "legacy_1": "protected"}


def test_counts_that_move_do_not_make_another_plan() -> None:
    assert plan(replace(CLEAN, dead=5000)).digest == plan(replace(CLEAN, dead=5100, heap=9000)).digest


@pytest.mark.parametrize(("wanted", "meant"), [
    ("media_items", True), ("public.media_items", True), ("media_*", True), ("public.*", True), ("*", True),
    ("items", False), ("billing.*", False), ("MEDIA_ITEMS", False),
])
def test_a_table_is_meant_by_name_or_pattern_with_schema_or_without(wanted: str, meant: bool) -> None:
    assert fits("public", "media_items", wanted) is meant


def test_a_name_is_itself_even_if_it_looks_like_a_pattern() -> None:
    assert fits("public", "odd[1]", "odd[1]")


@pytest.mark.parametrize(("rows", "percent"), [(0, 10.0), (1, 101.0), (1, -1.0)])
def test_limits_that_make_no_sense_are_refused(rows: int, percent: float) -> None:
    with pytest.raises(Refused):
        need_of("vacuum", {"minimum_rows": rows, "minimum_percent": percent})
