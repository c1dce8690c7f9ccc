"""Which indexes are duplicates, and which a rebuild has left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.indexes import (
    Index,
    duplicates,
    invalid,
    leftovers,
    original_of,
)
from tests.support.indexes import INDEX, LEFT


@pytest.mark.parametrize(("name", "left"), [
    ("title_idx_ccnew", True), ("title_idx_ccold", True), ("title_idx_ccnew1", True), ("title_idx_ccold12", True),
    ("title\nidx_ccnew", True), ("title_idx", False), ("title_idx_ccnew_2", False), ("title_idx_new", False),
])
def test_what_a_rebuild_leaves_has_a_name_of_its_own(name: str, left: bool) -> None:
    assert bool(leftovers([replace(LEFT, name=name)])) is left
    assert leftovers([replace(LEFT, name=name, valid=True)]) == ()


@pytest.mark.parametrize(("original", "found"), [
    (INDEX, True), (replace(INDEX, valid=False), False), (replace(INDEX, identity="(9,403,3)"), False),
    (replace(INDEX, unique=True), False), (replace(INDEX, name="other_idx"), False),
])
def test_an_original_is_valid_and_the_same_but_for_its_name(original: Index, found: bool) -> None:
    assert original_of(LEFT, [LEFT, original]) == (original if found else None)


def test_an_original_whose_name_was_cut_for_the_ending_is_found() -> None:
    original = replace(INDEX, name="n" * 63)
    assert original_of(replace(LEFT, name="n" * 57 + "_ccnew"), [original]) == original


def test_a_partitioned_parent_is_not_a_failed_build() -> None:
    assert invalid([replace(INDEX, valid=False, partitioned=True), LEFT]) == (LEFT,)


def names(*indexes: Index) -> list[list[str]]:
    return [[index.name for index in group] for group in duplicates(indexes)]


PRIMARY = replace(INDEX, oid=3, name="pkey", unique=True, primary=True, constraint="pkey")
UNIQUE = replace(INDEX, oid=4, name="unique", unique=True)
USED = replace(INDEX, oid=5, name="used", scans=99)


@pytest.mark.parametrize(("indexes", "groups"), [
    ([INDEX], []), ([INDEX, USED], [["used", "title_idx"]]), ([USED, UNIQUE, PRIMARY], [["pkey", "unique", "used"]]),
    ([INDEX, replace(USED, identity="(9,403,3)")], []), ([INDEX, replace(USED, valid=False)], []),
    ([replace(INDEX, attached=True), replace(USED, attached=True)], []),
    ([INDEX, replace(USED, attached=True)], [["used", "title_idx"]]),
])
def test_of_duplicates_the_one_to_keep_comes_first(indexes: list[Index], groups: list[list[str]]) -> None:
    assert names(*indexes) == groups
