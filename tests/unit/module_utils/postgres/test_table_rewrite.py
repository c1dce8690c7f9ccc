"""Which tables are written anew, what is said beforehand, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.sizes import MEBIBYTE
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.bloat import Bloat
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.table_rewrite import (
    Rewritable,
    Worth,
    plan_rewrite,
    worth_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.tables import Table, Tables
from tests.support.tables import TABLE

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
WORN = TABLE
HALF = Bloat("pgstattuple", 50 * MEBIBYTE, 50.0)
ROOM = 140 * MEBIBYTE


def plan_all(bloats: dict[Table, Bloat], free: int | None = None, wanted: str = "media_items") -> Any:
    tables = Tables("db:5432/media", "operator", "2026-11-21T08:00:00.000000+00:00", tuple(bloats))
    state = Rewritable(tables, {(table.schema, table.name): bloat for table, bloat in bloats.items()}, (wanted,))
    return plan_rewrite(Collected(state, NOW, Coverage()), Worth(30.0, free), Limits(protected=("public.legacy*",)))


def plan(table: Table = WORN, bloat: Bloat = HALF, free: int | None = None, wanted: str = "media_items") -> Any:
    return plan_all({table: bloat}, free, wanted)


def test_locks_room_and_wal_are_said_beforehand() -> None:
    unknown, known = plan().changes[0].summary, plan(free=ROOM).changes[0].summary

    assert unknown == ("write public.media_items anew: 50.0 MiB of 100.0 MiB are wasted (pgstattuple). Needs up to 70.0 MiB "
                       "more, and 70.0 MiB for WAL (what is free is not known); its ACCESS EXCLUSIVE lock keeps readers and "
                       "writers out")
    assert "not known" not in known
    assert "WAL" not in plan(replace(WORN, logged=False)).changes[0].summary


def test_an_estimate_of_what_is_wasted_promises_no_room() -> None:
    made = plan(bloat=replace(HALF, method="estimate"))
    assert "Needs up to 120.0 MiB more, and 120.0 MiB for WAL" in made.changes[0].summary


def test_the_wal_of_all_tables_needs_room() -> None:
    both = {WORN: HALF, replace(WORN, name="other"): HALF}

    with pytest.raises(Refused, match=r"needs up to 210.0 MiB beside what it has, 140.0 MiB of it for WAL"):
        plan_all(both, 210 * MEBIBYTE - 1)
    assert len(plan_all(both, 210 * MEBIBYTE).changes) == 2


@pytest.mark.parametrize(("table", "bloat", "reason"), [
    (WORN, replace(HALF, percent=29.9), "no need: 29.9 % of it are wasted (pgstattuple)"),
    (WORN, Bloat(None, None, None, "never analyzed"), "how much of it is wasted is unknown"),
    (replace(WORN, maintainable=False), HALF, "the role has no right to it"),
    (replace(WORN, partitioned=True), HALF, "it has no rows of its own: name its partitions"),
    (replace(WORN, name="legacy_1"), HALF, "protected"),
])
def test_what_is_left_alone_has_its_reason(table: Table, bloat: Bloat, reason: str) -> None:
    made = plan(table, bloat)
    assert (made.changes, [kept.reason for kept in made.kept]) == ((), [reason])


@pytest.mark.parametrize(("given", "said"), [
    ({"free": ROOM - 1}, "needs up to 140.0 MiB"), ({"wanted": "media_*"}, "patterns do not do"),
    ({"wanted": "*"}, "Name each"),
])
def test_a_pattern_and_too_little_room_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        plan(**given)


def test_a_name_that_looks_like_a_pattern_is_a_name() -> None:
    assert plan(replace(WORN, name="odd[1]"), wanted="odd[1]").changes
    assert plan(free=ROOM).changes
    assert plan(replace(WORN, logged=False), free=ROOM // 2).changes


def test_counts_that_move_do_not_make_another_plan() -> None:
    assert plan().digest == plan(replace(WORN, heap=7), replace(HALF, percent=60.0), 10**12).digest


@pytest.mark.parametrize(("percent", "free"), [(0.0, None), (101.0, None), (30.0, -1)])
def test_bad_numbers_are_refused(percent: float, free: int | None) -> None:
    with pytest.raises(Refused):
        worth_of({"minimum_percent": percent, "free_space": free})
