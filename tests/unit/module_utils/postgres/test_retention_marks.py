"""The last line of a partition's comment, by which a run finds what an earlier one began to drop."""

from __future__ import annotations

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention_marks import (
    Mark,
    mark_of,
    why_not_ours,
    with_mark,
    without_mark,
)

MARK = Mark('public."Log of\nall"', 'public."2019 \u2028 ü"', 4711, "811")
LINE = with_mark("", MARK)


@pytest.mark.parametrize("comment", ["", "of the old site", "two\nlines", "ends with a break\n"])
@pytest.mark.parametrize("mark", [MARK, Mark("public.events", "public.y2019", 5)])
def test_a_mark_is_the_last_line_of_a_comment_and_is_taken_back(comment: str, mark: Mark) -> None:
    marked = with_mark(comment, mark)

    assert mark_of(marked) == mark
    assert without_mark(marked) == comment
    assert with_mark(marked, MARK) == with_mark(comment, MARK)


@pytest.mark.parametrize("comment", [
    "", "of the old site", f"{LINE}\nwritten below by somebody", f"see {LINE}", "opsbook retention: ",
    "opsbook retention: 5", "opsbook retention: partition of public.events until soon",
    'opsbook retention: {"partition of": "public.events"}',
    "opsbook retention: []", LINE[:-1],
])
def test_what_does_not_end_with_a_whole_mark_is_somebodys_comment(comment: str) -> None:
    assert mark_of(comment) is None
    assert without_mark(comment) == comment


@pytest.mark.parametrize(("mark", "said"), [
    (MARK, ""), (None, "does not say any more"), (Mark(MARK.parent, MARK.partition, 4711), "before it was known"),
    (Mark(MARK.parent, "public.other", 4711, "811"), "as public.other, and somebody has altered it since"),
    (Mark(MARK.parent, MARK.partition, 4712, "811"), "somebody has altered it since"),
    (Mark(MARK.parent, MARK.partition, 4711, "812"), "somebody has altered it since"),
])
def test_only_what_is_as_it_was_left_is_finished(mark: Mark | None, said: str) -> None:
    why = why_not_ours(mark, MARK.partition, 4711, "811")
    assert said in why
    assert bool(why) is bool(said)
