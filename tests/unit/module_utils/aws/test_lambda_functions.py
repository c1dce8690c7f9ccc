"""When a function is right, and which functions are meant."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lambda_functions import (
    Function,
    evaluate_functions,
    function_names,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused


@pytest.mark.parametrize(
    ("state", "last_update", "right"),
    [
        ("Active", "Successful", True), pytest.param("Inactive", "Successful", True, id="it_only_sleeps"),
        pytest.param("Active", "", True, id="never_updated"), ("Pending", "Successful", False),
        ("Failed", "Successful", False), ("Active", "Failed", False), ("Active", "InProgress", False),
        pytest.param("", "", False, id="a_state_nobody_told"),
    ],
)
def test_a_function_is_right_when_it_can_run(state: str, last_update: str, right: bool) -> None:
    function = Function("f", state, "", last_update, "", "python3.13", 3, 128, "", "sha")
    evidence = evaluate_functions(Collected((function,), datetime(2026, 11, 21, tzinfo=UTC)))

    assert [(item.resource, item.ok) for item in evidence] == [("lambda-function:f", right)]


def test_plain_names_need_no_listing() -> None:
    def no_client(service: str) -> None:
        raise AssertionError(service)

    assert function_names(no_client, ["b", "a", "b"]) == ["b", "a"]


@pytest.mark.parametrize("name", ["arn:aws:lambda:us-east-1:123456789012:function:f", "f:3", "123456789012:f"])
def test_refuses_another_name_than_the_functions_own(name: str) -> None:
    with pytest.raises(Refused, match="not named by their own name"):
        function_names(lambda service: None, ["g", name])
