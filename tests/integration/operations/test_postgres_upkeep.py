"""postgres_vacuum and postgres_analyze on a real server: what needs it is done and verified, the rest is left alone."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from lab.postgres import find_installation
from tests.support.databases import Postgres, running_postgres
from tests.support.labs import ROOT
from tests.support.modules import run_module
from tests.support.standbys import running_standby
from tests.support.waiting import eventually

ODD = 'Odd."name" of\'s'
LONGEST = "n" * 63
ROWS = 5000


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), autovacuum="off", log_statement="all") as server:
        server.execute("CREATE ROLE operator LOGIN", "CREATE ROLE owner", "GRANT owner TO operator")
        yield server


@pytest.fixture
def tables(postgres: Postgres) -> Iterator[None]:
    """Tables of the operator's owner, a stranger's table, each with half of its rows dead."""
    for name in (ODD, LONGEST, "small", "stranger"):
        quoted = '"' + name.replace('"', '""') + '"'
        rows = 10 if name == "small" else ROWS
        postgres.execute(f"CREATE TABLE {quoted} AS SELECT g AS id FROM generate_series(1, {rows}) AS g",
                         f"DELETE FROM {quoted} WHERE id % 2 = 0",
                         *([] if name == "stranger" else [f"ALTER TABLE {quoted} OWNER TO owner"]))
    eventually(lambda: postgres.execute("SELECT count(*) FROM pg_stat_user_tables WHERE n_dead_tup > 0") == [(4,)], 15)
    yield
    postgres.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO owner")


@pytest.fixture
def do(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(verb: str, check_mode: bool = False, user: str = "operator", **options: Any) -> dict[str, Any]:
        given = {"login_user": user, "tables": ["*"], "wait_timeout": 30, **options}
        return run_module(f"postgres_{verb}", postgres.options(**given), check_mode=check_mode)

    return run


Do = Callable[..., dict[str, Any]]
MINE = ["Odd*", "n*", "small"]


def worked_on(result: dict[str, Any]) -> list[str]:
    return [change["resource"].partition(":public.")[2] for change in result["changes"]]


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("verb", ["vacuum", "analyze"])
def test_what_needs_it_is_done_and_a_second_run_does_nothing(do: Do, verb: str) -> None:
    first, second = do(verb, tables=MINE), do(verb, tables=MINE)

    assert not first.get("failed"), first["msg"]
    # Whatever its size, a table that was never analyzed has no statistics at all.
    assert sorted(worked_on(first)) == sorted([ODD, LONGEST] + ["small"] * (verb == "analyze"))
    assert {item["ok"] for item in first["evidence"]} == {True}
    assert not second.get("failed"), second
    assert not second["changed"]


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("verb", ["vacuum", "analyze"])
def test_check_mode_only_reads_as_the_servers_own_log_shows(postgres: Postgres, do: Do, verb: str) -> None:
    before = len(postgres.log)
    result = do(verb, check_mode=True, tables=MINE)
    said = postgres.log[before:]

    assert LONGEST in worked_on(result)
    assert "pg_stat_all_tables" in said
    assert f"statement: {verb.upper()}" not in said


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("verb", ["vacuum", "analyze"])
def test_a_table_that_the_role_has_no_right_to_is_named(postgres: Postgres, do: Do, verb: str) -> None:
    result = do(verb)

    assert result["failed"]
    assert [gap["resource"].rpartition(".")[2] for gap in result["coverage"]["missing"]] == ["stranger"]
    assert "may not" in result["coverage"]["missing"][0]["reason"]
    assert LONGEST in worked_on(result)
    assert "stranger" not in worked_on(result)
    assert postgres.execute("SELECT last_vacuum, last_analyze FROM pg_stat_user_tables WHERE relname = 'stranger'") == [
        (None, None)]


@pytest.mark.usefixtures("tables")
def test_dead_rows_that_somebody_can_still_see_are_a_failure_with_its_reason(postgres: Postgres, do: Do) -> None:
    postgres.execute(f'UPDATE "{LONGEST}" SET id = id')
    reader = postgres.connect("postgres")
    with reader.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT 1")
        postgres.execute(f'UPDATE "{LONGEST}" SET id = id')
        eventually(lambda: postgres.execute(f"SELECT n_dead_tup >= {ROWS} FROM pg_stat_user_tables "
                                       f"WHERE relname = '{LONGEST}'") == [(True,)], 15)
        result = do("vacuum", tables=[LONGEST])
    reader.close()

    assert result["failed"]
    assert "may still see them" in str(result["evidence"])


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("mode", ["SHARE", "ACCESS EXCLUSIVE"])
def test_a_lock_that_is_not_granted_in_time_names_its_table_and_the_others_are_done(
    postgres: Postgres, do: Do, mode: str
) -> None:
    holder = postgres.connect("postgres")
    with holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f'LOCK TABLE "{LONGEST}" IN {mode} MODE')
        result = do("vacuum", tables=MINE, lock_timeout=1)
    holder.close()

    assert result["failed"]
    assert [entry["resource"].rpartition(".")[2] for entry in result["failed_resources"]] == [LONGEST]
    assert [change["applied"] for change in result["changes"] if change["resource"].endswith(ODD)] == [True]


@pytest.mark.usefixtures("tables")
def test_a_name_that_no_table_has_is_a_gap_and_no_list_means_none(do: Do) -> None:
    absent, none = do("vacuum", tables=["media_itms"]), do("vacuum", tables=[])

    assert absent["failed"]
    assert "there is no such table" in str(absent["coverage"]["missing"])
    assert (none["changed"], none.get("failed", False)) == (False, False)
    assert not do("vacuum", login_db="template1").get("failed"), "all of none is none"


@pytest.mark.usefixtures("tables")
def test_a_partitioned_table_that_was_never_analyzed_is(postgres: Postgres, do: Do) -> None:
    postgres.execute("CREATE TABLE parent (id int) PARTITION BY RANGE (id)",
                     "CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (9)", "INSERT INTO parent VALUES (1)",
                     "ALTER TABLE parent OWNER TO owner", "ALTER TABLE child OWNER TO owner")
    first = do("analyze", tables=["parent"])

    assert worked_on(first) == ["parent"]
    assert not do("analyze", tables=["parent"])["changed"]


@pytest.mark.usefixtures("tables")
def test_a_table_is_written_anew_only_when_asked_and_gives_its_space_back(postgres: Postgres, do: Do) -> None:
    postgres.execute(f'VACUUM ANALYZE "{LONGEST}"')
    before = len(postgres.log)
    checked = do("vacuum", check_mode=True, tables=[LONGEST], full=True)
    said = postgres.log[before:]
    size = "SELECT pg_relation_size('\"" + LONGEST + "\"')"
    full = postgres.execute(size)[0][0]
    first, second = (do("vacuum", tables=[LONGEST], full=True) for _ in range(2))

    assert "ACCESS EXCLUSIVE" in checked["changes"][0]["summary"]
    assert "VACUUM" not in said
    assert not first.get("failed"), first["msg"]
    assert postgres.execute(size)[0][0] < 0.6 * full
    assert first["evidence"][0]["actual"]["bytes_after"] < first["evidence"][0]["actual"]["bytes_before"]
    assert worked_on(second) == []
    assert not second["changed"]


@pytest.mark.usefixtures("tables")
def test_a_rewrite_that_is_kept_waiting_changes_nothing_and_names_its_table(postgres: Postgres, do: Do) -> None:
    postgres.execute(f'VACUUM ANALYZE "{LONGEST}"', f'VACUUM ANALYZE "{ODD.replace(chr(34), chr(34) * 2)}"')
    holder = postgres.connect("postgres")
    with holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f'SELECT count(*) FROM "{LONGEST}"')
        result = do("vacuum", tables=[LONGEST, ODD, "stranger"], full=True, lock_timeout=1)
    holder.close()

    assert [entry["resource"].rpartition(".")[2] for entry in result["failed_resources"]] == [LONGEST]
    assert [change["applied"] for change in result["changes"] if change["resource"].endswith(ODD)] == [True]
    assert [gap["resource"].rpartition(".")[2] for gap in result["coverage"]["missing"]] == ["stranger"]
    assert len(do("vacuum", tables=[LONGEST], full=True)["changes"]) == 1


@pytest.mark.usefixtures("tables")
def test_a_table_that_somebody_else_locks_does_not_stand_before_a_rewrite(postgres: Postgres, do: Do) -> None:
    postgres.execute(f'VACUUM ANALYZE "{LONGEST}"', f'VACUUM ANALYZE "{ODD.replace(chr(34), chr(34) * 2)}"')
    with locked(postgres, LONGEST):
        alone = do("vacuum", tables=[ODD], full=True, lock_timeout=1)
        both = do("vacuum", tables=[LONGEST], full=True, lock_timeout=1)

    assert not alone.get("failed"), alone["msg"]
    assert worked_on(alone) == [ODD]
    assert [entry["resource"].rpartition(".")[2] for entry in both["failed_resources"]] == [LONGEST]


@contextmanager
def locked(postgres: Postgres, table: str) -> Iterator[None]:
    """Somebody locks a table against all for the length of the block."""
    with closing(postgres.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f'LOCK TABLE "{table}"')
        yield


@pytest.mark.usefixtures("tables")
def test_a_rewrite_takes_the_room_and_the_wal_that_it_said(postgres: Postgres, do: Do) -> None:
    postgres.execute(f'CREATE INDEX ON "{LONGEST}" (id)', f'INSERT INTO "{LONGEST}" SELECT generate_series(1, 100000)',
                     f'DELETE FROM "{LONGEST}" WHERE id % 4 = 0', f'VACUUM ANALYZE "{LONGEST}"', "CHECKPOINT")
    begun = postgres.execute("SELECT pg_current_wal_lsn()")[0][0]
    result = do("vacuum", tables=[LONGEST], full=True)
    ((wal, size),) = postgres.execute(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{begun}')::bigint, "
                                      f"pg_total_relation_size('\"{LONGEST}\"')")
    said = re.search(r"up to ([\d.]+) MiB more, and ([\d.]+) MiB for WAL", result["changes"][0]["summary"])

    assert said, result["changes"][0]["summary"]
    assert [size <= float(said[1]) * 2**20, wal <= float(said[2]) * 2**20] == [True, True]
    assert wal > size / 3


@pytest.mark.parametrize(("verb", "options"), [("vacuum", {}), ("vacuum", {"full": True}), ("analyze", {}), ("reindex", {})])
def test_a_standby_is_refused(standby: Postgres, verb: str, options: dict[str, Any]) -> None:
    result = run_module(f"postgres_{verb}", standby.options(login_user="operator", tables=["*"], **options))

    assert result["failed"]
    assert "it is a standby" in result["msg"]
    assert not result.get("changed")


@pytest.fixture(scope="module")
def standby(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_standby(postgres, tmp_path_factory.mktemp("standby")) as server:
        yield server


@pytest.mark.parametrize("verb", ["vacuum", "analyze"])
def test_counts_that_a_crash_has_emptied_are_not_no_need(tmp_path_factory: pytest.TempPathFactory, verb: str) -> None:
    with running_postgres(tmp_path_factory.mktemp("crashing"), autovacuum="off") as server:
        server.execute("CREATE TABLE worn AS SELECT g AS id FROM generate_series(1, 5000) AS g",
                       "CREATE TABLE empty (id int)", "VACUUM ANALYZE worn", "DELETE FROM worn WHERE id % 2 = 0",
                       "CHECKPOINT")
        with closing(server.connect()) as victim:
            os.kill(victim.info.backend_pid, signal.SIGKILL)
        counted = "SELECT n_live_tup, n_dead_tup, last_vacuum FROM pg_stat_user_tables WHERE relname = 'worn'"
        # The server answers for a moment until it notices the death, and not at all while it recovers.
        eventually(lambda: answer_of(server, counted) == [(0, 0, None)])
        first, second = (run_module(f"postgres_{verb}", server.options(tables=["*"])) for _run in range(2))

        assert not first.get("failed"), first["msg"]
        assert worked_on(first) == ["worn"]
        assert "counts of it are lost" in first["changes"][0]["summary"]
        assert (second["changed"], second.get("failed", False)) == (False, False)
        assert server.execute(counted)[0][:2] == (2500, 0 if verb == "vacuum" else 2500)


def answer_of(server: Postgres, statement: str) -> list[tuple[Any, ...]] | None:
    try:
        return server.execute(statement)
    except psycopg2.OperationalError:
        return None


def test_the_documented_rights_are_all_that_maintenance_needs(postgres: Postgres, tmp_path: Path) -> None:
    """docs/inventory.md says what to grant: with that each operation of maintenance sees and does all that it should."""
    [statements] = [text for text in re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "inventory.md").read_text(), re.DOTALL)
                    if "opsbook_operator" in text]
    postgres.execute("CREATE ROLE media LOGIN", "CREATE DATABASE media OWNER media")
    owner = postgres.connect("media", dbname="media")
    owner.cursor().execute("CREATE TABLE items (id int PRIMARY KEY, at timestamptz NOT NULL)")
    owner.cursor().execute("INSERT INTO items SELECT g, now() - g * interval '1 hour' FROM generate_series(1, 3000) AS g")
    [(version,)] = postgres.execute("SELECT current_setting('server_version_num')::int / 10000")
    # A line for later versions says which: "-- PostgreSQL 16 and later".
    since = re.compile(r"-- PostgreSQL (\d+) and later")
    postgres.execute("\n".join(line for line in statements.splitlines()
                               if not (only := since.search(line)) or int(only.group(1)) <= version))
    as_operator = postgres.options(login_user="opsbook_operator", login_db="media", wait_timeout=60)
    place = {"name": "media", "destination": str(tmp_path), "bin_dir": str(find_installation(os.environ).bin)}
    rule = {"table": "items", "column": "at", "older_than": "90d"}
    done = {name: run_module(f"postgres_{name}", {**as_operator, **options}) for name, options in {
        "retention": {"rules": [rule]}, "vacuum": {"tables": ["*"], "minimum_rows": 1, "minimum_percent": 0},
        "analyze": {"tables": ["*"]}, "reindex": {"indexes": ["items_pkey"]},
        "view": {"name": "recent", "definition": "SELECT id FROM items"},
        "session_terminate": {"idle": "1s", "users": ["media"]}, "dump": place, "restore_test": place,
    }.items()}
    owner.close()

    assert {name: result["msg"] for name, result in done.items() if result.get("failed")} == {}
    assert {name for name, result in done.items() if not result["changed"]} <= {"session_terminate"}
