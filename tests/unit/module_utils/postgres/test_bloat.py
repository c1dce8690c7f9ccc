"""What measurements and statistics say of how much is wasted."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.bloat import (
    Bloat,
    estimated,
    heap_measured,
    tree_measured,
)

BLOCK = 8192


@pytest.mark.parametrize(("pages", "rows", "needed", "bloat"), [
    (100, 5000.0, 40, Bloat("estimate", 60 * BLOCK, 60.0)), (100, 5000.0, 100, Bloat("estimate", 0, 0.0)),
    (100, 0.0, 1, Bloat("estimate", 99 * BLOCK, 99.0)),
    # Equal keys share an entry: there may be fewer pages than needed for as many entries as rows.
    (40, 5000.0, 100, Bloat("estimate", 0, 0.0)),
])
def test_pages_beyond_those_needed_are_wasted(pages: int, rows: float, needed: int, bloat: Bloat) -> None:
    assert estimated(pages, rows, needed) == bloat


@pytest.mark.parametrize(("rows", "needed", "reason"), [(None, 4, "never vacuumed"), (5000.0, None, "lacks SELECT")])
def test_what_cannot_be_told_is_not_nothing(rows: float | None, needed: int | None, reason: str) -> None:
    bloat = estimated(100, rows, needed)
    assert (bloat.method, bloat.wasted, bloat.percent) == (None, None, None)
    assert reason in bloat.reason


@pytest.mark.parametrize(("row", "fill", "percent"), [
    # Bytes, pages of leaves, empty and deleted ones, how full the leaves are.
    ((100 * BLOCK, 98, 0, 90.1), 90, 0.0), ((100 * BLOCK, 98, 0, 45.05), 90, 48.0), ((100 * BLOCK, 38, 60, 90.1), 90, 60.0),
    ((100 * BLOCK, 98, 0, 50.2), 50, 0.0), ((2 * BLOCK, 1, 0, 0.4), 90, 0.0), ((BLOCK, 0, 0, float("nan")), 90, 0.0),
])
def test_a_tree_wastes_what_its_leaves_could_hold_beside_what_a_build_leaves_free(
    row: Any, fill: int, percent: float
) -> None:
    assert tree_measured(row, fill).percent == pytest.approx(percent, abs=1.0)
    assert tree_measured(row, fill).method == "pgstattuple"


@pytest.mark.parametrize(("row", "fill", "percent"), [
    # Bytes, those of dead rows, those that are free.
    ((100 * BLOCK, 0, 0), 100, 0.0), ((100 * BLOCK, 20 * BLOCK, 30.0 * BLOCK), 100, 50.0),
    ((100 * BLOCK, 0, 25.0 * BLOCK), 80, 5.0), ((100 * BLOCK, 0, 10.0 * BLOCK), 80, 0.0), ((0, 0, 0.0), 100, 0.0),
])
def test_a_table_wastes_dead_rows_and_what_is_free_but_for_what_is_to_stay_free(
    row: Any, fill: int, percent: float
) -> None:
    assert heap_measured(row, fill).percent == pytest.approx(percent, abs=0.1)
