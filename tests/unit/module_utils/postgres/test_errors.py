"""What PostgreSQL's errors mean: denied, missing, full, unreachable, lost on the way."""

from __future__ import annotations

import psycopg2
import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import (
    Denied,
    Missing,
    OperationError,
    OutcomeUnknown,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.errors import (
    ConnectionsExhausted,
    MissingTable,
    Unreachable,
    explain,
    explain_connecting,
    is_postgres,
    words_of,
)

SERVER = 'connection to server at "db" (10.0.0.1), port 5432 failed: FATAL:  '


class Answered(psycopg2.Error):
    """An error as the server answers it."""

    def __init__(self, state: str, words: str = "ERROR:  something") -> None:
        super().__init__(words)
        self.state = state

    @property
    def pgcode(self) -> str:
        return self.state


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (SERVER + 'password authentication failed for user "ada"', Denied),
        (SERVER + 'no pg_hba.conf entry for host "10.0.0.9", user "ada", database "media", no encryption', Denied),
        (SERVER + 'role "ada" is not permitted to log in', Denied),
        (SERVER + 'permission denied for database "media"', Denied),
        ("fe_sendauth: no password supplied", Denied),
        (SERVER + 'database "media" does not exist', Missing),
        (SERVER + "sorry, too many clients already", ConnectionsExhausted),
        (SERVER + "remaining connection slots are reserved for roles with the SUPERUSER attribute", ConnectionsExhausted),
        (SERVER + 'too many connections for role "ada"', ConnectionsExhausted),
        (SERVER + "the database system is starting up", Unreachable),
        ('connection to server at "db" (10.0.0.1), port 5432 failed: Connection refused', Unreachable),
        ("could not translate host name \"db\" to address: Name or service not known", Unreachable),
        (SERVER + "the database system is shutting down", Unreachable),
        (SERVER + "the database system is in recovery mode", Unreachable),
        ('connection to server at "db" (10.0.0.1), port 5432 failed: timeout expired', Unreachable),
        ('connection to server at "db", port 5432 failed: server closed the connection unexpectedly', Unreachable),
        (SERVER + "unsupported startup parameter: options", OperationError),
        (SERVER + "RDS Proxy currently doesn't support command-line options.", OperationError),
        (SERVER + "query_wait_timeout", OperationError),
        ('connection to server at "db" (::1) failed: Connection refused ' + SERVER + "unsupported startup parameter",
         OperationError),
        ('connection to server at "db" (10.0.0.1), port 5432 failed: server does not support SSL, but SSL was required',
         OperationError),
        pytest.param("FATAL:  Passwort-Authentifizierung fehlgeschlagen", OperationError, id="another_language"),
        pytest.param("Datenbank antwortet anders", OperationError, id="not_a_word_of_it"),
    ],
)
def test_why_there_is_no_connection(words: str, kind: type[OperationError]) -> None:
    error = explain_connecting(psycopg2.OperationalError(words), "connect", "db:5432/media")

    assert type(error) is kind
    assert words.rpartition("FATAL:  ")[2].rstrip(".") in error.message()
    assert "db:5432/media" in error.message()


@pytest.mark.parametrize("words", [
    "SSL error: certificate verify failed",
    'server certificate for "db-1.rds.example" (and 2 other names) does not match host name "db.example"',
    'root certificate file "/etc/opsbook/bundle.pem" does not exist',
])
def test_a_certificate_that_does_not_fit_says_nothing_of_the_database(words: str) -> None:
    error = explain_connecting(psycopg2.OperationalError(words), "connect", "db:5432/media")

    assert type(error) is OperationError
    assert "ca_cert" in error.message()
    assert "the endpoint's own" in error.message()


@pytest.mark.parametrize(
    ("state", "kind", "said"),
    [
        ("42501", Denied, "Grant the privilege"), ("42P01", MissingTable, "Check the name"),
        ("25006", OperationError, "read-only"), ("57014", OperationError, "took too long"),
        ("55P03", OperationError, "took too long"), ("", OutcomeUnknown, "connection was lost"),
        ("22012", OperationError, "SQLSTATE 22012"),
    ],
)
def test_why_a_statement_failed(state: str, kind: type[OperationError], said: str) -> None:
    error = explain(Answered(state), "read", "media")

    assert type(error) is kind
    assert said in error.message()


def test_the_statement_is_not_repeated_in_a_message() -> None:
    said = words_of(psycopg2.Error('ERROR:  syntax error\nLINE 1: SELECT secret\n        ^\nHINT:  look again'))

    assert said == "ERROR:  syntax error"


def test_other_exceptions_are_not_the_databases() -> None:
    assert is_postgres(psycopg2.errors.UndefinedTable())
    assert not is_postgres(ValueError())
