"""Which old rows and partitions go, how large a batch is, and in which order a table is gone through."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention_plan import plan_retention
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention_rules import (
    Brakes,
    Load,
    Retention,
    Rule,
    first_size,
    next_size,
    retention_of,
    too_much,
    walk_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention_tables import (
    ATTACHED,
    DETACHED,
    PENDING,
    ROWS,
    Left,
    Part,
    Target,
    Targets,
)

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
RULE = Rule("events", "at", "90d", timedelta(days=90))
PART = Part(1, "public", "events", "public.events", ROWS, key=("id",), rows=1000, old=300, size=8192)
TARGET = Target(RULE, "public", "events", "public.events", "timestamp with time zone", "2026-08-23T08:00:00.000000+00:00",
                False, (), (), (), (PART,))
OPTIONS: dict[str, Any] = {
    "rules": [{"table": "events", "column": "at", "older_than": "90d", "key": None}], "batch_size": 5000,
    "maximum_replication_lag": "30s", "maximum_waiting": 0, "maximum_active": None, "maximum_percent": 50.0,
    "maximum_replication_lag_bytes": 134_217_728, "maximum_retained_bytes": 1_073_741_824, "cascade": False}
BRAKES = Brakes()
MIB = 1024 * 1024


def plan(*targets: Target, protected: tuple[str, ...] = (), maximum_percent: float = 100.0) -> Any:
    state = Collected(Targets("db:5432/media", targets), NOW, Coverage())
    return plan_retention(state, Retention((), maximum_percent=maximum_percent), Limits(protected=protected))


def of(*parts: Part, **other: Any) -> Target:
    return replace(TARGET, parts=parts, **other)


@pytest.mark.parametrize(("size", "seconds", "waiting", "then"), [
    (500, 0.1, 0, 1000), (4000, 0.1, 0, 5000), (5000, 0.1, 0, 5000), (1000, 0.5, 0, 1000), (1000, 1.0, 0, 1000),
    (1000, 1.1, 0, 500), (150, 3.0, 0, 100), (100, 30.0, 0, 100), (1000, 0.1, 1, 500), (1000, 0.7, 3, 500),
])
def test_a_batch_grows_while_it_is_quick_and_shrinks_when_it_is_slow_or_waited_for(
    size: int, seconds: float, waiting: int, then: int
) -> None:
    assert next_size(size, seconds, waiting, BRAKES) == then


def test_a_small_batch_size_bounds_all_of_them() -> None:
    small = Brakes(rows=20)
    assert (first_size(small), next_size(20, 0.1, 0, small), next_size(20, 9.0, 0, small)) == (20, 20, 20)
    assert next_size(1000, 0.1, 2, Brakes(waiting=2)) == 2000


@pytest.mark.parametrize(("load", "brakes", "why"), [
    (Load(29.0, 99), BRAKES, ""), (Load(31.0, 0), BRAKES, "a standby is 31 s behind, and 30 s are allowed"),
    (Load(9e9, 0), Brakes(lag=0), ""), (Load(0.0, 5), Brakes(active=5), ""),
    (Load(0.0, 6), Brakes(active=5), "6 sessions are at work, and 5 are allowed"),
    (Load(0.0, 0, silent=29.0), BRAKES, ""), (Load(0.0, 0, silent=31.0), Brakes(lag=0), ""),
    (Load(0.0, 0, silent=31.0), BRAKES, "a standby has said nothing for 31 s, and 30 s are allowed"),
    (Load(0.0, 0, behind=128 * MIB), BRAKES, ""), (Load(0.0, 0, behind=999 * MIB), Brakes(behind=0), ""),
    (Load(0.0, 0, behind=129 * MIB), Brakes(lag=0), "a standby is 129.0 MiB behind, and 128.0 MiB are allowed"),
    (Load(0.0, 0, slot="gone", retained=1024 * MIB), BRAKES, ""),
    (Load(0.0, 0, slot="gone", retained=2048 * MIB), Brakes(retained=0), ""),
    (Load(0.0, 0, slot="gone", retained=2048 * MIB), BRAKES, "the replication slot gone, which nobody is connected to, "
     "keeps 2,048 MiB of WAL, and 1,024 MiB are allowed"),
])
def test_no_batch_begins_while_the_server_works_too_hard(load: Load, brakes: Brakes, why: str) -> None:
    assert too_much(load, brakes) == why


@pytest.mark.parametrize(("indexes", "wanted", "by_column", "key"), [
    ([(True, True, ("id",))], (), False, ("id",)), ([(True, True, ("id",)), (False, False, ("at",))], (), True, ("id",)),
    ([(True, True, ("id",)), (False, False, ("at", "kind"))], (), True, ("id",)),
    ([(True, True, ("id",)), (False, False, ("kind", "at"))], (), False, ("id",)),
    ([(True, True, ("id", "at"))], (), False, ("id", "at")), ([(True, True, ("at", "id"))], (), True, ("at", "id")),
    ([(False, True, ("number",))], (), False, ()), ([], (), False, ()), ([(False, False, ("at",))], (), True, ()),
    ([(True, True, ("id",)), (False, True, ("number",))], ("number",), False, ("number",)),
    ([(False, True, ("a", "b"))], ("b", "a"), False, ("a", "b")),
    ([(False, False, ("number",))], ("number",), False, ()), ([(True, True, ("id",))], ("at",), False, ()),
])
def test_a_table_is_gone_through_by_the_column_where_an_index_leads_with_it_else_by_its_key(
    indexes: Any, wanted: Any, by_column: bool, key: tuple[str, ...]
) -> None:
    assert walk_of(indexes, "at", wanted) == (by_column, key)


def test_each_part_is_a_change_or_kept_with_its_reason() -> None:
    made = plan(
        of(PART, triggers=("audit",), cascades=("public.notes",)),
        of(replace(PART, name="fresh", old=0)), of(replace(PART, name="barred", obstacle="no right")),
        of(replace(PART, name="legacy_1")), of(replace(PART, name="unseen", rows=None, old=None, obstacle="took too long")),
        protected=("public.legacy*",))

    assert [change.summary for change in made.changes] == [
        "delete 300 of 1,000 rows of public.events, older than 90d; fires audit; deletes or changes rows of public.notes"]
    assert made.changes[0].before == {"rows": "at older than 90d"}
    assert made.changes[0].undo.module == ""
    assert {kept.resource.rpartition(".")[2]: kept.reason for kept in made.kept} == {
        "fresh": "no row is older than 90d", "barred": "no right", "legacy_1": "protected", "unseen": "took too long"}
    assert made.considered == 5


def test_partitions_past_their_time_are_dropped_whole_also_empty_ones() -> None:
    old = replace(PART, name="y2020", fate=ATTACHED, rows=9, old=9)
    made = plan(of(old, replace(old, name="y2021", rows=0, old=0), replace(old, name="y2019", fate=PENDING),
                   replace(old, name="y2018", fate=DETACHED), replace(PART, name="rest", rows=2000),
                   locks=True, triggers=("audit",)))

    assert [(change.resource.rpartition(".")[2], change.action) for change in made.changes] == [
        ("y2020", "drop_partition"), ("y2021", "drop_partition"), ("y2019", "drop_partition"), ("y2018", "drop_partition"),
        ("rest", "delete")]
    assert made.changes[0].before == {"partition_of": "public.events", "rows": "at older than 90d"}
    assert made.changes[0].summary == (
        "drop public.y2020, a partition of public.events with 9 rows, all older than 90d; locks public.events against all "
        "for a moment; does not fire audit")
    assert made.changes[3].summary == "drop public.y2018 with 9 rows, which an earlier run detached from public.events"


def test_what_was_detached_by_another_rule_or_is_left_alone_is_kept_and_said() -> None:
    made = plan(of(replace(PART, name="y2018", fate=DETACHED, rows=9, old=8),
                   left=(Left("archive.y2017", "somebody has altered it"),)))

    assert made.changes == ()
    assert {kept.resource.rpartition("/")[2]: kept.reason for kept in made.kept} == {
        "media:archive.y2017": "somebody has altered it",
        "media:public.y2018": "an earlier run detached it from public.events, and rows of it are not older than 90d: attach "
                              "it again, or drop it"}


def test_changes_are_in_the_order_of_the_rules() -> None:
    made = plan(of(replace(PART, name="b")), of(replace(PART, name="a")))
    assert [change.resource.rpartition(".")[2] for change in made.changes] == ["b", "a"]


def test_counts_and_moments_that_move_do_not_make_another_plan() -> None:
    later = replace(TARGET, cutoff="2026-08-24T08:00:00.000000+00:00", parts=(replace(PART, old=301, size=9000),))
    assert plan(TARGET).digest == plan(later).digest


HALF = replace(PART, name="y2020", fate=ATTACHED, rows=500, old=500)


@pytest.mark.parametrize(("parts", "percent", "planned"), [
    ((PART,), 30.0, 1), ((PART,), 29.9, None), ((replace(PART, old=1000),), 100.0, 1), ((PART,), 0.0, None),
    ((replace(PART, old=0),), 0.0, 0), ((PART, replace(PART, name="rest", old=0)), 15.0, 1), ((PART, HALF), 50.0, None),
    ((PART, HALF), 54.0, 2), ((PART, replace(HALF, fate=DETACHED)), 50.0, None),
    ((PART, replace(HALF, fate=DETACHED)), 54.0, 2), ((PART, replace(HALF, fate=DETACHED, old=499)), 20.0, 1),
    ((replace(PART, obstacle="no right"),), 0.0, 0),
])
def test_a_rule_that_would_delete_too_much_of_a_table_is_refused(
    parts: tuple[Part, ...], percent: float, planned: int | None
) -> None:
    if planned is None:
        with pytest.raises(Refused, match=r"public.events: .* of .* rows"):
            plan(of(*parts), maximum_percent=percent)
    else:
        assert len(plan(of(*parts), maximum_percent=percent).changes) == planned


@pytest.mark.parametrize("wrong", [
    {"batch_size": 0}, {"maximum_waiting": -1}, {"maximum_active": 0}, {"maximum_percent": 101.0}, {"maximum_percent": -1.0},
    {"maximum_replication_lag_bytes": -1}, {"maximum_retained_bytes": -1},
    {"maximum_replication_lag": "soon"},
    *({"rules": [{"table": "events", "column": "at", "older_than": age}]} for age in ("23h", "90", "0d", "three days")),
])
def test_rules_and_limits_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        retention_of({**OPTIONS, **wrong})


def test_rules_are_read_from_the_options() -> None:
    read = retention_of({**OPTIONS, "maximum_active": 20, "cascade": True, "maximum_retained_bytes": 7})
    assert read == Retention((RULE,), Brakes(5000, 30.0, 0, 20, 128 * MIB, 7), 50.0, True)
