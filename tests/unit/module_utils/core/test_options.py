"""Option specifications that modules compose."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import AWS
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.options import LIMITS, WAIT, compose, max_affected


def test_an_option_declared_twice_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="declared twice: parallel"):
        compose(WAIT, {"parallel": {"type": "int"}})


def test_composing_leaves_the_parts_alone() -> None:
    composed = compose(WAIT, {"name": {"type": "str"}})
    composed["wait_timeout"] = {}

    assert "name" not in WAIT
    assert WAIT["wait_timeout"] == {"type": "float", "default": 600.0}


def test_the_parts_go_together_with_their_defaults() -> None:
    result = ArgumentSpecValidator(compose(AWS, LIMITS, WAIT, max_affected("25%"))).validate({})

    assert not result.error_messages
    given = {name: value for name, value in result.validated_parameters.items() if value is not None}
    assert given == {"validate_certs": True, "protected": [], "wait_timeout": 600.0, "parallel": 8, "max_affected": "25%"}


def test_a_lock_in_postgresql_may_have_every_time_out() -> None:
    connection = {"login_host": "db", "connect_timeout": 3, "statement_timeout": 9, "lock_timeout": 1}
    result = ArgumentSpecValidator(compose(LIMITS)).validate({"guard": {"store": {"postgres": connection}}})

    assert not result.error_messages


@pytest.mark.parametrize("secret", ["token", "secret_key", "session_token", "external_id"])
def test_secrets_of_the_receipt_are_known_as_secrets(secret: str) -> None:
    store: dict[str, Any] = {"table": "locks"}
    guard: dict[str, Any] = {"store": store}
    (guard if secret == "token" else store)[secret] = "canary-4711"
    result = ArgumentSpecValidator(compose(LIMITS)).validate({"guard": guard})

    assert not result.error_messages
    assert result._no_log_values == {"canary-4711"}


@pytest.mark.parametrize("secret", ["secret_key", "session_token", "external_id"])
def test_secrets_of_the_connection_are_known_as_secrets(secret: str) -> None:
    assert ArgumentSpecValidator(AWS).validate({secret: "canary-4711"})._no_log_values == {"canary-4711"}
