"""postgres_query_info on a real server: what takes long, since when, without secrets, and what could not be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module

SLOW = "SELECT pg_sleep(0.15), 'canary-in-a-constant'"
SECRETS = ("ALTER ROLE app PASSWORD 'canary-password'", "DO $x$ BEGIN PERFORM 'canary-in-a-block', pg_sleep(0.11); END $x$",
           "COMMENT ON ROLE app IS E'it\\'s a canary-in-a-comment'")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        server.execute("CREATE ROLE monitor LOGIN IN ROLE pg_monitor", "CREATE ROLE app LOGIN",
                       "CREATE ROLE stranger LOGIN", "CREATE ROLE outsider LOGIN", 'CREATE SCHEMA "Odd.%s"',
                       'CREATE EXTENSION pg_stat_statements SCHEMA "Odd.%s"', "CREATE DATABASE elsewhere",
                       'GRANT USAGE ON SCHEMA "Odd.%s" TO monitor, stranger')
        yield server


@pytest.fixture
def look(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(user: str = "monitor", **options: Any) -> dict[str, Any]:
        return run_module("postgres_query_info", postgres.options(**{"login_user": user, **options}))

    return run


@pytest.fixture
def app(postgres: Postgres) -> Iterator[Callable[[str], Any]]:
    """Carries out statements of the application, with nothing counted before."""
    postgres.execute('SELECT "Odd.%s".pg_stat_statements_reset()')
    with postgres.sessions("app") as session:
        connection = session("web")
        yield lambda statement: connection.cursor().execute(statement)


Look = Callable[..., dict[str, Any]]
App = Callable[[str], Any]


def test_a_slow_statement_is_unhealthy_and_told_by_its_shape(look: Look, app: App) -> None:
    for text in (SLOW, SLOW.replace("canary", "other"), "SELECT 1"):
        app(text)
    result = look()
    (slow,) = result["queries"]

    assert (result["verdict"], result["changed"], result["matching"]) == ("unhealthy", False, 1)
    assert (slow["text"], slow["user"], slow["calls"], slow["nested"]) == ("SELECT pg_sleep($1), $2", "app", 2, False)
    assert 150 <= slow["mean_ms"] <= slow["max_ms"] <= slow["total_ms"] <= result["total_ms"]
    assert 50 < slow["percent"] <= 100
    assert slow["rows"] == 2
    assert result["evidence"][0]["resource"].endswith(f"postgres:{slow['queryid']}")
    assert result["since"]
    assert result["dropped"] == 0
    assert "canary" not in str(result)


def test_a_database_whose_statements_are_fast_is_healthy(look: Look, app: App) -> None:
    app("SELECT 1")
    result = look()

    assert (result["verdict"], result["queries"]) == ("healthy", [])
    assert result["counted"] > 0


def test_what_is_called_often_and_what_comes_first_is_chosen(look: Look, app: App) -> None:
    app(SLOW)
    for _number in range(30):
        app("SELECT 2")
    everything = {"minimum_mean_ms": 0}

    assert look(minimum_calls=2)["verdict"] == "healthy"
    assert [query["text"] for query in look(**everything, order_by="calls", limit=1)["queries"]] == ["SELECT $1"]
    for order in ("total", "mean"):
        first = look(**everything, order_by=order, limit=1)
        assert first["queries"][0]["text"] == "SELECT pg_sleep($1), $2"
        assert (first["verdict"], first["matching"]) == ("healthy", first["counted"])


def test_blocks_and_temporary_files_are_told(look: Look, app: App) -> None:
    app("SET work_mem = '64kB'")
    app("SELECT count(*) FROM (SELECT g FROM generate_series(1, 50000) AS g ORDER BY random()) AS sorted")
    app("SELECT count(*) FROM pg_class")
    told = {query["text"]: query for query in look(minimum_mean_ms=0, limit=100)["queries"]}

    assert next(query for text, query in told.items() if "random" in text)["temp_blocks"] > 0
    assert 0 < told["SELECT count(*) FROM pg_class"]["hit_percent"] <= 100


def test_no_secret_of_a_statement_is_told(postgres: Postgres, look: Look, app: App) -> None:
    postgres.execute(*SECRETS)
    result = look(minimum_mean_ms=0, limit=1000)
    texts = [query["text"] for query in result["queries"]]

    assert "canary" not in str(result)
    for shown in ("ALTER ROLE app PASSWORD '***'", "DO '***'", "COMMENT ON ROLE app IS '***'"):
        assert shown in texts
    assert "canary" not in str(look()["evidence"])


def test_a_statement_inside_of_another_is_not_counted_twice(postgres: Postgres, look: Look, app: App) -> None:
    postgres.execute("CREATE OR REPLACE FUNCTION naps() RETURNS void LANGUAGE plpgsql "
                     "AS $$BEGIN PERFORM pg_sleep(0.15); END$$",
                     "ALTER ROLE app SET pg_stat_statements.track = 'all'")
    try:
        with postgres.sessions("app") as session:
            session("web", "SELECT naps()")
            result = look(order_by="mean")
    finally:
        postgres.execute("ALTER ROLE app RESET pg_stat_statements.track")

    assert sorted((query["nested"], query["text"]) for query in result["queries"]) == [
        (False, "SELECT naps()"), (True, "SELECT pg_sleep($1)")]
    assert all(50 < query["percent"] <= 100 for query in result["queries"])


def test_what_others_do_is_told_without_its_text_and_never_healthy(look: Look, app: App) -> None:
    app("SELECT 1")
    fast = look("stranger")
    app(SLOW)
    slow = look("stranger")

    assert fast["verdict"] == "unknown"
    assert "pg_monitor" in fast["coverage"]["missing"][0]["reason"]
    assert slow["verdict"] == "unhealthy"
    assert [(query["queryid"], query["text"], query["user"]) for query in slow["queries"]] == [(None, None, "app")]
    assert slow["evidence"][0]["actual"]["text"] == "hidden"


@pytest.mark.parametrize(("options", "reason"), [
    ({"login_db": "elsewhere"}, "CREATE EXTENSION pg_stat_statements"), ({"user": "outsider"}, "GRANT USAGE ON SCHEMA"),
])
def test_an_extension_that_is_not_there_or_not_usable_is_unknown(look: Look, options: dict[str, Any], reason: str) -> None:
    result = look(**options)

    assert (result["verdict"], result["queries"], result["evidence"]) == ("unknown", [], [])
    assert reason in result["coverage"]["missing"][0]["reason"]


def test_a_database_where_nothing_is_counted_is_unknown(postgres: Postgres, look: Look) -> None:
    postgres.execute("CREATE DATABASE quiet")
    connection = postgres.connect(dbname="quiet")
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION pg_stat_statements")
            cursor.execute("ALTER DATABASE quiet SET pg_stat_statements.track = 'none'")
            cursor.execute("SELECT pg_stat_statements_reset()")
    finally:
        connection.close()
    postgres.execute("SELECT \"Odd.%s\".pg_stat_statements_reset(dbid => (SELECT oid FROM pg_database "
                     "WHERE datname = 'quiet'))")
    result = look(login_db="quiet")

    assert result["verdict"] == "unknown"
    assert "pg_stat_statements.track" in result["coverage"]["missing"][0]["reason"]


def test_an_extension_that_is_not_loaded_is_unknown(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_postgres(tmp_path_factory.mktemp("unloaded"), shared_preload_libraries="") as server:
        server.execute("CREATE EXTENSION pg_stat_statements")
        result = run_module("postgres_query_info", server.options())

    assert result["verdict"] == "unknown"
    assert "shared_preload_libraries" in result["coverage"]["missing"][0]["reason"]


@pytest.mark.parametrize(("options", "said"), [
    ({"minimum_calls": 0}, "0 calls"), ({"limit": 0}, "0 statements"), ({"minimum_mean_ms": -1}, "-1 ms"),
    ({"order_by": "rows"}, "order_by"), ({"login_port": 9}, "Connection refused"),
])
def test_options_that_mean_nothing_are_refused(look: Look, options: dict[str, Any], said: str) -> None:
    result = look(**options)

    assert result["failed"]
    assert said in result["msg"]
