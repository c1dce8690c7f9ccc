"""Partitions that postgres_retention began to drop: what is as it was left is finished, what somebody took is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.engine import carry_out
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres import retention_partitions
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention import retain
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention_rules import retention_of
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module

LOCK = "BEGIN; LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), log_statement="all") as server:
        server.execute("CREATE ROLE owner", "CREATE ROLE operator LOGIN IN ROLE owner")
        yield server


@pytest.fixture(autouse=True)
def events(postgres: Postgres) -> Iterator[None]:
    """A table with two partitions that are past their time, and one that is not."""
    postgres.execute(
        "CREATE TABLE events (id int, at timestamptz, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
        *(f"CREATE TABLE y{year} PARTITION OF events FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')"
          for year in (2019, 2020)), "CREATE TABLE rest PARTITION OF events FOR VALUES FROM ('2021-01-01') TO (MAXVALUE)",
        *(f"INSERT INTO events SELECT g, {at} FROM generate_series(1, 50) AS g" for at in ("'2019-06-01'", "'2020-06-01'")),
        "INSERT INTO events SELECT g, now() FROM generate_series(1, 500) AS g", "CREATE SCHEMA archive AUTHORIZATION owner",
        *(f"ALTER TABLE {name} OWNER TO owner" for name in ("events", "y2019", "y2020", "rest")))
    yield
    postgres.execute("DROP SCHEMA archive CASCADE", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public",
                     "GRANT ALL ON SCHEMA public TO owner")


@pytest.fixture
def do(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(check_mode: bool = False, older_than: str = "90d", **options: Any) -> dict[str, Any]:
        rules = [{"table": "events", "column": "at", "older_than": older_than}]
        given = {"login_user": "operator", "rules": rules, "wait_timeout": 30, "lock_timeout": 1, **options}
        return run_module("postgres_retention", postgres.options(**given), check_mode=check_mode)

    return run


Do = Callable[..., dict[str, Any]]


def comment(postgres: Postgres, table: str) -> str | None:
    return postgres.execute(f"SELECT obj_description('{table}'::regclass)")[0][0]


def tables(postgres: Postgres) -> set[str]:
    return {name for (name,) in postgres.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('public', "
        "'archive')")}


def kept(result: dict[str, Any]) -> dict[str, str]:
    return {entry["resource"].rpartition(":")[2]: entry["reason"] for entry in result["kept"]}


def end_after(monkeypatch: pytest.MonkeyPatch, do: Do, step: str) -> None:
    """A run that is killed after it marked a partition, or detached it."""
    carried_out = getattr(retention_partitions, step)

    def then_die(*given: Any) -> None:
        carried_out(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(retention_partitions, step, then_die)
        with pytest.raises(KeyboardInterrupt):
            do(protected=["public.y2020"])


def test_where_the_lock_is_not_to_be_had_nothing_is_marked(postgres: Postgres, do: Do) -> None:
    postgres.execute("COMMENT ON TABLE y2020 IS 'of the old site'")
    holder = postgres.connect()
    holder.cursor().execute(LOCK)
    before = len(postgres.log)
    result = do()
    holder.close()

    assert "COMMENT ON" not in postgres.log[before:]
    assert result["failed"]
    assert result["changed"] is False
    assert "lock timeout" in result["failed_resources"][0]["reason"]
    assert "begun" not in result["msg"]
    assert (comment(postgres, "y2019"), comment(postgres, "y2020")) == (None, "of the old site")


def test_where_detaching_fails_before_it_began_the_mark_is_taken_back_and_an_archived_partition_stays(
    postgres: Postgres, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.execute("COMMENT ON TABLE y2019 IS 'of the old site'")
    holder, detach, seen = postgres.connect(), retention_partitions._detach, []

    def locked(*given: Any) -> None:
        seen.append(comment(postgres, "y2019"))
        holder.cursor().execute(LOCK if len(seen) == 1 else "SELECT 1")
        detach(*given)

    with monkeypatch.context() as patch:
        patch.setattr(retention_partitions, "_detach", locked)
        first = do()
    holder.close()
    after = comment(postgres, "y2019")
    postgres.execute("ALTER TABLE events DETACH PARTITION y2019", "ALTER TABLE y2019 RENAME TO events_of_2019",
                     "ALTER TABLE events_of_2019 SET SCHEMA archive")
    second = do()

    assert "opsbook retention" in seen[0]
    assert first["failed"]
    assert first["changed"] is False
    assert "begun" not in first["msg"]
    assert after == "of the old site"
    assert not second.get("failed"), second["msg"]
    assert tables(postgres) == {"rest", "archive.events_of_2019"}


def test_what_a_killed_run_had_marked_only_and_somebody_detaches_is_kept(
    postgres: Postgres, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_after(monkeypatch, do, "_mark")
    postgres.execute("ALTER TABLE events DETACH PARTITION y2019")
    result = do()

    assert not result.get("failed"), result["msg"]
    assert "before it was known whether that run or somebody else detached it" in kept(result)["public.y2019"]
    assert tables(postgres) == {"rest", "y2019"}


def test_what_a_killed_run_had_marked_only_goes_with_the_next(
    postgres: Postgres, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_after(monkeypatch, do, "_mark")
    result = do()

    assert not result.get("failed"), result["msg"]
    assert tables(postgres) == {"rest"}


@pytest.mark.parametrize(("taken", "now"), [
    (("ALTER TABLE y2019 RENAME TO events_of_2019",), "events_of_2019"),
    (("ALTER TABLE y2019 SET SCHEMA archive",), "archive.y2019"),
    (("ALTER TABLE y2019 ADD note text",), "y2019"),
    (("ALTER TABLE events ATTACH PARTITION y2019 FOR VALUES FROM ('2019-01-01') TO ('2020-01-01')",
      "ALTER TABLE events DETACH PARTITION y2019"), "y2019"),
    (("CREATE TABLE other (LIKE y2019 INCLUDING COMMENTS)", "INSERT INTO other SELECT * FROM y2019",
      "DO $$ BEGIN EXECUTE format('COMMENT ON TABLE other IS %L', obj_description('y2019'::regclass)); END $$",
      "DROP TABLE y2019", "ALTER TABLE other RENAME TO y2019", "ALTER TABLE y2019 OWNER TO owner"), "y2019"),
])
def test_what_a_killed_run_detached_and_somebody_took_is_kept(
    postgres: Postgres, do: Do, monkeypatch: pytest.MonkeyPatch, taken: tuple[str, ...], now: str
) -> None:
    end_after(monkeypatch, do, "_detach")
    postgres.execute(*taken)
    result = do()

    assert not result.get("failed"), result["msg"]
    assert "somebody has altered it since" in kept(result)[now if "." in now else f"public.{now}"]
    assert tables(postgres) == {"rest", now}


def test_a_leftover_is_counted_said_and_limited_as_any_other(
    postgres: Postgres, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_after(monkeypatch, do, "_detach")
    refused, planned = do(maximum_percent=10), do(check_mode=True)

    assert refused["failed"]
    assert "public.events: 100 of 600 rows" in refused["msg"]
    assert planned["changes"][0]["summary"] == (
        "drop public.y2019 with 50 rows, which an earlier run detached from public.events")
    assert tables(postgres) == {"rest", "y2019", "y2020"}


@pytest.mark.parametrize(("taken", "said"), [
    (("INSERT INTO y2019 VALUES (99, '2019-12-01')",), "somebody wrote to it since it was counted"),
    (("ALTER TABLE y2019 RENAME TO kept", "CREATE TABLE y2019 (id int)", "ALTER TABLE y2019 OWNER TO owner"),
     "it is gone, or has another name now"),
    (("ALTER TABLE events ATTACH PARTITION y2019 FOR VALUES FROM ('2019-01-01') TO ('2020-01-01')",),
     "somebody has attached it again"),
    (("COMMENT ON TABLE y2019 IS NULL",), "does not say any more that it may be dropped"),
])
def test_a_leftover_is_looked_at_again_where_it_is_dropped(
    postgres: Postgres, do: Do, monkeypatch: pytest.MonkeyPatch, taken: tuple[str, ...], said: str
) -> None:
    end_after(monkeypatch, do, "_detach")
    ((days,),) = postgres.execute("SELECT now()::date - date '2019-07-01'")
    once = iter([taken])
    options = postgres.options(
        login_user="operator", login_db="postgres", batch_size=5000, maximum_replication_lag="30s", maximum_waiting=0,
        maximum_percent=50.0, maximum_replication_lag_bytes=0, maximum_retained_bytes=0, cascade=False,
        rules=[{"table": "events", "column": "at", "older_than": f"{days}d"}])
    run = Run(30, permit=lambda: postgres.execute(*next(once, ("SELECT 1",))))
    report = carry_out(retain(connector(options), run, place_of(options), retention_of(options)), run)

    assert [said in failure["reason"] for failure in report.failures] == [True]
    assert "y2019" in tables(postgres)


@pytest.mark.parametrize("older_than", ["90d", "9000d"])
def test_what_somebody_else_began_to_detach_is_kept_and_the_others_wait_for_that(
    postgres: Postgres, do: Do, older_than: str
) -> None:
    began_to_detach(postgres, "y2019")
    first = do(older_than=older_than)
    postgres.execute("ALTER TABLE events DETACH PARTITION y2019 FINALIZE")
    second = do()

    assert "was begun, and not in order to drop it by this rule" in kept(first)["public.y2019"]
    gaps = [gap["reason"] for gap in first["coverage"]["missing"]]
    assert gaps == (["the detaching of public.y2019 was begun and has to end before"] if older_than == "90d" else [])
    assert not second.get("failed"), second["msg"]
    assert tables(postgres) == {"rest", "y2019"}


def test_what_was_begun_is_finished_before_another_is_begun_with(postgres: Postgres, do: Do) -> None:
    reader = postgres.connect()
    reader.cursor().execute("BEGIN; SELECT FROM events")
    first = do(protected=["public.y2019"])
    reader.close()
    longer, second = do(older_than="9000d"), do()

    assert "Its detaching was begun" in first["failed_resources"][0]["reason"]
    assert longer["changed"] is False
    assert "was begun, and not in order to drop it by this rule" in kept(longer)["public.y2020"]
    assert not second.get("failed"), second["msg"]
    assert tables(postgres) == {"rest"}


@pytest.mark.parametrize(("written", "named"), [
    ("opsbook retention: partition of public.events until never", set()),
    ('opsbook retention: {"partition of": "public.events"}\nmine', set()),
    ('opsbook retention: {"partition of": "public.other", "partition": 1, "oid": 1, "detached as": "x"}', set()),
    ('opsbook retention: {"partition of": "public.events", "partition": 1, "oid": 1, "detached as": "x"}', {"public.alike"}),
])
def test_a_comment_that_somebody_wrote_is_no_obstacle(
    postgres: Postgres, do: Do, written: str, named: set[str]
) -> None:
    postgres.execute("CREATE TABLE bystander (id int)", "CREATE TABLE alike (id int, at timestamptz)",
                     "INSERT INTO alike VALUES (1, '2019-06-01')",
                     *(f"ALTER TABLE {name} OWNER TO owner" for name in ("bystander", "alike")),
                     *(f"COMMENT ON TABLE {name} IS '{written}'" for name in ("bystander", "alike", "y2020")))
    result = do()

    assert not result.get("failed"), result["msg"]
    assert set(kept(result)) == named | {"public.rest"}
    assert tables(postgres) == {"rest", "bystander", "alike"}


def began_to_detach(postgres: Postgres, partition: str) -> None:
    """As a person whose wait for the others ended."""
    reader, person = postgres.connect(), postgres.connect()
    reader.cursor().execute("BEGIN; SELECT FROM events")
    person.cursor().execute("SET lock_timeout = 300")
    with pytest.raises(psycopg2.errors.LockNotAvailable):
        person.cursor().execute(f"ALTER TABLE events DETACH PARTITION {partition} CONCURRENTLY")
    reader.close()
    person.close()
