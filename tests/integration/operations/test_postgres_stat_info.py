"""postgres_stat_info on real servers: each ailment is found and named, and what could not be read is no health."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module
from tests.support.standbys import running_standby
from tests.support.waiting import eventually

ODD = 'Odd."name" of\'s'
QUOTED = '"' + ODD.replace('"', '""') + '"'
SMALL = {"minimum_bloat_size": 100_000}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    settings = {"autovacuum": "off", "wal_level": "logical", "max_prepared_transactions": "5", "log_statement": "all"}
    with running_postgres(tmp_path_factory.mktemp("postgres"), **settings) as server:
        server.execute("CREATE ROLE monitor LOGIN IN ROLE pg_monitor, pg_read_all_data", "CREATE ROLE app LOGIN",
                       "CREATE ROLE stranger LOGIN")
        yield server


@pytest.fixture
def look(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(*sections: str, user: str = "monitor", **options: Any) -> dict[str, Any]:
        given = {"login_user": user, **({"gather": list(sections)} if sections else {}), **options}
        return run_module("postgres_stat_info", postgres.options(**given))

    return run


@pytest.fixture(autouse=True)
def clean(postgres: Postgres) -> Iterator[None]:
    yield
    postgres.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT ALL ON SCHEMA public TO PUBLIC")


Look = Callable[..., dict[str, Any]]


def found(result: dict[str, Any], check: str) -> list[tuple[Any, bool | None]]:
    return [(item["actual"], item["ok"]) for item in result["evidence"] if item["check"] == check]


def test_a_server_in_order_is_healthy(postgres: Postgres, look: Look) -> None:
    postgres.execute("CREATE TABLE shelf AS SELECT g AS id FROM generate_series(1, 100000) AS g",
                     "ALTER TABLE shelf ADD PRIMARY KEY (id)", "VACUUM ANALYZE shelf")
    for _number in range(30):
        postgres.execute("SELECT count(*) FROM shelf")
    result = eventually(lambda: (seen := look())["cache"]["hits"] > 12_000 and seen, 15)

    assert (result["verdict"], result["changed"]) == ("healthy", False), result["evidence"]
    assert result["server"]["version"]
    assert result["sizes"]["tables"][0]["table"] == "shelf"
    sizes = result["sizes"]["tables"][0]
    assert sizes["total_bytes"] == sizes["table_bytes"] + sizes["index_bytes"] + sizes["toast_bytes"]
    assert sizes["table_bytes"] > sizes["index_bytes"] > 1_000_000
    assert result["sizes"]["database_bytes"] > sizes["total_bytes"]
    assert found(result, "replication") == [("no standby and no slot: there is none", True)]


def test_only_the_sections_asked_for_are_read(postgres: Postgres, look: Look) -> None:
    before = len(postgres.log)
    result = look("wraparound")
    said = postgres.log[before:]

    assert {name for name in ("cache", "sizes", "tables", "bloat", "indexes", "foreign_keys", "transactions", "replication")
            if result[name] is not None} == set()
    assert {age["database"] for age in result["wraparound"]} >= {"postgres", "template0"}
    assert result["wraparound"][0]["transactions"] > 0
    assert result["verdict"] == "healthy"
    assert "pg_stat_activity" not in said


def test_a_cache_that_was_hardly_asked_tells_nothing(postgres: Postgres, look: Look) -> None:
    postgres.execute("CREATE DATABASE quiet")
    result = look("cache", login_db="quiet")

    assert result["verdict"] == "unknown"
    assert found(result, "cache hits")[0][1] is None


def test_dead_rows_and_the_bloat_that_they_leave_are_found(postgres: Postgres, look: Look) -> None:
    postgres.execute(f"CREATE TABLE {QUOTED} AS SELECT g AS id, repeat('x', 99) AS text FROM generate_series(1, 30000) AS g",
                     f"CREATE INDEX odd_idx ON {QUOTED} (text, id)", "CREATE TABLE neat AS SELECT 1 AS id",
                     f"DELETE FROM {QUOTED} WHERE id % 10 <> 0")
    eventually(lambda: postgres.execute("SELECT sum(n_dead_tup) >= 27000 FROM pg_stat_user_tables") == [(True,)], 15)
    worn = look("tables")
    allowed = look("tables", limits={"maximum_dead_rows": 27_000})
    postgres.execute(f"VACUUM ANALYZE {QUOTED}")
    estimated = look("bloat", limits=SMALL)
    postgres.execute("CREATE EXTENSION pgstattuple")
    measured = look("bloat", limits=SMALL)

    assert found(worn, "dead rows") == [("27,000 of 30,000 rows dead (90 %)", False)]
    first = worn["tables"][0]
    assert (first["table"], first["live_rows"], first["dead_rows"], first["dead_percent"]) == (ODD, 3000, 27000, 90.0)
    assert worn["evidence"][0]["resource"].endswith(f":public.{ODD}")
    assert allowed["verdict"] == "healthy"
    for result, method in ((estimated, "estimate"), (measured, "pgstattuple")):
        table = next(one for one in result["bloat"] if one["kind"] == "table")
        assert (table["name"], table["method"]) == (f"public.{ODD}", method)
        assert 80 < table["wasted_percent"] < 95
        assert table["wasted_bytes"] < table["bytes"]
        assert result["verdict"] == "unhealthy"
        assert {one["method"] for one in result["bloat"]} == {method}


def test_what_no_method_tells_of_leaves_nothing_open_and_what_was_not_analyzed_does(postgres: Postgres, look: Look) -> None:
    postgres.execute("CREATE TABLE points AS SELECT point(g, g) AS at FROM generate_series(1, 20000) AS g",
                     "CREATE INDEX points_at ON points USING gist (at)")
    fresh = look("bloat", limits=SMALL)
    postgres.execute("ANALYZE points")
    known = look("bloat", limits=SMALL)

    assert fresh["verdict"] == "unknown"
    assert "analyzed" in fresh["coverage"]["missing"][0]["reason"]
    assert known["verdict"] == "healthy", known
    assert "gist" in known["coverage"]["left_out"][0]["reason"]


def test_indexes_that_need_care_are_named(postgres: Postgres, look: Look) -> None:
    postgres.execute(f"CREATE TABLE {QUOTED} (id int PRIMARY KEY, word text, other text UNIQUE)",
                     f"INSERT INTO {QUOTED} VALUES (1, 'a', 'x'), (2, 'a', 'y')", f"CREATE INDEX twin_a ON {QUOTED} (word)",
                     f"CREATE INDEX twin_b ON {QUOTED} (word)", f"CREATE INDEX used ON {QUOTED} (id, word)",
                     "SET enable_seqscan = off", f"SELECT id, word FROM {QUOTED} WHERE id = 1 AND word = 'a'")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        postgres.execute(f"CREATE UNIQUE INDEX CONCURRENTLY broken ON {QUOTED} (word)")
    postgres.execute("DROP INDEX used")
    result, young = look("indexes", limits={"minimum_statistics_age": "0s"}), look("indexes", limits={
        "minimum_statistics_age": "36500d"})

    assert sorted(one["name"] for one in result["indexes"]["unused"]) == ["public.twin_a", "public.twin_b"]
    assert result["indexes"]["unused"][0]["table"] == f"public.{ODD}"
    (twice,) = result["indexes"]["duplicates"]
    assert (twice["keep"], twice["others"], twice["wasted_bytes"]) == ("public.twin_a", ["public.twin_b"], 16384)
    assert [(one["name"], one["being_built"]) for one in result["indexes"]["invalid"]] == [("public.broken", False)]
    for check in ("unused indexes", "duplicate indexes", "invalid indexes"):
        assert found(result, check)[0][1] is False
    assert found(young, "unused indexes")[0][1] is None


def test_an_index_that_was_used_is_not_unused(postgres: Postgres, look: Look) -> None:
    postgres.execute("CREATE TABLE shelf AS SELECT g AS id FROM generate_series(1, 1000) AS g",
                     "CREATE INDEX shelf_id ON shelf (id)", "SET enable_seqscan = off", "SELECT * FROM shelf WHERE id = 7")
    result = eventually(
        lambda: not (seen := look("indexes", limits={"minimum_statistics_age": "0s"}))["indexes"]["unused"] and seen, 15)

    assert result["verdict"] == "healthy"


@pytest.mark.parametrize(("index", "serves"), [
    ("", False), ("CREATE INDEX ON refers (a, b)", True), ("CREATE INDEX ON refers (b, a, c)", True),
    ("CREATE INDEX ON refers (a)", False), ("CREATE INDEX ON refers (c, a, b)", False),
    ("CREATE INDEX ON refers (a) INCLUDE (b)", False), ("CREATE INDEX ON refers USING brin (a, b)", False),
    ("CREATE INDEX ON refers (a, b) WHERE c > 0", False), ("ALTER TABLE refers ADD PRIMARY KEY (b, a)", True),
])
def test_a_foreign_key_needs_an_index_that_begins_with_its_columns(
    postgres: Postgres, look: Look, index: str, serves: bool
) -> None:
    postgres.execute("CREATE TABLE referred (a int, b int, PRIMARY KEY (a, b))",
                     "CREATE TABLE refers (a int, b int, c int, CONSTRAINT points FOREIGN KEY (a, b) REFERENCES referred)",
                     *filter(None, [index]))
    result = look("foreign_keys")

    assert found(result, "foreign keys without an index")[0][1] is serves
    if not serves:
        assert result["foreign_keys"] == [{"name": "points", "table": "public.refers", "columns": ["a", "b"],
                                           "referred": "public.referred", "rows": None}]


@pytest.mark.parametrize(("index", "serves"), [
    (f"CREATE INDEX ON {QUOTED} USING hash ({QUOTED})", True), (f"CREATE INDEX ON {QUOTED} ({QUOTED}) WHERE id > 0", False),
    (f"CREATE INDEX ON {QUOTED} ({QUOTED}) WHERE {QUOTED} IS NOT NULL", True),
])
def test_a_foreign_key_of_one_column_is_served_by_more(postgres: Postgres, look: Look, index: str, serves: bool) -> None:
    postgres.execute("CREATE TABLE referred (id int PRIMARY KEY)",
                     f"CREATE TABLE {QUOTED} (id int, {QUOTED} int REFERENCES referred)", index)

    assert (look("foreign_keys")["foreign_keys"] == []) is serves


def test_a_key_of_a_partitioned_table_is_told_once(postgres: Postgres, look: Look) -> None:
    postgres.execute("CREATE TABLE referred (id int PRIMARY KEY)",
                     "CREATE TABLE parent (id int REFERENCES referred) PARTITION BY RANGE (id)",
                     "CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (9)")
    before = look("foreign_keys")
    postgres.execute("CREATE INDEX ON parent (id)")

    assert [key["table"] for key in before["foreign_keys"]] == ["public.parent"]
    assert look("foreign_keys")["foreign_keys"] == []


def test_what_keeps_dead_rows_is_named(postgres: Postgres, look: Look) -> None:
    # A logical slot waits for all transactions that write, prepared ones too.
    postgres.execute("CREATE TABLE shelf (id int)", "GRANT ALL ON shelf TO app",
                     "SELECT pg_create_logical_replication_slot('gone', 'pgoutput')")
    with postgres.sessions("app") as session:
        session("forgotten", "BEGIN", "SELECT 1")
        session("shop", "BEGIN", "INSERT INTO shelf VALUES (1)", "PREPARE TRANSACTION 'order-7'")
        try:
            result = look("transactions", limits={"idle_in_transaction": "0s", "oldest_transaction": "0s",
                                                  "maximum_slot_transactions": 0})
            patient = look("transactions")
        finally:
            postgres.execute("SELECT pg_drop_replication_slot('gone')", "ROLLBACK PREPARED 'order-7'")

    assert [(one["application"], one["state"]) for one in result["transactions"]["sessions"]] == [
        ("forgotten", "idle in transaction")]
    assert [one["gid"] for one in result["transactions"]["prepared"]] == ["order-7"]
    assert [(one["name"], one["active"]) for one in result["transactions"]["slots"]] == [("gone", False)]
    assert found(result, "idle in transaction")[0][1] is False
    assert "order-7" in str(found(result, "oldest transaction"))
    assert found(result, "dead rows kept by slots")[0][1] is False
    assert patient["verdict"] == "healthy"


def test_a_slot_that_nobody_is_connected_to_is_unhealthy_with_what_it_keeps(postgres: Postgres, look: Look) -> None:
    postgres.execute("SELECT pg_create_physical_replication_slot('forgotten', true)",
                     "CREATE TABLE big AS SELECT g FROM generate_series(1, 20000) AS g")
    try:
        result = look("replication")
    finally:
        postgres.execute("SELECT pg_drop_replication_slot('forgotten')")

    (slot,) = result["replication"]["slots"]
    assert (slot["name"], slot["kind"], slot["active"], slot["wal_status"]) == ("forgotten", "physical", False, "reserved")
    assert slot["retained_bytes"] > 500_000
    assert result["verdict"] == "unhealthy"
    assert result["evidence"][0]["resource"].endswith(":forgotten")


def test_a_role_without_rights_says_what_it_may_not_see(postgres: Postgres, look: Look) -> None:
    postgres.execute("CREATE TABLE private AS SELECT g, repeat('x', 100) FROM generate_series(1, 5000) AS g",
                     "ANALYZE private")
    with postgres.sessions("app") as session:
        session("web", "BEGIN")
        result = look(user="stranger", limits=SMALL)

    assert result["verdict"] == "unknown"
    missing = {gap["resource"].rpartition("/postgres ")[2]: gap["reason"] for gap in result["coverage"]["missing"]}
    assert set(missing) == {"bloat of public.private", "sessions of other roles"}
    assert "SELECT" in missing["bloat of public.private"]
    assert "pg_monitor" in missing["sessions of other roles"]
    assert result["bloat"][0]["wasted_bytes"] is None
    assert result["sizes"]["tables"][0]["table"] == "private"


def test_a_section_that_cannot_be_read_is_a_gap_and_the_others_come(postgres: Postgres, look: Look) -> None:
    with closing(postgres.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE pg_constraint")
        result = look("foreign_keys", "wraparound", lock_timeout=1)

    assert result["verdict"] == "unknown"
    assert (result["foreign_keys"], result["wraparound"] is None) == (None, False)
    (gap,) = result["coverage"]["missing"]
    assert gap["resource"].endswith(" foreign_keys")
    assert "took too long" in gap["reason"]


@pytest.mark.parametrize("extension", ["", 'CREATE EXTENSION pgstattuple SCHEMA "odd%s"'])
def test_a_table_that_somebody_locks_hides_no_other(postgres: Postgres, look: Look, extension: str) -> None:
    for name in ("busy", "free"):
        postgres.execute(
            f"CREATE TABLE {name} (id int PRIMARY KEY, other int REFERENCES {name}, word text)",
            f"INSERT INTO {name} SELECT g, g, repeat('x', 99) FROM generate_series(1, 30000) AS g",
            f"CREATE INDEX {name}_some ON {name} (other) WHERE other IS NOT NULL", f"DELETE FROM {name} WHERE id % 10 <> 0",
            f"ANALYZE {name}")
    postgres.execute('CREATE SCHEMA IF NOT EXISTS "odd%s"', 'GRANT USAGE ON SCHEMA "odd%s" TO monitor',
                     *filter(None, [extension]))
    with closing(postgres.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE busy")
        result = look("sizes", "bloat", "indexes", "foreign_keys", "tables", limits=SMALL, lock_timeout=1)
    postgres.execute('DROP SCHEMA "odd%s" CASCADE')

    assert result["sizes"], result
    sizes = {one["table"]: one for one in result["sizes"]["tables"]}
    assert sizes["busy"]["total_bytes"] == pytest.approx(sizes["free"]["total_bytes"], rel=0.05)
    assert "as it was last counted" in str(result["coverage"]["left_out"])
    told = {one["name"]: (one["method"], one["reason"]) for one in result["bloat"] if one["kind"] == "table"}
    assert told["public.free"][0] == ("pgstattuple" if extension else "estimate")
    assert told["public.busy"][0] == "estimate"
    gaps = {gap["resource"].rpartition("/postgres")[2] for gap in result["coverage"]["missing"]}
    assert {gap for gap in gaps if "pg_toast" not in gap} == {
        " foreign key busy_other_fkey of public.busy", ":public.busy_pkey", ":public.busy_some"}
    assert (result["foreign_keys"], len(result["tables"])) == ([], 2)


@pytest.mark.parametrize(("options", "said"), [
    ({"gather": ["cash"]}, "cash"), ({"limit": 0}, "0 entries"), ({"limits": {"minimum_statistics_age": "soon"}}, "soon"),
    ({"login_port": 9}, "Connection refused"),
])
def test_options_that_mean_nothing_are_refused(look: Look, options: dict[str, Any], said: str) -> None:
    result = look(**options)

    assert result["failed"]
    assert said in result["msg"]


def test_a_standby_and_its_primary_tell_how_far_it_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    def read(server: Postgres, user: str = "monitor", **limits: Any) -> dict[str, Any]:
        return run_module("postgres_stat_info", server.options(
            login_user=user, gather=["replication", "tables", "indexes"], limits={"minimum_statistics_age": "0s", **limits}))

    with running_postgres(tmp_path_factory.mktemp("primary")) as primary:
        primary.execute("CREATE ROLE monitor LOGIN IN ROLE pg_monitor", "CREATE ROLE stranger LOGIN",
                        "CREATE TABLE shelf (id int)", "CREATE INDEX shelf_id ON shelf (id)", "INSERT INTO shelf VALUES (1)",
                        "SET enable_seqscan = off", "SELECT * FROM shelf WHERE id = 1")
        with running_standby(primary, tmp_path_factory.mktemp("standby")) as standby:
            primary.execute("SELECT pg_create_physical_replication_slot('followed')")
            standby.execute("ALTER SYSTEM SET primary_slot_name = 'followed'", "SELECT pg_reload_conf()")
            followed = eventually(lambda: (seen := read(primary))["verdict"] == "healthy" and seen, 15)
            following = eventually(lambda: (seen := read(standby))["replication"]["following"]["receiving"] and seen, 15)
            hidden = read(primary, "stranger")
            standby.execute("SELECT pg_wal_replay_pause()")
            primary.execute("CREATE TABLE big AS SELECT g FROM generate_series(1, 20000) AS g")
            stuck = eventually(lambda: (seen := read(primary, maximum_replication_lag_bytes=100_000))[
                "replication"]["standbys"][0]["lag_bytes"] > 500_000 and seen, 15)
            paused = read(standby)
        alone = eventually(lambda: not (seen := read(primary))["replication"]["standbys"] and seen, 15)

    (one,) = followed["replication"]["standbys"]
    assert (one["application"], one["state"], one["sync"]) == ("walreceiver", "streaming", "async")
    assert found(followed, "replication lag")[0][1] is True
    assert found(followed, "replication slot")[0][1] is True
    assert found(following, "replay")[0] == ({"behind_seconds": 0.0, "receiving": True, "paused": False}, True)
    assert following["server"]["in_recovery"]
    assert "a standby counts none" in following["coverage"]["missing"][0]["reason"]
    assert found(following, "unused indexes") == [(["public.shelf_id"], None)]
    assert "pg_monitor" in hidden["coverage"]["missing"][0]["reason"]
    assert found(hidden, "replication lag")[0][1] is None
    assert found(stuck, "replication lag")[0][1] is False
    assert found(paused, "replay")[0][1] is False
    assert found(alone, "replication slot")[0][1] is False


def test_statistics_that_a_crash_has_emptied_begin_with_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_postgres(tmp_path_factory.mktemp("crashing")) as server:
        options = server.options(gather=["indexes"], limits={"minimum_statistics_age": "1m"})
        server.execute("CREATE TABLE shelf (id int)", "CREATE INDEX shelf_id ON shelf (id)", "CHECKPOINT")
        before = run_module("postgres_stat_info", options)
        os.kill(server.connect().info.backend_pid, signal.SIGKILL)
        after = eventually(lambda: (seen := run_module("postgres_stat_info", options)).get("server", {}).get(
            "counted_since", "") > before["server"]["counted_since"] and seen, 15)

    assert found(after, "unused indexes") == [(["public.shelf_id"], None)]
