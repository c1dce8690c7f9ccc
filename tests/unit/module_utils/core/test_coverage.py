"""What was read, and what could not be."""

from __future__ import annotations

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap, merge_coverage


def test_nothing_missing_is_complete() -> None:
    assert Coverage(("table:a",)).as_dict() == {"complete": True, "read": ["table:a"], "missing": []}


def test_a_gap_is_named_with_its_reason() -> None:
    coverage = Coverage(("table:a",), (Gap("table:b", "AccessDeniedException: no"),))

    assert coverage.as_dict() == {
        "complete": False, "read": ["table:a"],
        "missing": [{"resource": "table:b", "reason": "AccessDeniedException: no"}]}


def test_one_gap_anywhere_makes_the_whole_incomplete() -> None:
    merged = merge_coverage(iter([Coverage(("a",)), Coverage((), (Gap("b", "throttled"),)), Coverage(("c",))]))

    assert (merged.read, [gap.resource for gap in merged.missing], merged.complete) == (("a", "c"), ["b"], False)


def test_what_nobody_asked_for_leaves_nothing_open_and_is_told() -> None:
    merged = merge_coverage([Coverage(("a",), left_out=(Gap("b", "not told"),)), Coverage(("c",))])

    assert merged.as_dict() == {
        "complete": True, "read": ["a", "c"], "missing": [], "left_out": [{"resource": "b", "reason": "not told"}]}


def test_no_parts_make_an_empty_coverage() -> None:
    assert merge_coverage([]) == Coverage()
