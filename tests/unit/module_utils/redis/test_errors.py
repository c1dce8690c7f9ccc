"""What Redis' errors mean: denied, full, unreachable."""

from __future__ import annotations

import pytest
from redis import exceptions

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied, OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.errors import (
    ConnectionsExhausted,
    Unreachable,
    explain,
    explaining,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.AuthenticationError("invalid username-password pair or user is disabled."), Denied),
        (exceptions.AuthenticationError("Authentication required."), Denied),
        (exceptions.NoPermissionError("User x has no permissions to run the 'info' command"), Denied),
        (exceptions.BusyLoadingError("Redis is loading the dataset in memory"), Unreachable),
        (exceptions.ConnectionError("Error 111 connecting to cache:6379. Connection refused."), Unreachable),
        (exceptions.TimeoutError("Timeout reading from socket"), Unreachable),
        (exceptions.ConnectionError("max number of clients reached"), ConnectionsExhausted),
        (exceptions.ResponseError("unknown command"), OperationError),
    ],
)
def test_each_error_has_its_kind(error: Exception, kind: type[OperationError]) -> None:
    explained = explain(error, "read", "cache:6379")

    assert type(explained) is kind
    assert str(error).rstrip(".") in explained.message()


def test_other_exceptions_pass() -> None:
    with pytest.raises(ValueError, match="defect"), explaining("read", "cache"):
        raise ValueError("a defect")
