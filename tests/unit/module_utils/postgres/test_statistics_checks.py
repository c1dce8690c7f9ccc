"""What the statistics of a server mean: tables over the pure functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.bloat import Bloat
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.indexes import Index, Indexes
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.replication import (
    Following,
    Replication,
    Slot,
    Standby,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics import wishes_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics_checks import (
    Limits,
    evaluate_statistics,
    limits_of,
    unused,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics_result import describe_statistics
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics_state import (
    Age,
    Bloats,
    Cache,
    Counter,
    Statistics,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.tables import Table, Tables
from tests.support.tables import TABLE

NOW = datetime(2026, 11, 21, tzinfo=UTC)
USUAL = Limits()
WEEKS = Counter("18.6", False, "monitor", "2026-11-21T00:00:00+00:00", "2026-11-01T00:00:00+00:00", 20 * 86400.0)
INDEX = Index(
    oid=1, table_oid=2, schema="public", table="shelf", name="shelf_word", toast=False, method="btree", partitioned=False,
    attached=False, logged=True, rows=10.0, pages=2, fill=90, unique=False, primary=False, constraint="", exclusion=False,
    valid=True, scans=0, definition="CREATE INDEX ...", identity="a", being_built=False,
    maintainable=True, droppable=True, size=16384, locked=False)
STANDBY = Standby(7, "replicator", "standby", "10.0.0.5", "streaming", "async", 0, None)
SLOT = Slot("standby", "physical", None, True, "reserved", 0, None)


def seen(counter: Counter = WEEKS, limit: int = 20, **sections: Any) -> Collected[Statistics]:
    return Collected(Statistics("db:5432/media", counter, limit, **sections), NOW)


def answers(limits: Limits = USUAL, **sections: Any) -> dict[str, bool | None]:
    return {item.check: item.ok for item in evaluate_statistics(seen(**sections), limits)}


def indexes(*members: Index) -> Indexes:
    return Indexes("db:5432/media", "monitor", "", None, (), members)


def test_what_was_not_read_is_not_judged_and_told_as_null() -> None:
    told = describe_statistics(seen())

    assert answers() == {}
    assert {name for name, value in told.items() if value is not None} == {"server"}


@pytest.mark.parametrize(("hits", "reads", "right"), [
    (9_000, 1_000, True), (8_990, 1_010, False), (0, 10_000, False), (0, 0, None), (9_999, 0, None),
])
def test_a_cache_is_judged_once_it_was_asked_often_enough(hits: int, reads: int, right: bool | None) -> None:
    assert answers(cache=Cache(hits, reads)) == {"cache hits": right}


@pytest.mark.parametrize(("live", "dead", "right"), [
    (0, 1000, True), (0, 1001, False), (9_009, 1_001, False), (9_999, 1_001, True), (5, 5, True),
])
def test_a_table_has_too_many_dead_rows_by_number_and_by_part(live: int, dead: int, right: bool) -> None:
    table = replace(TABLE, live=live, dead=dead, frozen_age=2 * 10**9)

    assert answers(tables=Tables("db:5432/media", "monitor", "", (table,))) == {"dead rows": right}


def test_a_table_whose_counts_are_lost_is_not_one_without_dead_rows() -> None:
    lost, worn = replace(TABLE, live=0, analyzed=None), replace(TABLE, name="shelf", dead=9_000)

    def judged(*tables: Table) -> list[tuple[str, bool | None]]:
        found = evaluate_statistics(seen(tables=Tables("db:5432/media", "monitor", "", tables)), USUAL)
        return [(item.resource.rpartition(":")[2], item.ok) for item in found]

    assert judged(lost) == [("public.media_items", None)]
    assert judged(lost, worn) == [("public.shelf", False), ("public.media_items", None)]
    assert judged(lost, TABLE) == [("5432/media", True), ("public.media_items", None)]


@pytest.mark.parametrize(("bloat", "right"), [
    (Bloat("estimate", 100, 30.0), True), (Bloat("pgstattuple", 100, 30.1), False),
    pytest.param(Bloat(None, None, None, "why"), True, id="what_is_not_known_is_in_the_coverage"),
])
def test_bloat_is_held_against_its_part(bloat: Bloat, right: bool) -> None:
    assert answers(bloat=Bloats((("table", "public.shelf", 10**7, bloat),))) == {"bloat": right}


@pytest.mark.parametrize(("transactions", "multixacts", "right"), [
    (2**30, 0, True), (2**30 + 2**22, 0, False), (0, 2**30 + 2**22, False), (10, 10, True),
])
def test_transaction_ids_run_out_by_either_count(transactions: int, multixacts: int, right: bool) -> None:
    ages = (Age("template1", 5, 200_000_000, 5, 400_000_000),
            Age("media", transactions, 200_000_000, multixacts, 400_000_000))
    found = evaluate_statistics(seen(wraparound=ages), USUAL)[0]

    assert found.ok is right
    assert right or found.actual["database"] == "media"


@pytest.mark.parametrize(("change", "idle"), [
    ({}, True), ({"scans": 1}, False), ({"unique": True}, False), ({"constraint": "x"}, False), ({"valid": False}, False),
    ({"partitioned": True}, False), ({"attached": True}, False),
])
def test_an_index_that_serves_nothing_but_queries_is_unused(change: dict[str, Any], idle: bool) -> None:
    assert bool(unused([replace(INDEX, **change)])) is idle


@pytest.mark.parametrize(("counter", "right"), [
    (WEEKS, False), pytest.param(replace(WEEKS, seconds=6 * 86400.0), None, id="counted_too_short"),
    pytest.param(replace(WEEKS, in_recovery=True), None, id="a_standby_knows_its_own_uses_only"),
])
def test_an_index_is_called_unused_after_some_time(counter: Counter, right: bool | None) -> None:
    assert answers(counter=counter, indexes=indexes(INDEX))["unused indexes"] is right
    assert answers(counter=counter, indexes=indexes(replace(INDEX, scans=1)))["unused indexes"] is True


def test_an_index_that_is_being_built_is_not_broken() -> None:
    broken = replace(INDEX, valid=False)

    assert answers(indexes=indexes(broken))["invalid indexes"] is False
    assert answers(indexes=indexes(replace(broken, being_built=True)))["invalid indexes"] is True


def test_duplicates_are_told_with_what_they_waste() -> None:
    state = seen(indexes=indexes(INDEX, replace(INDEX, oid=3, name="twin", scans=9)))

    assert describe_statistics(state)["indexes"]["duplicates"] == [
        {"keep": "public.twin", "others": ["public.shelf_word"], "table": "public.shelf", "wasted_bytes": 16384}]
    assert next(item for item in evaluate_statistics(state, USUAL) if item.check == "duplicate indexes").actual == [
        "public.twin = public.shelf_word"]


def test_lists_are_cut_and_evidence_is_not() -> None:
    many = indexes(*(replace(INDEX, oid=number, name=f"i{number:02}", identity=str(number)) for number in range(30)))
    state = seen(limit=5, indexes=many)

    assert len(describe_statistics(state)["indexes"]["unused"]) == 5
    assert len(evaluate_statistics(state, USUAL)[0].actual) == 30


@pytest.mark.parametrize(("change", "right"), [
    ({}, True), ({"lag_seconds": 30.0}, True), ({"lag_seconds": 30.1}, False), ({"lag_bytes": 134_217_729}, False),
    ({"state": None, "lag_bytes": None}, None),
])
def test_a_standby_may_be_behind_by_time_and_by_bytes(change: dict[str, Any], right: bool | None) -> None:
    assert answers(replication=Replication((replace(STANDBY, **change),), (), None)) == {"replication lag": right}


@pytest.mark.parametrize(("change", "right"), [
    ({}, True), ({"active": False}, False), ({"retained_bytes": 2**30 + 1}, False), ({"wal_status": "lost"}, False),
    ({"wal_status": "extended"}, True), ({"retained_bytes": None}, True),
])
def test_a_slot_is_followed_and_keeps_little(change: dict[str, Any], right: bool) -> None:
    assert answers(replication=Replication((), (replace(SLOT, **change),), None)) == {"replication slot": right}


@pytest.mark.parametrize(("following", "right"), [
    (Following(True, False, 0.0), True), (Following(True, False, 31.0), False), (Following(True, True, 0.0), False),
    (Following(False, False, 5.0), True), (Following(True, False, None), None), (Following(False, True, None), False),
])
def test_a_standby_applies_in_time(following: Following, right: bool | None) -> None:
    assert answers(replication=Replication((), (), following)) == {"replay": right}


def test_no_replication_is_said() -> None:
    (found,) = evaluate_statistics(seen(replication=Replication((), (), None)), USUAL)

    assert (found.actual, found.ok) == ("no standby and no slot: there is none", True)


GIVEN = {
    "minimum_cache_hit_percent": 95.0, "maximum_dead_rows": 500, "maximum_dead_percent": 5.0, "maximum_bloat_percent": 20.0,
    "maximum_wraparound_percent": 40.0, "minimum_statistics_age": "14d", "idle_in_transaction": "90s",
    "oldest_transaction": "2h", "maximum_slot_transactions": 7, "maximum_replication_lag": "1m",
    "maximum_replication_lag_bytes": 8, "maximum_retained_bytes": 9, "minimum_bloat_size": 10}


def test_limits_are_read_as_people_write_them() -> None:
    limits = limits_of(GIVEN)

    assert (limits.dead.rows, limits.dead.percent, limits.statistics_age, limits.lag) == (
        501, 5.0, timedelta(days=14), timedelta(minutes=1))
    assert (limits.sessions.idle_in_transaction, limits.sessions.oldest_transaction) == (
        timedelta(seconds=90), timedelta(hours=2))
    assert (limits.slot_transactions, limits.lag_bytes, limits.retained_bytes) == (7, 8, 9)
    with pytest.raises(Refused, match="soon"):
        limits_of({**GIVEN, "maximum_replication_lag": "soon"})


@pytest.mark.parametrize(("limit", "size"), [(0, 10), (1, -1)])
def test_numbers_that_make_no_sense_are_refused(limit: int, size: int) -> None:
    with pytest.raises(Refused):
        wishes_of({"gather": ["cache"], "limit": limit, "limits": {"minimum_bloat_size": size}})


def test_a_section_is_read_once_however_often_it_is_named() -> None:
    assert wishes_of({"gather": ["cache", "sizes", "cache"], "limit": 1, "limits": GIVEN}).sections == ("cache", "sizes")
