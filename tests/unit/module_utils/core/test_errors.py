"""Errors say what was attempted, on what, why it failed and what to do."""

from __future__ import annotations

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core import errors
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import MissingLibrary, OperationError

KINDS = (errors.Refused, errors.Denied, errors.Missing, errors.Stopped, errors.OutcomeUnknown)


@pytest.mark.parametrize(
    ("reason", "advice", "message"),
    [
        pytest.param("it is locked", "Wait.", "Could not stop (db): it is locked. Wait.", id="whole"),
        pytest.param("it is locked.", "", "Could not stop (db): it is locked.", id="one_full_stop_only"),
        pytest.param("Zürich\nsays no", "", "Could not stop (db): Zürich\nsays no.", id="the_reason_is_not_altered"),
    ],
)
def test_the_message_is_one_paragraph(reason: str, advice: str, message: str) -> None:
    error = OperationError("stop", "db", reason, advice)

    assert error.message() == str(error) == message


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_an_operation_error_and_no_other_kind(kind: type[OperationError]) -> None:
    error = kind("read", "db", "no")

    assert isinstance(error, OperationError)
    assert [other for other in KINDS if isinstance(error, other)] == [kind]


def test_details_belong_to_the_error_alone() -> None:
    given = {"seen": 3}
    error = OperationError("wait", "db", "time is up", details=given)
    given["seen"] = 4

    assert error.details == {"seen": 3}


def test_a_missing_library_is_named_with_its_address() -> None:
    error = MissingLibrary("psycopg2", "https://pypi.org/project/psycopg2/")

    assert (error.library, error.url) == ("psycopg2", "https://pypi.org/project/psycopg2/")
    assert "psycopg2" in str(error)
    assert "not installed" in str(error)
