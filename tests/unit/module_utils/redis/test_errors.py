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
        (exceptions.ConnectionError("Error while writing to socket. EOF occurred in violation of protocol."), Unreachable),
        (exceptions.ConnectionError("Error 1 connecting to cache:6379. [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred."),
         Unreachable),
        (exceptions.ConnectionError("Error 1 connecting to cache:6379. [SSL: WRONG_VERSION_NUMBER] wrong version number."),
         OperationError),
        (exceptions.ConnectionError("max number of clients reached"), ConnectionsExhausted),
        (exceptions.ResponseError("unknown command"), OperationError),
    ],
)
def test_each_error_has_its_kind(error: Exception, kind: type[OperationError]) -> None:
    explained = explain(error, "read", "cache:6379")

    assert type(explained) is kind
    assert str(error).rstrip(".") in explained.message()


@pytest.mark.parametrize("words", [
    "Error 1 connecting to cache:6379. [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate.",
    "Error 1 connecting to cache:6379. [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch.",
    "Error 2 connecting to cache:6379. No such file or directory.",
    "Error 136 connecting to cache:6379. [X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found.",
])
def test_a_certificate_that_does_not_fit_says_nothing_of_the_server(words: str) -> None:
    explained = explain(exceptions.ConnectionError(words), "read", "cache:6379")

    assert type(explained) is OperationError
    assert "ca_certs" in explained.message()
    assert "the endpoint's own" in explained.message()


def test_other_exceptions_pass() -> None:
    with pytest.raises(ValueError, match="defect"), explaining("read", "cache"):
        raise ValueError("a defect")
