"""The databases of the lab are there, fresh, looked after by a role of its own, used by applications, and can be reset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis

from lab.databases import wiring
from lab.databases.contents import DATABASES
from lab.databases.load import Load, Place
from lab.folders import SECRETS, LabError, read_json
from tests.support.databases import running_databases
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("databases")


@pytest.fixture(scope="module")
def status(folder: Path) -> Iterator[dict[str, Any]]:
    with running_databases(folder, systems=["analytics", "media"]) as status:
        yield status


def ask(status: dict[str, Any], system: str, statement: str, user: str = "postgres", password: str = "") -> list[Any]:
    place = status["postgres"][system]
    connection = psycopg2.connect(
        host=place["host"], port=place["port"], dbname=place["database"], user=user, password=password)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def cache(status: dict[str, Any], system: str) -> redis.Redis:
    place = status["redis"][system]
    return redis.Redis(port=place["port"], db=place["database"], password=place["password"], decode_responses=True)


@pytest.mark.parametrize("system", ["analytics", "media"])
def test_a_database_holds_a_million_rows(status: dict[str, Any], system: str) -> None:
    rows = ask(status, system, "SELECT sum(n_live_tup) FROM pg_stat_user_tables")[0][0]
    assert 900_000 < rows < 1_300_000


@pytest.mark.parametrize(
    ("system", "table", "moment", "days"),
    [("media", "user_activity", "created_at", 89), ("media", "users", "created_at", 975),
     ("media", "search_history", "created_at", 59), ("media", "cost_tracking", "created_at", 59),
     ("media", "embeddings", "created_at", 360), ("analytics", "metrics_snapshots", "captured_at", 89),
     ("analytics", "job_executions", "started_at", 59)],
)
def test_rows_reach_back_and_up_to_now(status: dict[str, Any], table: str, system: str, moment: str, days: int) -> None:
    first, last = ask(status, system, f"SELECT min({moment}), max({moment}) FROM {table}")[0]
    now = datetime.now(UTC)
    assert now - first > timedelta(days=days)
    assert timedelta() < now - last + timedelta(minutes=1) < timedelta(hours=3)


def test_people_come_by_day_and_less_on_weekends(status: dict[str, Any]) -> None:
    hour, weekday = "extract(hour FROM created_at AT TIME ZONE 'UTC')", "extract(isodow FROM created_at)"
    counted = ", ".join(f"count(*) FILTER (WHERE {when})" for when in (
        f"{hour} = 12", f"{hour} = 0", f"{weekday} = 2", f"{weekday} = 7"))
    noon, night, tuesday, sunday = ask(status, "media", f"SELECT {counted} FROM user_activity")[0]
    assert noon > 2 * night
    assert tuesday > 1.2 * sunday


def test_everything_refers_to_what_exists(status: dict[str, Any]) -> None:
    for table in ("user_activity", "media_items", "search_history", "cost_tracking", "payment_events"):
        stray = ask(status, "media", f"SELECT count(*) FROM {table} t WHERE NOT EXISTS "
                    "(SELECT FROM users u WHERE u.id = t.user_id)")
        assert stray == [(0,)], table
    assert ask(status, "analytics", "SELECT count(*) FROM metrics_snapshots t WHERE NOT EXISTS "
               "(SELECT FROM accounts a WHERE a.id = t.account_id)") == [(0,)]


def test_there_is_work_for_those_who_look_after_it(status: dict[str, Any]) -> None:
    dead = dict(ask(status, "media", "SELECT relname, n_dead_tup FROM pg_stat_user_tables WHERE n_dead_tup > 1000"))
    assert set(dead) == {"media_items", "search_history"}
    twice = "SELECT count(*) FROM pg_index GROUP BY indrelid, indkey::text HAVING count(*) > 1"
    assert ask(status, "media", twice) == ask(status, "analytics", twice) == [(2,)]
    scanned = "SELECT indexrelname, idx_scan > 0 FROM pg_stat_user_indexes"
    used = eventually(lambda: (seen := dict(ask(status, "media", scanned)))["users_email_key"] and seen)
    assert not used["user_activity_action_idx"]
    assert ask(status, "media", "SELECT max(calls) FROM pg_stat_statements")[0][0] >= 40


def test_the_applications_have_sessions_and_open_them_again(status: dict[str, Any]) -> None:
    count = "SELECT application_name, count(*) FROM pg_stat_activity WHERE usename = 'media' GROUP BY 1"
    assert dict(ask(status, "media", count)) == {"media-api": 3, "media-worker": 2}
    ask(status, "media", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'media'")
    eventually(lambda: dict(ask(status, "media", count)) == {"media-api": 3, "media-worker": 2})


def test_only_who_knows_the_password_gets_in(status: dict[str, Any]) -> None:
    place = status["postgres"]["media"]
    assert ask(status, "media", "SELECT current_user", place["user"], place["password"]) == [("opsbook_monitor",)]
    for user in (place["user"], "media"):
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            ask(status, "media", "SELECT 1", user, "wrong")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=status["redis"]["media"]["port"]).get("a")


def test_the_monitor_sees_sessions_and_reads_no_rows(status: dict[str, Any]) -> None:
    place = status["postgres"]["media"]
    monitor = (place["user"], place["password"])
    assert ask(status, "media", "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle'", *monitor)[0][0] >= 9
    for statement in ("SELECT * FROM users", "CREATE TABLE public.another (id int)", "SELECT * FROM opsbook_locks"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(status, "media", statement, *monitor)


@pytest.mark.parametrize("system", ["analytics", "media"])
def test_the_operator_does_what_the_owner_may_and_is_no_superuser(status: dict[str, Any], system: str) -> None:
    place = status["postgres"][system]
    operator = (place["operator_user"], place["operator_password"])
    may = ("SELECT rolcreatedb AND NOT rolsuper AND pg_has_role('pg_monitor', 'usage') AND "
           "pg_has_role('pg_signal_backend', 'usage') FROM pg_roles WHERE rolname = current_user")
    assert ask(status, system, may, *operator) == [(True,)]
    owned = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND NOT pg_has_role(tableowner, 'usage')"
    assert ask(status, system, owned, *operator) == [(1,)], "all but the run lock's table"
    assert ask(status, system, "SELECT count(*) FROM opsbook_locks", *operator) == [(0,)], "a dump reads that one too"


@pytest.mark.parametrize("system", ["analytics", "media"])
def test_a_load_reads_and_writes_and_says_how_long_it_waited(folder: Path, status: dict[str, Any], system: str) -> None:
    database = DATABASES[system]
    place = Place(status["postgres"][system]["port"], system, system, read_json(folder / SECRETS)["databases"][system])
    with Load(place, database.traffic, clients=4, rate=200) as load:
        assert not load.ended_within(2)

    assert set(load.waits) == {one.name for one in database.traffic}
    for waits in load.waits.values():
        assert waits.done > waits.failed == 0
        assert 0 < waits.median_ms <= waits.high_ms <= waits.longest_ms


def test_a_load_that_can_do_nothing_says_why(status: dict[str, Any]) -> None:
    place = Place(status["postgres"]["media"]["port"], "media", "media", "wrong")
    refused = pytest.raises(LabError, match="password authentication failed")
    with refused, Load(place, DATABASES["media"].traffic, clients=2) as load:
        assert load.ended_within(30)


@pytest.mark.parametrize("reset", [False, True])
def test_the_lock_has_a_login_that_may_do_nothing_else(folder: Path, status: dict[str, Any], reset: bool) -> None:
    place = status["postgres"]["media"]
    keeper = (place["lock_user"], place["lock_password"])
    if reset:
        wiring.reset(folder)
    row = "INSERT INTO public.opsbook_locks VALUES ('media', '', '', '', '', 1, 0) RETURNING fence"
    assert ask(status, "media", row, *keeper) == [(1,)]
    assert ask(status, "media", "UPDATE public.opsbook_locks SET fence = 2 RETURNING fence", *keeper) == [(2,)]
    for statement in ("SELECT * FROM users", "CREATE TABLE public.another (id int)", "DELETE FROM public.opsbook_locks"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(status, "media", statement, *keeper)


def test_redis_holds_a_realistic_key_space_within_its_memory(status: dict[str, Any]) -> None:
    info = cache(status, "media").info()
    assert 18_000 < info["db0"]["keys"] + info["db1"]["keys"] < 25_000
    assert info["used_memory"] < info["maxmemory"] / 4
    assert info["maxmemory_policy"] == "volatile-lru"
    assert info["keyspace_hits"] > 5 * info["keyspace_misses"] > 0
    assert cache(status, "media").llen("media:queue:embeddings") == 14
    assert cache(status, "analytics").xlen("analytics:events") == 600


def test_passwords_are_only_where_they_belong(folder: Path, status: dict[str, Any]) -> None:
    secrets = read_json(folder / SECRETS)["databases"].values()
    command_lines = b"".join(
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.name != str(os.getpid()))
    logs = b"".join(path.read_bytes() for path in folder.glob("*.log"))
    for secret in secrets:
        assert secret.encode() not in command_lines + logs


def test_reset_undoes_what_was_done_to_both(folder: Path, status: dict[str, Any]) -> None:
    for statement in (
        "DROP TABLE embeddings", "CREATE ROLE guest", "ALTER ROLE media PASSWORD 'other' CONNECTION LIMIT 1",
        "GRANT pg_signal_backend TO media", "ALTER ROLE media SET work_mem = '64kB'",
        "ALTER SYSTEM SET log_min_messages = 'fatal'",
    ):
        ask(status, "media", statement)
    store = cache(status, "media")
    store.flushall()
    store.config_set("maxmemory", 1 << 20)
    store.acl_setuser("guest", enabled=True, nopass=True)
    wiring.reset(folder)
    assert ask(status, "media", "SELECT count(*) > 100000 FROM embeddings") == [(True,)]
    role = "SELECT to_regrole('guest'), pg_has_role('media', 'pg_signal_backend', 'USAGE'), rolconnlimit, rolconfig"
    assert ask(status, "media", f"{role} FROM pg_roles WHERE rolname = 'media'") == [(None, False, -1, None)]
    assert ask(status, "media", "SELECT count(*) FROM pg_file_settings WHERE name = 'log_min_messages'") == [(0,)]
    assert store.config_get("maxmemory") == {"maxmemory": str(64 << 20)}
    assert store.acl_users() == ["default"]
    assert store.dbsize() > 10_000
    eventually(lambda: ask(status, "media", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'media'") == [(5,)])


def test_a_second_lab_shares_only_what_nobody_writes_to(status: dict[str, Any], tmp_path: Path) -> None:
    with running_databases(tmp_path, systems=["analytics", "media"]) as other:
        ask(other, "media", "DELETE FROM payment_events; CHECKPOINT")
        assert other["postgres"]["media"]["password"] != status["postgres"]["media"]["password"]
        assert ask(status, "media", "SELECT count(*) > 5000 FROM payment_events") == [(True,)]
        wiring.reset(tmp_path)
        assert ask(other, "media", "SELECT count(*) > 5000 FROM payment_events") == [(True,)]


def test_a_reset_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with running_databases(tmp_path, systems=["media"]) as status:
        ask(status, "media", "ALTER DATABASE pristine_media RENAME TO gone")
        with pytest.raises(LabError, match=r"(?s)stop the lab and start it again.*pristine_media"):
            wiring.reset(tmp_path)


def test_the_same_seed_gives_the_same_rows(status: dict[str, Any], tmp_path: Path) -> None:
    digest = "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM cost_tracking t WHERE created_at < current_date - 8"
    with running_databases(tmp_path, systems=["analytics", "media"]) as same:
        assert ask(same, "media", digest) == ask(status, "media", digest)
