"""Connections to a real PostgreSQL: through a pooler, with certificates that fit or do not, never waiting without end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.lock_store import open_store
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.lease import Lease, digest_token
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import connector, opened
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module
from tests.support.relays import Manners, no_options, relay
from tests.support.web import certificate_for, server_context

LEASE = Lease("media", "a", "ada", "Weekly maintenance", digest_token("a"), 1, 1_700_000_060.0)
SETTINGS = ("SELECT current_setting('application_name'), current_setting('statement_timeout'), "
            "current_setting('lock_timeout')")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_for("127.0.0.1", 30, tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def encrypted(postgres: Postgres, certificate: Path) -> Iterator[int]:
    """The port of a relay with a certificate for 127.0.0.1: the lab's server is built without TLS."""
    with relay(postgres.port, Manners(encryption=server_context(certificate))) as port:
        yield port


def look(postgres: Postgres, **options: Any) -> dict[str, Any]:
    return run_module("postgres_session_info", postgres.options(**options))


def test_a_pooler_that_takes_no_options_is_no_obstacle(postgres: Postgres) -> None:
    with relay(postgres.port, Manners(no_options)) as port:
        result = look(postgres, login_port=port)
        store = open_store({"postgres": postgres.options(login_port=port), "lease_seconds": 60})
        assert store.take(LEASE, None)
        assert store.read("media") == LEASE
    assert result["verdict"] == "healthy", result


def test_every_time_out_is_of_one_transaction_and_reaches_nobody_after_it(postgres: Postgres) -> None:
    connect = connector(postgres.options(connect_timeout=3, statement_timeout=7, lock_timeout=2))
    with opened(connect, "read", "settings") as cursor:
        cursor.execute(SETTINGS)
        assert cursor.fetchone() == ("opsbook", "7s", "2s")
    connection = connect()
    with connection.cursor() as cursor:
        cursor.execute(connect.beginning())
        cursor.execute("COMMIT")
        cursor.execute(SETTINGS)
        assert cursor.fetchone() == ("opsbook", "0", "0")
    assert connection.autocommit
    connection.close()


def test_a_role_of_another_isolation_is_refused_nothing_under_load(postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE careful LOGIN", "CREATE TABLE counter AS SELECT 0 AS number",
                     "GRANT ALL ON counter TO careful",
                     "ALTER ROLE careful SET default_transaction_isolation = 'repeatable read'")
    with opened(connector(postgres.options(login_user="careful")), "count", "counter") as cursor:
        cursor.execute("SELECT number FROM counter")
        postgres.execute("UPDATE counter SET number = 1")
        cursor.execute("UPDATE counter SET number = number + 1")
    assert postgres.execute("SELECT number FROM counter") == [(2,)]


def test_a_role_that_is_read_only_by_default_stays_so(postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE reader LOGIN", "CREATE TABLE wanted (id int)", "GRANT ALL ON wanted TO reader",
                     "ALTER ROLE reader SET default_transaction_read_only = on")
    with (pytest.raises(OperationError, match="read-only by its settings"),
          opened(connector(postgres.options(login_user="reader")), "write", "wanted") as cursor):
        cursor.execute("INSERT INTO wanted VALUES (1)")


def test_what_takes_long_has_its_own_time_and_ends_when_that_is_over(postgres: Postgres) -> None:
    connect = connector(postgres.options(statement_timeout=1))
    with opened(connect, "read", "something large", 3) as cursor:
        cursor.execute("SELECT pg_sleep(1.3), current_setting('client_connection_check_interval')")
        assert cursor.fetchone()[1] == "2s"
    with pytest.raises(OperationError, match="took too long"), opened(connect, "read", "something large", 0.3) as cursor:
        cursor.execute("SELECT pg_sleep(5)")


def test_a_refusal_of_the_server_or_a_pooler_is_a_failure_and_no_verdict(postgres: Postgres) -> None:
    with relay(postgres.port, Manners(lambda startup: "query_wait_timeout")) as port:
        result = look(postgres, login_port=port)
    assert result["failed"] is True
    assert "query_wait_timeout" in result["msg"]
    assert "verdict" not in result


def test_a_certificate_that_fits_is_trusted(postgres: Postgres, encrypted: int, certificate: Path) -> None:
    result = look(postgres, login_port=encrypted, ssl_mode="verify-full", ca_cert=str(certificate))
    assert result["verdict"] == "healthy", result


@pytest.mark.parametrize(
    ("host", "authority", "reason"),
    [("127.0.0.1", "other", "certificate verify failed"), ("localhost", "own", "does not match host name"),
     ("127.0.0.1", "none", "does not exist")],
)
def test_a_certificate_that_does_not_fit_is_a_failure_with_advice(
    postgres: Postgres, encrypted: int, certificate: Path, tmp_path: Path, host: str, authority: str, reason: str
) -> None:
    files = {"own": certificate, "other": certificate_for("127.0.0.1", 30, tmp_path), "none": tmp_path / "absent.pem"}
    result = look(postgres, login_host=host, login_port=encrypted, ssl_mode="verify-full", ca_cert=str(files[authority]))
    assert result["failed"] is True
    assert reason in result["msg"]
    assert "the endpoint's own" in result["msg"]


def test_encryption_that_the_server_does_not_offer_is_a_failure(postgres: Postgres) -> None:
    result = look(postgres, ssl_mode="require")
    assert result["failed"] is True
    assert "ssl_mode" in result["msg"]


def test_an_emergency_does_not_wait_for_a_lock_that_somebody_holds(postgres: Postgres) -> None:
    patient = postgres.options(statement_timeout=60, lock_timeout=60)
    open_store({"postgres": patient}).take(LEASE, None)
    holder = postgres.connect()
    holder.cursor().execute("BEGIN; LOCK TABLE public.opsbook_locks IN ACCESS EXCLUSIVE MODE")
    begun = time.monotonic()
    with pytest.raises(OperationError, match="took too long"):
        open_store({"postgres": patient}, quick=True).read("media")
    holder.close()
    assert time.monotonic() - begun < 4


def test_an_emergency_does_not_wait_for_a_database_that_takes_connections_and_answers_nothing(postgres: Postgres) -> None:
    with relay(postgres.port, Manners(mute=True)) as port:
        begun = time.monotonic()
        with pytest.raises(OperationError, match="connection was lost"):
            open_store({"postgres": postgres.options(login_port=port)}, quick=True).read("media")
    assert time.monotonic() - begun < 8


def test_shorter_time_outs_of_the_inventory_stay_as_they_are(postgres: Postgres) -> None:
    with relay(postgres.port, Manners(mute=True)) as port:
        begun = time.monotonic()
        with pytest.raises(OperationError, match="connection was lost"):
            open_store({"postgres": postgres.options(login_port=port, statement_timeout=1)}, quick=True).read("media")
    assert time.monotonic() - begun < 3.5
