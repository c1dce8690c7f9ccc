"""postgres_retention under load: writers go on, kills and restarts lose nothing, standbys and those who wait are minded."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.engine import carry_out
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Stopped
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention import retain
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention_rules import retention_of
from lab.processes import child_environment
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module
from tests.support.standbys import frozen_receiver, running_standby
from tests.support.waiting import eventually

ROWS, OLD = 200_000, 80_000
RULES = [{"table": "events", "column": "at", "older_than": "90d"}]
DEFAULTS = {"batch_size": 5000, "maximum_replication_lag": "30s", "maximum_waiting": 0, "maximum_percent": 50.0,
            "maximum_replication_lag_bytes": 134_217_728, "maximum_retained_bytes": 1_073_741_824, "cascade": False,
            "rules": RULES, "login_user": "operator", "login_db": "postgres"}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), log_statement="all", wal_level="replica") as server:
        server.execute("CREATE ROLE operator LOGIN IN ROLE pg_monitor", "CREATE ROLE app LOGIN", "CREATE ROLE blind LOGIN",
                       "CREATE TABLE pristine AS SELECT g AS id, now() - CASE WHEN g % 5 < 2 THEN interval '100 days' "
                       f"ELSE interval '1 day' END AS at, 0 AS seen FROM generate_series(1, {ROWS}) AS g")
        yield server


@pytest.fixture
def events(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[Callable[[], tuple[int, int, int]]]:
    """A table, two fifths of its rows old; tells how many rows it has, how many old ones, and the sum of the others' ids."""
    postgres.execute("CREATE TABLE events AS TABLE pristine", "ALTER TABLE events ADD PRIMARY KEY (id)",
                     "GRANT ALL ON events TO operator, app, blind", "ANALYZE events",
                     *(["CREATE INDEX ON events (at)"] if getattr(request, "param", "") == "by column" else []))
    yield lambda: postgres.execute("SELECT count(*), count(*) FILTER (WHERE id % 5 < 2), "
                                   f"sum(id) FILTER (WHERE id % 5 >= 2 AND id <= {ROWS}) FROM events")[0]
    postgres.execute("DROP TABLE events CASCADE")


@pytest.fixture
def do(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(check_mode: bool = False, **options: Any) -> dict[str, Any]:
        given = {"login_user": "operator", "rules": RULES, "wait_timeout": 60, **options}
        return run_module("postgres_retention", postgres.options(**given), check_mode=check_mode)

    return run


Do = Callable[..., dict[str, Any]]
Events = Callable[[], tuple[int, int, int]]
both_ways = pytest.mark.parametrize("events", ["by key", "by column"], indirect=True)
KEPT = sum(number for number in range(1, ROWS + 1) if number % 5 >= 2)


@both_ways
def test_writers_go_on_and_nothing_that_is_kept_is_lost(postgres: Postgres, events: Events, do: Do) -> None:
    with writing(postgres) as written:
        eventually(lambda: min(written) > 20)
        before = list(written)
        result = do()
        during = [now - then for now, then in zip(written, before, strict=True)]

    assert not result.get("failed"), result["msg"]
    assert events() == (ROWS - OLD + written[0], 0, KEPT)
    # No old row came in, and every change of a row that stays has stayed.
    assert postgres.execute("SELECT sum(seen) FROM events") == [(written[1],)]
    assert min(during) > 20
    assert result["evidence"][0]["actual"]["deleted"] == OLD


@both_ways
def test_a_killed_run_is_taken_up_where_it_was(postgres: Postgres, events: Events, do: Do) -> None:
    postgres.execute("CREATE TABLE gone (id int)", "GRANT ALL ON gone TO operator",
                     "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO gone VALUES (OLD.id); "
                     "RETURN OLD; END'", "CREATE TRIGGER audit BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION note()")
    try:
        worker = started(postgres, batch_size=500)
        eventually(lambda: events()[1] < OLD - 5000)
        worker.kill()
        worker.wait()
        eventually(lambda: not postgres.execute("SELECT 1 FROM pg_stat_activity WHERE usename = 'operator'"))
        left = events()[1]
        result = do()

        assert 0 < left < OLD
        assert not result.get("failed"), result["msg"]
        assert result["changes"][0]["summary"].startswith(f"delete {left:,} of ")
        assert events() == (ROWS - OLD, 0, KEPT)
        assert postgres.execute("SELECT count(*), count(DISTINCT id) FROM gone") == [(OLD, OLD)]
    finally:
        postgres.execute("DROP TABLE gone", "DROP FUNCTION note CASCADE")


def test_a_server_that_restarts_in_the_middle_is_a_failure_that_says_how_far_it_came(
    postgres: Postgres, events: Events, do: Do
) -> None:
    threading.Thread(target=end_when, args=(postgres, lambda: events()[1] < OLD - 5000), daemon=True).start()
    first = do(batch_size=500)
    left = events()[1]
    second = do()

    assert first["failed"]
    assert first["changed"]
    assert f"{OLD - left:,} of {OLD:,} rows were deleted before" in first["failed_resources"][0]["reason"]
    assert "goes on where it stopped" in first["failed_resources"][0]["reason"]
    assert not second.get("failed"), second["msg"]
    assert events() == (ROWS - OLD, 0, KEPT)


@pytest.mark.parametrize(("batches", "changed"), [(0, False), (3, True)])
def test_a_lost_lease_stops_it_before_the_next_batch(
    postgres: Postgres, events: Events, batches: int, changed: bool
) -> None:
    def permit() -> None:
        if events()[1] <= OLD - 600 * batches:
            raise Stopped("go on", "this run", "lease lost")

    options = postgres.options(**DEFAULTS)
    run = Run(60, permit=permit)
    report = carry_out(retain(connector(options), run, place_of(options), retention_of(options)), run)
    left = events()[1]

    assert report.failed
    assert "lease lost" in report.failures[0]["reason"]
    assert report.as_result(False)["changed"] is changed
    assert (left == OLD) is not changed
    assert left > OLD - 20_000
    assert ("rows were deleted before" in report.failures[0]["reason"]) is changed


@both_ways
def test_a_run_out_of_time_says_how_far_it_came(events: Events, do: Do) -> None:
    result = do(batch_size=100, wait_timeout=1)

    assert result["failed"]
    assert "its deadline of 1 s passed" in result["msg"]
    assert f"{OLD - events()[1]:,} of {OLD:,} rows were deleted before" in result["msg"]


@both_ways
def test_rows_that_others_hold_are_left_out_and_deleted_when_they_are_free(
    postgres: Postgres, events: Events, do: Do
) -> None:
    holder = postgres.connect("app")
    holder.cursor().execute("BEGIN; UPDATE events SET seen = 1 WHERE id IN (5, 6, 100000, 150000)")
    threading.Thread(target=lambda: (eventually(lambda: events()[1] == 4), holder.close()), daemon=True).start()
    result = do(lock_timeout=30)

    assert not result.get("failed"), result["msg"]
    assert events() == (ROWS - OLD, 0, KEPT)


@both_ways
def test_rows_that_stay_held_are_said_and_a_change_that_makes_one_young_keeps_it(
    postgres: Postgres, events: Events, do: Do
) -> None:
    holder = postgres.connect("app")
    holder.cursor().execute("BEGIN; UPDATE events SET at = now() WHERE id IN (5, 6, 100000)")
    first = do(lock_timeout=1)
    holder.cursor().execute("COMMIT")
    holder.close()
    second = do()

    assert first["failed"]
    assert "other sessions hold them" in first["msg"]
    assert first["evidence"][0]["actual"]["left"] == 3
    assert not second.get("failed"), second
    assert events() == (ROWS - OLD + 3, 3, KEPT)


@both_ways
def test_a_table_that_is_locked_in_the_middle_says_how_far_it_came(
    postgres: Postgres, events: Events, do: Do
) -> None:
    holder = postgres.connect()

    def lock() -> None:
        eventually(lambda: events()[1] < OLD)
        holder.cursor().execute("BEGIN; LOCK TABLE events IN SHARE MODE")

    threading.Thread(target=lock, daemon=True).start()
    result = do(batch_size=500, lock_timeout=1)
    holder.close()

    assert result["failed"]
    assert "lock timeout" in result["msg"]
    assert f"{OLD - events()[1]:,} of {OLD:,} rows were deleted before" in result["msg"]


def test_a_batch_that_somebody_waited_for_makes_the_next_one_smaller(
    postgres: Postgres, events: Events, do: Do
) -> None:
    postgres.execute("CREATE FUNCTION idle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.6); RETURN NULL; "
                     "END'", "CREATE TRIGGER slow AFTER DELETE ON events FOR EACH STATEMENT EXECUTE FUNCTION idle()",
                     "ALTER TABLE events DISABLE TRIGGER slow",
                     "DELETE FROM events WHERE id % 5 < 2 AND id > 1500", "ALTER TABLE events ENABLE TRIGGER slow")

    def wait_for_it() -> None:
        eventually(lambda: postgres.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        postgres.execute("UPDATE events SET seen = 1 WHERE id = 5")

    before = len(postgres.log)
    waiting = threading.Thread(target=wait_for_it, daemon=True)
    waiting.start()
    result = do()
    waiting.join()

    assert not result.get("failed"), result["msg"]
    said = postgres.log[before:]
    assert "OFFSET 499" in said
    assert "OFFSET 249" in said


def test_a_standby_that_falls_behind_is_waited_for(
    postgres: Postgres, events: Events, do: Do, tmp_path: Path
) -> None:
    with running_standby(postgres, tmp_path) as standby:
        blind = do(login_user="blind")
        standby.execute("SELECT pg_wal_replay_pause()")
        postgres.execute("UPDATE events SET seen = 1 WHERE id < 50")
        eventually(lambda: postgres.execute("SELECT extract(epoch FROM replay_lag) > 2 FROM pg_stat_replication")[0][0])
        stopped = do(maximum_replication_lag="1s", wait_timeout=2)
        unchanged = events()
        threading.Thread(target=resume, args=(postgres, standby), daemon=True).start()
        result = do(maximum_replication_lag="1s", lock_timeout=30)

        assert "may not be seen" in blind["msg"]
        assert stopped["failed"]
        assert stopped["changed"] is False
        assert "a standby is" in stopped["msg"]
        assert "Nothing was changed" in stopped["msg"]
        assert unchanged == (ROWS, OLD, KEPT)
        assert not result.get("failed"), result["msg"]
        assert events() == (ROWS - OLD, 0, KEPT)
        standby_rows = "SELECT count(*) FROM events WHERE id % 5 < 2"
        eventually(lambda: standby.execute(standby_rows) == [(0,)])


def test_a_standby_that_stands_still_is_waited_for(
    postgres: Postgres, events: Events, do: Do, tmp_path: Path
) -> None:
    with running_standby(postgres, tmp_path) as standby:
        with frozen_receiver(standby):
            silent = do(maximum_replication_lag="1s", maximum_replication_lag_bytes=0, wait_timeout=4, batch_size=100)
            before = events()
            postgres.execute("UPDATE events SET seen = 1 WHERE id <= 20000")
            behind = do(maximum_replication_lag="0", maximum_replication_lag_bytes=1_000_000, wait_timeout=1)
            unchanged = events()
            blind = do(maximum_replication_lag="0", login_user="blind")
        result = do(maximum_replication_lag="1s")

    assert silent["failed"]
    assert "a standby has said nothing for" in silent["msg"]
    assert 0 < before[1] <= OLD
    assert behind["failed"]
    assert behind["changed"] is False
    assert "MiB behind, and 1.0 MiB are allowed" in behind["msg"]
    assert unchanged == before
    assert "may not be seen" in blind["msg"]
    assert not result.get("failed"), result["msg"]
    assert events() == (ROWS - OLD, 0, KEPT)


def test_a_standby_that_is_gone_does_not_fill_the_disk_by_its_slot(postgres: Postgres, events: Events, do: Do) -> None:
    postgres.execute("CHECKPOINT", "SELECT pg_create_physical_replication_slot('gone', true)")
    try:
        stopped = do(maximum_retained_bytes=4_000_000, wait_timeout=3)
        left = events()[1]
        result = do(maximum_retained_bytes=0, wait_timeout=30)
    finally:
        postgres.execute("SELECT pg_drop_replication_slot('gone')")

    assert stopped["failed"]
    assert "the replication slot gone, which nobody is connected to, keeps" in stopped["msg"]
    assert 0 < left < OLD
    assert not result.get("failed"), result["msg"]
    assert events() == (ROWS - OLD, 0, KEPT)


def test_sessions_at_work_are_waited_for(postgres: Postgres, events: Events, do: Do) -> None:
    with postgres.sessions("app") as session:
        worker = session("busy")
        threading.Thread(target=lambda: worker.cursor().execute("SELECT pg_sleep(2)"), daemon=True).start()
        other = session("busy")
        threading.Thread(target=lambda: other.cursor().execute("SELECT pg_sleep(2)"), daemon=True).start()
        eventually(lambda: postgres.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'") == [(2,)])
        early = do(maximum_active=1, wait_timeout=0.5)
        blind = do(maximum_active=1, login_user="blind")
        late = do(maximum_active=1)

    assert "sessions are at work, and 1 are allowed" in early["msg"]
    assert "may not be seen" in blind["msg"]
    assert not late.get("failed"), late["msg"]
    assert events()[1] == 0


def resume(postgres: Postgres, standby: Postgres) -> None:
    """Let the standby go on as soon as the run looks how far behind it is."""
    before = postgres.log.count("pg_stat_replication")
    eventually(lambda: postgres.log.count("pg_stat_replication") > before + 3)
    standby.execute("SELECT pg_wal_replay_resume()")


def end_when(postgres: Postgres, ready: Callable[[], bool]) -> None:
    """End the operator's sessions as a server that restarts does."""
    eventually(ready)
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'operator'")


def started(postgres: Postgres, **options: Any) -> subprocess.Popen[bytes]:
    """The module in a process of its own."""
    given = postgres.options(login_user="operator", rules=RULES, wait_timeout=60, **options)
    code = f"""
        from tests.support.modules import run_module
        run_module("postgres_retention", {given!r})
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env=child_environment(os.environ))


@contextmanager
def writing(postgres: Postgres) -> Iterator[list[int]]:
    """Sessions that insert new rows and change some that stay, until the end of the block; how many of each."""
    written, ended = [0, 0], threading.Event()
    statements = (f"INSERT INTO events SELECT {ROWS} + 5 * %s + 2, now(), 0",
                  "UPDATE events SET seen = seen + 1 WHERE id = 2 + 5 * (%s %% 30000)")

    def write(kind: int) -> None:
        with closing(postgres.connect("app")) as connection, connection.cursor() as cursor:
            while not ended.is_set():
                cursor.execute(statements[kind], [written[kind] + 1])
                written[kind] += 1

    threads = [threading.Thread(target=write, args=(kind,), daemon=True) for kind in range(len(statements))]
    for thread in threads:
        thread.start()
    try:
        yield written
    finally:
        ended.set()
        for thread in threads:
            thread.join()
