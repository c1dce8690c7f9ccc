"""How many pages rows need: numbers that PostgreSQL 18 itself gave for tables and indexes built with such rows."""

from __future__ import annotations

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.page_layout import (
    Column,
    data_bytes,
    heap_pages,
    tree_pages,
)

BIGINT = Column(8, 8, True, None, None)
INT = Column(4, 4, False, 4.0, 0.0)
MD5 = Column(-1, 4, False, 33.0, 0.0)
FLAG = Column(1, 1, True, None, None)


@pytest.mark.parametrize(("columns", "bytes_"), [
    ([BIGINT], 8), ([FLAG, BIGINT], 16), ([INT, BIGINT], 16), ([MD5, INT], 40), ([Column(-1, 4, False, 200.0, 0.5)], 100),
    ([FLAG, Column(-1, 4, False, 200.0, 0.0)], 204), ([FLAG, MD5], 34), ([Column(4, 4, False, 0.0, 1.0)], 0),
])
def test_values_lie_one_after_another_on_their_boundaries(columns: list[Column], bytes_: float) -> None:
    assert data_bytes(columns) == bytes_


@pytest.mark.parametrize("columns", [
    [], [Column(-1, 4, True, None, None)], [Column(4, 4, False, None, None)], [BIGINT, Column(-1, 4, False, None, None)],
])
def test_what_statistics_do_not_tell_is_not_guessed(columns: list[Column]) -> None:
    assert data_bytes(columns) is None
    assert tree_pages(1000, columns, 90) is None
    assert heap_pages(1000, columns, 100) is None


@pytest.mark.parametrize(("rows", "columns", "fill", "built"), [
    (0, [BIGINT], 90, 1), (1, [BIGINT], 90, 2), (20_000, [BIGINT], 90, 57), (20_000, [MD5], 90, 147),
    (1_000_000, [BIGINT], 90, 2745), (1_000_000, [BIGINT], 50, 4971), (100_000, [MD5, BIGINT], 90, 830),
])
def test_a_new_tree_has_nearly_as_many_pages_as_are_expected(
    rows: int, columns: list[Column], fill: int, built: int
) -> None:
    assert tree_pages(rows, columns, fill) == pytest.approx(built, rel=0.02)


@pytest.mark.parametrize(("rows", "columns", "fill", "built"), [
    (0, [BIGINT], 100, 0), (100_000, [BIGINT], 100, 443), (100_000, [BIGINT, MD5], 100, 935),
    (100_000, [BIGINT], 50, 885), (100_000, [BIGINT, Column(4, 4, False, 4.0, 0.5)], 100, 491),
])
def test_a_new_table_has_nearly_as_many_pages_as_are_expected(
    rows: int, columns: list[Column], fill: int, built: int
) -> None:
    assert heap_pages(rows, columns, fill) == pytest.approx(built, rel=0.02)
