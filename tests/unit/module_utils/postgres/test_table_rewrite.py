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

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
WORN = Table("public", "media_items", False, 100 * MEBIBYTE, 10_000, 0, 0, None, None, 100, True)
HALF = Bloat("pgstattuple", 50 * MEBIBYTE, 50.0)
KEY = ("public", "media_items")


def plan(table: Table = WORN, bloat: Bloat = HALF, free: int | None = None, wanted: str = "media_items") -> Any:
    key = (table.schema, table.name)
    tables = Tables("db:5432/media", "operator", "2026-11-21T08:00:00.000000+00:00", (table,))
    state = Rewritable(tables, {key: bloat}, {key: 120 * MEBIBYTE}, (wanted,))
    return plan_rewrite(Collected(state, NOW, Coverage()), Worth(30.0, free), Limits(protected=("public.legacy*",)))


def test_locks_and_room_are_said_beforehand() -> None:
    unknown, known = plan().changes[0].summary, plan(free=100 * MEBIBYTE).changes[0].summary

    assert unknown == ("write public.media_items anew: 50.0 MiB of 100.0 MiB are wasted (pgstattuple). Needs up to "
                       "70.0 MiB more (what is free is not known); its ACCESS EXCLUSIVE lock keeps readers and writers out")
    assert "not known" not in known


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
    ({"free": 70 * MEBIBYTE - 1}, "needs up to 70.0 MiB"), ({"wanted": "media_*"}, "patterns do not do"),
    ({"wanted": "*"}, "Name each"),
])
def test_a_pattern_and_too_little_room_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        plan(**given)


def test_a_name_that_looks_like_a_pattern_is_a_name() -> None:
    assert plan(replace(WORN, name="odd[1]"), wanted="odd[1]").changes
    assert plan(free=70 * MEBIBYTE).changes


def test_counts_that_move_do_not_make_another_plan() -> None:
    assert plan().digest == plan(replace(WORN, size=7), replace(HALF, percent=60.0), 10**12).digest


@pytest.mark.parametrize(("percent", "free"), [(0.0, None), (101.0, None), (30.0, -1)])
def test_bad_numbers_are_refused(percent: float, free: int | None) -> None:
    with pytest.raises(Refused):
        worth_of({"minimum_percent": percent, "free_space": free})
