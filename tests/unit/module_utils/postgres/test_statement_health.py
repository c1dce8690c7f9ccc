"""What the statements of a database mean: tables over the pure functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statement_health import (
    describe_statements,
    evaluate_statements,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statements import (
    TEXT_LENGTH,
    Choice,
    Statement,
    Statements,
    choice_of,
    told_text,
)

SLOW = Statement("-42", "SELECT $1", "app", False, 7, 150.0, 300.0, 1050.0, 70.0, 7, 99.0, 0)


def seen(*statements: Statement, counted: int = 9) -> Collected[Statements]:
    state = Statements("db:5432/media", statements, counted, len(statements), 1500.0)
    return Collected(state, datetime(2026, 11, 21, tzinfo=UTC))


def answers(collected: Collected[Statements], choice: Choice) -> dict[str, bool | None]:
    return {item.resource: item.ok for item in evaluate_statements(collected, choice)}


def test_each_slow_statement_is_a_finding_of_its_own() -> None:
    hidden = replace(SLOW, queryid=None, text=None)

    assert answers(seen(SLOW, hidden), Choice()) == {
        "postgres-query:db:5432/media:-42": False, "postgres-query:db:5432/media:hidden, of app": False}
    (found,) = evaluate_statements(seen(SLOW), Choice(calls=5))
    assert found.expected == "less than 100 ms, for what was called 5 times or more"


@pytest.mark.parametrize(("collected", "choice"), [
    pytest.param(seen(), Choice(), id="none_is_slow"), pytest.param(seen(SLOW), Choice(mean_ms=0.0), id="no_limit_is_given"),
])
def test_what_is_fast_or_not_judged_is_right(collected: Collected[Statements], choice: Choice) -> None:
    assert answers(collected, choice) == {"postgres:db:5432/media": True}


def test_nothing_counted_is_no_evidence() -> None:
    assert evaluate_statements(seen(counted=0), Choice()) == []


def test_statements_are_told_as_plain_data() -> None:
    told = describe_statements(seen(SLOW))

    assert told["queries"][0]["queryid"] == "-42"
    assert (told["since"], told["dropped"], told["matching"]) == (None, None, 1)


@pytest.mark.parametrize(("text", "told"), [
    ("SELECT\n   1,\t2", "SELECT 1, 2"), ("SET x = 'a   secret'", "SET x = '***'"),
    ("SELECT " + "a, " * 400, ("SELECT " + "a, " * 400)[:TEXT_LENGTH - 3] + "..."),
])
def test_a_text_is_one_line_without_literals_and_not_too_long(text: str, told: str) -> None:
    assert told_text(text) == told


@pytest.mark.parametrize("wrong", [{"minimum_mean_ms": -0.1}, {"minimum_calls": 0}, {"limit": 0}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        choice_of({"minimum_mean_ms": 100.0, "minimum_calls": 1, "order_by": "total", "limit": 20, **wrong})
