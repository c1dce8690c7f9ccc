"""The run lock in a real PostgreSQL: every write conditional, every race with one winner, an absent answer no free lock."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied, Missing, OperationError, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.lease import Lease, digest_token
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres import connection
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.errors import Unreachable
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.lease_store import CREATION, PostgresLeaseStore
from tests.support.databases import Postgres, running_postgres
from tests.support.labs import ROOT

A = Lease("media", "a", "ada", "Weekly maintenance", digest_token("a"), 1, 1_700_000_060.123456)
B = Lease("media", "b", "bob", "p", digest_token("b"), 1, 1_700_000_061.5)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def store(postgres: Postgres) -> PostgresLeaseStore:
    """A store whose table does not exist yet."""
    postgres.execute("DROP TABLE IF EXISTS public.opsbook_locks")
    return PostgresLeaseStore(connector(postgres.options()))


def exists(postgres: Postgres, table: str = "public.opsbook_locks") -> bool:
    return bool(postgres.execute(f"SELECT to_regclass('{table}') IS NOT NULL")[0][0])


def test_without_a_table_there_is_no_lease_and_reading_creates_none(
    postgres: Postgres, store: PostgresLeaseStore
) -> None:
    assert store.read("media") is None
    assert store.renew("media", A.token_digest, 1.0) is False
    assert store.release("media", A.token_digest) is False
    assert not exists(postgres)


def test_the_first_lease_creates_the_table_and_reads_back_as_it_was(
    postgres: Postgres, store: PostgresLeaseStore
) -> None:
    assert store.take(A, None)
    assert store.read("media") == A
    assert store.read("analytics") is None
    assert exists(postgres)


def test_of_two_who_saw_no_row_one_gets_it(store: PostgresLeaseStore) -> None:
    assert [store.take(A, None), store.take(B, None)] == [True, False]
    assert store.read("media") == A


def test_of_two_who_saw_it_expire_one_gets_it(store: PostgresLeaseStore) -> None:
    store.take(A, None)
    first, second = replace(A, run="c", fence=2, expires=200.0), replace(B, fence=2, expires=200.0)
    assert [store.take(first, A), store.take(second, A)] == [True, False]


def test_a_renewal_wins_over_somebody_who_saw_it_expired(store: PostgresLeaseStore) -> None:
    store.take(A, None)
    assert store.renew("media", A.token_digest, 1_700_000_200.0)
    assert store.take(replace(B, fence=2), A) is False
    assert store.read("media") == replace(A, expires=1_700_000_200.0)


def test_who_was_taken_over_can_neither_renew_nor_release(store: PostgresLeaseStore) -> None:
    store.take(A, None)
    store.take(replace(B, fence=2), A)
    assert store.renew("media", A.token_digest, 900.0) is False
    assert store.release("media", A.token_digest) is False
    assert store.read("media") == replace(B, fence=2)


def test_a_released_lock_is_free_and_keeps_its_fence(store: PostgresLeaseStore) -> None:
    store.take(A, None)
    assert store.release("media", A.token_digest)
    released = store.read("media")
    assert released is not None
    assert (released.held_at(0.0), released.fence, released.token_digest) == (False, 1, "")
    assert store.renew("media", A.token_digest, 900.0) is False
    assert store.renew("media", digest_token(""), 900.0) is False
    assert store.take(replace(B, fence=2), released)


def test_systems_do_not_share_a_lock(store: PostgresLeaseStore) -> None:
    assert store.take(A, None)
    assert store.take(replace(B, system="analytics"), None)


def test_a_table_has_the_name_it_is_given(postgres: Postgres) -> None:
    store = PostgresLeaseStore(connector(postgres.options()), 'odd %s "{}" %(table)s')
    assert store.take(A, None)
    assert store.renew("media", A.token_digest, 900.0)
    assert store.take(replace(B, fence=2), replace(A, expires=900.0))
    assert store.release("media", B.token_digest)
    assert store.read("media") == replace(B, run="", token_digest="", fence=2, expires=0.0)


def test_names_are_values_and_no_statements(store: PostgresLeaseStore) -> None:
    odd = replace(A, system="a'; DROP TABLE opsbook_locks; --", holder='"%s" {}')
    assert store.take(odd, None)
    assert store.read(odd.system) == odd


def test_a_table_of_ones_own_in_a_schema_of_ones_own(postgres: Postgres) -> None:
    postgres.execute("CREATE SCHEMA operations")
    store = PostgresLeaseStore(connector(postgres.options()), "operations.Locks")
    assert store.take(A, None)
    assert exists(postgres, 'operations."Locks"')


def test_roles_with_other_search_paths_share_the_lock(postgres: Postgres, store: PostgresLeaseStore) -> None:
    postgres.execute("CREATE ROLE wanderer LOGIN SUPERUSER", "CREATE SCHEMA wanderer AUTHORIZATION wanderer")
    assert store.take(A, None)
    assert PostgresLeaseStore(connector(postgres.options(login_user="wanderer"))).take(B, None) is False


def test_of_many_threads_that_find_no_table_one_gets_the_lock(store: PostgresLeaseStore) -> None:
    start, won = threading.Barrier(12), list[str]()

    def compete(name: str) -> None:
        start.wait()
        if store.take(replace(A, run=name), None):
            won.append(name)

    threads = [threading.Thread(target=compete, args=(f"run{number}",)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    taken = store.read("media")
    assert taken is not None
    assert won == [taken.run]


def test_a_store_survives_a_fork(store: PostgresLeaseStore) -> None:
    store.take(A, None)
    child = multiprocessing.get_context("fork").Process(
        target=lambda: os._exit(0 if store.renew("media", A.token_digest, 7.0) else 1))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert store.read("media") == replace(A, expires=7.0)


def uses(store: PostgresLeaseStore) -> Iterator[Any]:
    yield lambda: store.read("media")
    yield lambda: store.take(A, None)
    yield lambda: store.renew("media", "d", 1.0)
    yield lambda: store.release("media", "d")


def test_a_role_without_rights_is_denied_and_finds_no_free_lock(postgres: Postgres, store: PostgresLeaseStore) -> None:
    store.take(A, None)
    postgres.execute("CREATE ROLE stranger LOGIN")
    stranger = PostgresLeaseStore(connector(postgres.options(login_user="stranger")))
    for use in uses(stranger):
        with pytest.raises(Denied, match="opsbook_locks/media"):
            use()


def test_the_documented_statements_are_all_that_the_lock_needs(postgres: Postgres, store: PostgresLeaseStore) -> None:
    page = (ROOT / "docs" / "inventory.md").read_text(encoding="utf-8")
    statements, _operators = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert CREATION.format(table="public.opsbook_locks").strip() in statements
    postgres.execute(statements)
    keeper = PostgresLeaseStore(connector(postgres.options(login_user="opsbook_lock")))
    assert keeper.read("media") is None
    assert keeper.take(A, None)
    assert keeper.renew("media", A.token_digest, 1_700_000_200.0)
    assert keeper.release("media", A.token_digest)


def test_a_role_that_may_not_make_the_table_is_told_what_to_do(postgres: Postgres, store: PostgresLeaseStore) -> None:
    postgres.execute("CREATE ROLE visitor LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    visitor = PostgresLeaseStore(connector(postgres.options(login_user="visitor")))
    assert visitor.read("media") is None
    with pytest.raises(Denied, match=r"(?s)create the table of run locks.*SELECT, INSERT and UPDATE.*docs/inventory\.md"):
        visitor.take(A, None)
    postgres.execute("GRANT CREATE ON SCHEMA public TO visitor")
    assert visitor.take(A, None)


def test_a_server_that_is_not_there_is_no_free_lock() -> None:
    absent = PostgresLeaseStore(connector({"login_host": "127.0.0.1", "login_port": 9, "login_password": "canary-pw"}))
    for use in uses(absent):
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9") as raised:
            use()
        assert "canary-pw" not in str(raised.value)


def test_a_database_that_is_not_there_is_no_free_lock(postgres: Postgres) -> None:
    with pytest.raises(Missing, match="nowhere"):
        PostgresLeaseStore(connector(postgres.options(login_db="nowhere"))).read("media")


def test_a_server_that_does_not_answer_any_more_is_hung_up_on(
    postgres: Postgres, store: PostgresLeaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE_MARGIN", 0.5)
    store.take(A, None)
    connect = connector(postgres.options(statement_timeout=1))
    backends: list[int] = []

    def ask_a_frozen_server() -> None:
        with connection.opened(connect, "read", "a row") as cursor:
            backends.append(cursor.connection.info.backend_pid)
            os.kill(backends[0], signal.SIGSTOP)
            cursor.execute("SELECT 1")

    with pytest.raises(OperationError, match="connection was lost"):
        ask_a_frozen_server()
    os.kill(backends[0], signal.SIGCONT)


def test_a_statement_ends_at_its_time_out(postgres: Postgres) -> None:
    connect = connector(postgres.options(statement_timeout=1))
    with pytest.raises(OperationError, match="took too long"), connection.opened(connect, "wait", "nothing") as cursor:
        cursor.execute("SELECT pg_sleep(20)")


def test_a_lock_is_not_waited_for_without_end(postgres: Postgres, store: PostgresLeaseStore) -> None:
    store.take(A, None)
    holder = postgres.connect()
    with holder.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE public.opsbook_locks")
        with pytest.raises(OperationError, match="took too long"):
            PostgresLeaseStore(connector(postgres.options(lock_timeout=1))).read("media")
    holder.close()


@pytest.mark.parametrize("name", ["connect_timeout", "statement_timeout", "lock_timeout"])
def test_a_time_out_of_nothing_would_be_none_and_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=name):
        connector({name: 0})
