"""postgres_reindex on a real server: what is bloated is rebuilt while others work, and what a failure leaves goes away."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.engine import carry_out
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Stopped
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.reindex import Rules, rebuild
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module
from tests.support.waiting import eventually

TABLE = 'Odd."name" of\'s'
ODD = 'An."index" of\'s'
LONGEST = "n" * 63
ROWS = 12_000
SMALL = 50_000
SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
WAITING = "SELECT pid FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting for %' AND current_locker_pid <> 0"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), autovacuum="off", log_statement="all") as server:
        server.execute("CREATE ROLE operator LOGIN", "CREATE ROLE owner", "GRANT owner TO operator", "CREATE ROLE app LOGIN",
                       "CREATE ROLE helper LOGIN")
        yield server


@pytest.fixture
def tables(postgres: Postgres) -> Iterator[None]:
    """A table of the operator's owner and a stranger's, each with indexes of which two thirds are wasted."""
    postgres.execute("CREATE SCHEMA shop", "GRANT USAGE ON SCHEMA shop TO PUBLIC", "GRANT CREATE ON SCHEMA shop TO owner")
    bloat(postgres, "stranger", "stranger_idx")
    bloat(postgres, TABLE, ODD, LONGEST, owner="owner")
    yield
    postgres.execute("DROP SCHEMA shop CASCADE", "CREATE SCHEMA IF NOT EXISTS public")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def bloat(postgres: Postgres, table: str, *indexes: str, owner: str = "postgres") -> None:
    """A table with rows, indexed each, of which two thirds are gone."""
    name = f"shop.{quoted(table)}"
    postgres.execute(f"CREATE TABLE {name} (id bigint NOT NULL, title text)",
                     f"INSERT INTO {name} SELECT g, md5(g::text) FROM generate_series(1, {ROWS}) AS g",
                     *(f"CREATE INDEX {quoted(index)} ON {name} (id, title)" for index in indexes),
                     f"DELETE FROM {name} WHERE id % 3 > 0", f"VACUUM ANALYZE {name}",
                     f"ALTER TABLE {name} OWNER TO {owner}", f"GRANT SELECT, UPDATE ON {name} TO app")


@pytest.fixture
def do(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(check_mode: bool = False, user: str = "operator", **options: Any) -> dict[str, Any]:
        given = {"login_user": user, "minimum_size": SMALL, "wait_timeout": 40, **options}
        return run_module("postgres_reindex", postgres.options(**given), check_mode=check_mode)

    return run


Do = Callable[..., dict[str, Any]]
MINE = {"tables": ["Odd*"]}


def worked_on(result: dict[str, Any]) -> dict[str, str]:
    return {change["resource"].partition(":shop.")[2]: change["action"] for change in result["changes"]}


def kept(result: dict[str, Any]) -> dict[str, str]:
    return {entry["resource"].partition(":shop.")[2]: entry["reason"] for entry in result["kept"]}


def indexes(postgres: Postgres) -> dict[str, bool]:
    """The indexes of the schema, and whether they are valid."""
    return dict(postgres.execute("SELECT relname::text, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid "
                                 "WHERE relnamespace = 'shop'::regnamespace"))


@contextmanager
def transaction(postgres: Postgres, *statements: str) -> Iterator[None]:
    """A session that begins a transaction, and leaves it alone for the length of the block."""
    session = postgres.connect("postgres")
    try:
        for statement in ("BEGIN", *statements):
            session.cursor().execute(statement)
        yield
    finally:
        session.close()


@contextmanager
def waiting(postgres: Postgres, work: Callable[[], Any]) -> Iterator[tuple[Future[Any], int]]:
    """What builds an index is under way and waits for an old snapshot, which is given up at the end of the block."""
    with ThreadPoolExecutor(1) as pool:
        with transaction(postgres, *SNAPSHOT):
            running = pool.submit(work)
            ((pid,),) = eventually(lambda: postgres.execute(WAITING))
            yield running, pid
        with suppress(psycopg2.Error):
            running.result(timeout=60)


def leave_behind(postgres: Postgres, index: str) -> None:
    """A rebuild that is killed in the middle."""
    work = f"REINDEX INDEX CONCURRENTLY shop.{quoted(index)}"
    with waiting(postgres, lambda: postgres.execute(work)) as (_running, pid):
        postgres.execute(f"SELECT pg_terminate_backend({pid})")
        eventually(lambda: not postgres.execute(f"SELECT FROM pg_stat_activity WHERE pid = {pid}"))


@pytest.fixture(params=["estimate", "pgstattuple"])
def method(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """How bloat is told."""
    if request.param == "pgstattuple":
        # A percent sign in a name stands for no parameter.
        postgres.execute('CREATE SCHEMA "odd%s"', 'CREATE EXTENSION pgstattuple SCHEMA "odd%s"',
                         'GRANT USAGE ON SCHEMA "odd%s" TO operator', "GRANT pg_stat_scan_tables TO operator")
    yield request.param
    postgres.execute("DROP EXTENSION IF EXISTS pgstattuple", 'DROP SCHEMA IF EXISTS "odd%s"',
                     "REVOKE pg_stat_scan_tables FROM operator")


@pytest.mark.usefixtures("tables")
def test_what_is_bloated_is_rebuilt_and_a_second_run_does_nothing(postgres: Postgres, do: Do, method: str) -> None:
    postgres.execute(f"CREATE INDEX tight ON shop.{quoted(TABLE)} (title)")
    first, second = do(**MINE), do(**MINE)

    assert not first.get("failed"), first["msg"]
    assert worked_on(first) == {ODD: "rebuild", LONGEST: "rebuild"}
    assert all(f"wasted ({method})" in change["summary"] for change in first["changes"])
    for item in first["evidence"]:
        assert item["ok"]
        assert item["actual"]["method"] == method
        assert item["actual"]["bytes"] < item["actual"]["bytes before"] / 2
    assert indexes(postgres) == {ODD: True, LONGEST: True, "tight": True, "stranger_idx": True}
    assert not second.get("failed"), second
    assert not second["changed"]
    assert "no need: 0 %" in kept(second)[LONGEST]


@pytest.mark.usefixtures("tables")
def test_check_mode_only_reads_as_the_servers_own_log_shows(postgres: Postgres, do: Do) -> None:
    leave_behind(postgres, ODD)
    before = len(postgres.log)
    result = do(check_mode=True, **MINE)
    said = postgres.log[before:]

    assert worked_on(result) == {ODD: "rebuild", LONGEST: "rebuild", f"{ODD}_ccnew": "drop"}
    assert "pg_get_indexdef" in said
    assert not any(f"statement: {verb}" in said for verb in ("REINDEX", "DROP", "LOCK", "SET"))


@pytest.mark.usefixtures("tables")
def test_readers_and_writers_go_on_while_an_index_is_rebuilt(postgres: Postgres, do: Do) -> None:
    written, done = [], threading.Event()

    def write() -> None:
        session = postgres.connect("app", options="-c lock_timeout=5000")
        while not done.is_set():
            session.cursor().execute(f"UPDATE shop.{quoted(TABLE)} SET title = title WHERE id = 3")
            written.append(1)
        session.close()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        with waiting(postgres, lambda: do(indexes=[LONGEST])) as (running, _pid):
            so_far = len(written)
            eventually(lambda: len(written) > so_far + 100)
            postgres.execute(f"SELECT count(*) FROM shop.{quoted(TABLE)}")
            assert not running.done()
        result = running.result()
        done.set()
        writing.result()

    assert not result.get("failed"), result["msg"]
    assert worked_on(result) == {LONGEST: "rebuild"}


@pytest.mark.usefixtures("tables")
def test_a_lock_that_is_not_granted_in_time_names_its_index_and_the_others_are_done(postgres: Postgres, do: Do) -> None:
    bloat(postgres, "free", "free_idx", owner="owner")
    with transaction(postgres, f"LOCK TABLE shop.{quoted(TABLE)} IN SHARE MODE"):
        result = do(tables=["Odd*", "free"], lock_timeout=1)

    assert result["failed"]
    assert sorted(entry["resource"].partition(":shop.")[2] for entry in result["failed_resources"]) == [ODD, LONGEST]
    assert all("it took too long" in entry["reason"] for entry in result["failed_resources"])
    assert [change["applied"] for change in result["changes"] if change["resource"].endswith("free_idx")] == [True]
    assert all(indexes(postgres).values())


@pytest.mark.usefixtures("tables", "method")
def test_a_table_that_somebody_else_locks_does_not_stand_before_the_others(postgres: Postgres, do: Do) -> None:
    bloat(postgres, "busy", "busy_idx", owner="owner")
    postgres.execute("CREATE INDEX busy_lower ON shop.busy (lower(title)) WHERE id > 3", "ANALYZE shop.busy")
    with transaction(postgres, "LOCK TABLE shop.busy", "REINDEX INDEX shop.busy_idx"):
        mine = do(**MINE, lock_timeout=1)
        named, both = do(indexes=["busy_lower"], lock_timeout=1), do(tables=["busy"], indexes=[LONGEST], lock_timeout=1)

    assert not mine.get("failed"), mine["msg"]
    assert worked_on(mine) == {ODD: "rebuild", LONGEST: "rebuild"}
    assert [item["ok"] for item in mine["evidence"]] == [True, True]
    for result, missing in ((named, ["busy_lower"]), (both, ["busy_idx", "busy_lower"])):
        gaps = {gap["resource"].partition(":shop.")[2]: gap["reason"] for gap in result["coverage"]["missing"]}
        assert [name for name in gaps if not name.startswith("pg_toast")] == missing
        assert "somebody locks its table against all" in gaps["busy_lower"]
    assert worked_on(named) == {}
    assert [change["applied"] for change in both["changes"]] == [True]


@pytest.mark.usefixtures("tables")
def test_a_lock_that_is_soon_given_back_is_waited_for(postgres: Postgres, do: Do) -> None:
    waits = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'opsbook'"
    with ThreadPoolExecutor(1) as pool:
        with transaction(postgres, f"LOCK TABLE shop.{quoted(TABLE)}"):
            running = pool.submit(do, **MINE)
            eventually(lambda: postgres.execute(waits))
        result = running.result()

    assert not result.get("failed"), result["msg"]
    assert worked_on(result) == {ODD: "rebuild", LONGEST: "rebuild"}


@pytest.mark.usefixtures("tables")
def test_an_index_that_the_role_has_no_right_to_is_named_and_the_others_are_done(postgres: Postgres, do: Do) -> None:
    result = do(tables=["*"])

    assert result["failed"]
    assert worked_on(result) == {ODD: "rebuild", LONGEST: "rebuild"}
    gaps = {gap["resource"].rpartition(":")[2]: gap["reason"] for gap in result["coverage"]["missing"]}
    # Without SELECT the statistics of a column of varying length cannot be seen: that is not "nothing is wasted".
    assert "the role lacks SELECT" in gaps["shop.stranger_idx"]

    postgres.execute("GRANT SELECT ON shop.stranger TO operator")
    gaps = {gap["resource"].rpartition(":")[2]: gap["reason"] for gap in do(tables=["*"])["coverage"]["missing"]}
    assert "operator may not rebuild it" in gaps["shop.stranger_idx"]


@pytest.mark.usefixtures("tables")
def test_who_may_only_maintain_a_table_can_rebuild_but_not_drop(postgres: Postgres, do: Do) -> None:
    if postgres.connect().server_version < 170000:
        pytest.skip("PostgreSQL 17 has MAINTAIN first")
    leave_behind(postgres, "stranger_idx")
    postgres.execute("GRANT SELECT, MAINTAIN ON shop.stranger TO helper")
    result = do(user="helper", tables=["stranger"])

    assert worked_on(result) == {"stranger_idx": "rebuild"}
    assert "helper may not drop it" in kept(result)["stranger_idx_ccnew"]
    assert result["failed"]


@pytest.mark.usefixtures("tables")
def test_an_old_transaction_ends_the_rebuild_in_time_and_nothing_is_left(postgres: Postgres, do: Do) -> None:
    with transaction(postgres, *SNAPSHOT):
        result = do(indexes=[ODD], wait_timeout=7)

    assert result["failed"]
    assert "at last: waiting for old snapshots, pid" in result["failed_resources"][0]["reason"]
    assert "nothing is left of it" in result["failed_resources"][0]["reason"]
    assert indexes(postgres) == {ODD: True, LONGEST: True, "stranger_idx": True}


@pytest.mark.usefixtures("tables")
def test_what_cannot_be_removed_at_once_is_removed_by_the_next_run(postgres: Postgres, do: Do) -> None:
    with transaction(postgres, f"SELECT FROM shop.{quoted(TABLE)} LIMIT 1"):
        first = do(indexes=[ODD], wait_timeout=7, lock_timeout=1)
        left = set(indexes(postgres)) - {ODD, LONGEST, "stranger_idx"}
    second = do(tables=["Odd*"])

    assert first["failed"]
    assert "the next run does it" in first["failed_resources"][0]["reason"]
    assert len(left) == 1
    # The new index was in use before the old one could go, so that nothing has to be rebuilt.
    assert worked_on(second) == {**dict.fromkeys(left, "drop"), LONGEST: "rebuild"}
    assert not second.get("failed"), second["msg"]
    assert indexes(postgres) == {ODD: True, LONGEST: True, "stranger_idx": True}


@pytest.mark.usefixtures("tables")
def test_what_cannot_be_looked_for_is_not_said_to_be_gone(postgres: Postgres, do: Do) -> None:
    with ThreadPoolExecutor(1) as pool, waiting(postgres, lambda: do(indexes=[ODD], lock_timeout=1)) as (running, pid):
        locker = pool.submit(lock_once_it_is_free, postgres)
        eventually(lambda: postgres.execute("SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"))
        postgres.execute(f"SELECT pg_terminate_backend({pid})")
        result = running.result(timeout=60)
        locker.result().close()

    assert result["failed"]
    assert "somebody locks its table against all (ACCESS EXCLUSIVE)): the next run does it" in result["msg"]


def lock_once_it_is_free(postgres: Postgres) -> Any:
    session = postgres.connect("postgres")
    session.cursor().execute("BEGIN")
    session.cursor().execute(f"LOCK TABLE shop.{quoted(TABLE)}")
    return session


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("index", [ODD, LONGEST])
def test_a_rebuild_that_was_killed_is_finished_by_the_next_run(postgres: Postgres, do: Do, index: str) -> None:
    leave_behind(postgres, index)
    assert list(indexes(postgres).values()).count(False) == 1
    result = do(indexes=[index])

    assert not result.get("failed"), result["msg"]
    assert sorted(worked_on(result).values()) == ["drop", "rebuild"]
    assert indexes(postgres) == {ODD: True, LONGEST: True, "stranger_idx": True}


@pytest.mark.usefixtures("tables")
def test_a_session_that_is_ended_in_the_middle_is_reported_and_nothing_is_left(postgres: Postgres, do: Do) -> None:
    with waiting(postgres, lambda: do(indexes=[ODD])) as (running, pid):
        postgres.execute(f"SELECT pg_terminate_backend({pid})")
        result = running.result(timeout=60)

    assert result["failed"]
    assert "nothing is left of it" in result["msg"]
    assert indexes(postgres) == {ODD: True, LONGEST: True, "stranger_idx": True}


@pytest.mark.usefixtures("tables")
def test_a_server_that_crashes_in_the_middle_is_reported_and_the_next_run_finishes(postgres: Postgres, do: Do) -> None:
    postgres.execute("CHECKPOINT")  # the lab's servers may lose what they committed last
    with waiting(postgres, lambda: do(indexes=[ODD])) as (running, pid):
        os.kill(pid, signal.SIGKILL)
        result = running.result(timeout=60)
    assert result["failed"]
    assert result["changed"]

    eventually(lambda: answers(postgres))
    second = do(indexes=[ODD])
    assert not second.get("failed"), second["msg"]
    assert indexes(postgres) == {ODD: True, LONGEST: True, "stranger_idx": True}


def answers(postgres: Postgres) -> bool:
    try:
        postgres.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


@pytest.mark.usefixtures("tables")
def test_a_lost_lease_cancels_the_rebuild(postgres: Postgres) -> None:
    lost = threading.Event()

    def permit() -> None:
        if lost.is_set():
            raise Stopped("go on", "this run", "lease lost")

    def work() -> Any:
        run = Run(timeout=60, permit=permit, limits=Limits("10"))
        return carry_out(rebuild(connector(postgres.options(login_user="operator")), run, "here", Rules([], [ODD])), run)

    with waiting(postgres, work) as (running, pid):
        lost.set()
        report = running.result(timeout=60)
        eventually(lambda: not postgres.execute(f"SELECT FROM pg_stat_activity WHERE pid = {pid} AND state = 'active'"))

    assert report.failed
    assert "lease lost" in report.failures[0]["reason"]
    assert "the next run does it" in report.failures[0]["reason"]


@pytest.mark.usefixtures("tables")
def test_an_index_that_somebody_builds_or_rebuilds_is_left_alone(postgres: Postgres, do: Do) -> None:
    statements = {f"CREATE INDEX CONCURRENTLY fresh ON shop.{quoted(TABLE)} (title)": "fresh",
                  f"REINDEX INDEX CONCURRENTLY shop.{quoted(ODD)}": ODD}
    for statement, index in statements.items():
        with waiting(postgres, lambda statement=statement: postgres.execute(statement)):
            result = do(check_mode=True, **MINE)
            assert "a session builds it" in kept(result)[index]
            assert "drop" not in worked_on(result).values()
    assert indexes(postgres)["fresh"]


@pytest.mark.usefixtures("tables")
def test_an_invalid_index_is_dropped_kept_or_rebuilt_as_asked(postgres: Postgres, do: Do) -> None:
    postgres.execute("CREATE TABLE shop.twice (id int)", "INSERT INTO shop.twice VALUES (1), (1)",
                     "ALTER TABLE shop.twice OWNER TO owner")

    def fail_to_build() -> None:
        with pytest.raises(psycopg2.Error):
            postgres.execute("CREATE UNIQUE INDEX CONCURRENTLY twice_idx ON shop.twice (id)")

    fail_to_build()
    kept_alone, rebuilt = do(tables=["twice"], invalid="keep"), do(tables=["twice"], invalid="rebuild")
    assert "kept as was asked" in kept(kept_alone)["twice_idx"]
    assert rebuilt["failed"]
    assert "could not create unique index" in rebuilt["msg"]
    assert "nothing is left of it" in rebuilt["msg"]

    dropped = do(tables=["twice"])
    assert worked_on(dropped) == {"twice_idx": "drop"}
    assert dropped["evidence"][0]["actual"] == "gone"
    assert "CREATE UNIQUE INDEX twice_idx ON shop.twice" in dropped["changes"][0]["undo"]["reason"]
    assert "twice_idx" not in indexes(postgres)

    fail_to_build()
    postgres.execute("TRUNCATE shop.twice")
    assert not do(tables=["twice"], invalid="rebuild").get("failed")
    assert indexes(postgres)["twice_idx"]


@pytest.mark.usefixtures("tables")
def test_what_a_rebuild_has_left_is_kept_where_no_valid_index_does_the_same(postgres: Postgres, do: Do) -> None:
    leave_behind(postgres, ODD)
    postgres.execute(f"DROP INDEX shop.{quoted(ODD)}", f"DROP INDEX shop.{LONGEST}")
    result = do(**MINE)

    assert not result["changed"]
    assert "no valid index does the same" in kept(result)[f"{ODD}_ccnew"]


@pytest.mark.usefixtures("tables")
def test_what_cannot_be_rebuilt_concurrently_is_kept_and_partitions_are_worked_on(postgres: Postgres, do: Do) -> None:
    postgres.execute("CREATE TABLE shop.stay (during int4range, EXCLUDE USING gist (during WITH &&))",
                     "CREATE TABLE shop.parent (id int NOT NULL) PARTITION BY RANGE (id)",
                     "CREATE TABLE shop.child PARTITION OF shop.parent FOR VALUES FROM (0) TO (99999)",
                     "CREATE INDEX parent_idx ON shop.parent (id)",
                     f"INSERT INTO shop.parent SELECT g FROM generate_series(1, {ROWS}) AS g",
                     "DELETE FROM shop.parent WHERE id % 3 > 0", "VACUUM ANALYZE shop.parent",
                     *(f"ALTER TABLE shop.{name} OWNER TO owner" for name in ("stay", "parent", "child")))
    result = do(tables=["stay", "parent", "child"], indexes=["stay_during_excl"])

    assert not result.get("failed"), result["msg"]
    assert worked_on(result) == {"child_id_idx": "rebuild"}
    assert "exclusion constraint" in kept(result)["stay_during_excl"]
    assert "partitions" in kept(result)["parent_idx"]


@pytest.mark.usefixtures("tables")
def test_an_estimate_that_cannot_be_true_is_said_and_does_not_pass_for_success(postgres: Postgres, do: Do) -> None:
    """Values that the table keeps elsewhere are in the index whole, which statistics do not tell."""
    postgres.execute("CREATE TABLE shop.wide (body text, rest text)",
                     "ALTER TABLE shop.wide ALTER body SET STORAGE EXTERNAL, ALTER rest SET STORAGE EXTERNAL",
                     "INSERT INTO shop.wide SELECT string_agg(md5((g * 100 + part)::text), ''), repeat('x', 1000) "
                     "FROM generate_series(1, 200) AS g, generate_series(1, 45) AS part GROUP BY g",
                     "CREATE INDEX wide_idx ON shop.wide (body)", "VACUUM ANALYZE shop.wide",
                     "ALTER TABLE shop.wide OWNER TO owner")
    result = do(tables=["wide"])

    assert worked_on(result) == {"wide_idx": "rebuild"}
    assert result["failed"]
    assert "the estimate cannot be trusted for this index" in result["msg"]


@pytest.mark.usefixtures("tables")
def test_a_name_that_no_index_has_is_a_gap_and_no_list_means_none(do: Do) -> None:
    absent, none = do(indexes=["media_itms_idx"]), do()

    assert absent["failed"]
    assert "there is no such index" in str(absent["coverage"]["missing"])
    assert (none["changed"], none.get("failed", False)) == (False, False)


@pytest.mark.usefixtures("tables")
def test_what_is_protected_stays(do: Do) -> None:
    result = do(protected=[f"shop.{LONGEST}"], **MINE)

    assert worked_on(result) == {ODD: "rebuild"}
    assert kept(result)[LONGEST] == "protected"
