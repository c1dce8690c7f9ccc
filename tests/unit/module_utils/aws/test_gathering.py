"""Reading many resources at once, with a gap for each that could not be read."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.gathering import gather
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied, Missing, OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run


def reading(**answers: Any) -> Any:
    def read_one(name: str) -> Any:
        if isinstance(answers[name], BaseException):
            raise answers[name]
        return answers[name]

    return read_one


def test_reads_all_in_the_names_order() -> None:
    answers, coverage = gather(Run(), "table", ["b", "a", "c"], reading(a=1, b=2, c=3))

    assert answers == [2, 1, 3]
    assert (coverage.read, coverage.complete) == (("table:b", "table:a", "table:c"), True)


@pytest.mark.parametrize(("error", "reason"), [
    (Denied("read", "b", "AccessDeniedException: no"), "AccessDeniedException: no"),
    (Missing("read", "b", "ResourceNotFoundException: gone"), "does not exist"),
    (OperationError("read", "b", "throttled to the end"), "throttled to the end"),
])
def test_what_could_not_be_read_is_a_gap_and_never_nothing(error: OperationError, reason: str) -> None:
    answers, coverage = gather(Run(), "table", ["a", "b", "c"], reading(a=1, b=error, c=3))

    assert answers == [1, 3]
    assert coverage.read == ("table:a", "table:c")
    assert [(gap.resource, gap.reason) for gap in coverage.missing] == [("table:b", reason)]


@pytest.mark.parametrize("empty", [[], {}, "", 0, False, None])
def test_an_empty_answer_has_been_read(empty: Any) -> None:
    """A resource that is in neither list of the coverage would be a gap that nobody sees."""
    answers, coverage = gather(Run(), "table", ["a"], reading(a=empty))

    assert (answers, coverage.read) == ([empty], ("table:a",))


def test_a_defect_is_no_gap() -> None:
    with pytest.raises(ZeroDivisionError):
        gather(Run(), "table", ["a", "b"], reading(a=1, b=ZeroDivisionError()))


def test_no_names_are_read_whole() -> None:
    answers, coverage = gather(Run(), "table", [], reading())

    assert (answers, coverage.complete) == ([], True)
