"""A server that is restarted while an operation is at work: it is said what was done, and the next run finishes the rest."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lab.postgres import find_installation
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module
from tests.support.waiting import eventually

ROWS = 400_000
AT_WORK = {
    "vacuum": "SELECT 1 FROM pg_stat_progress_vacuum WHERE heap_blks_scanned > 50",
    "reindex": "SELECT 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'building index%'",
    "retention": "SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND query ~ 'DELETE'",
    "dump": "SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND query ~ '^COPY'",
}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    # Commits are on disk when they are told: what a restart may lose is not the question here.
    with running_postgres(tmp_path_factory.mktemp("postgres"), autovacuum="off", synchronous_commit="on") as server:
        # Slow enough that a restart falls into the middle.
        server.execute("CREATE ROLE operator LOGIN", "ALTER ROLE operator SET vacuum_cost_delay = '10ms'",
                       "ALTER ROLE operator SET vacuum_cost_limit = 20", "GRANT pg_monitor TO operator")
        yield server


@pytest.fixture
def events(postgres: Postgres) -> Iterator[None]:
    """A table of which every second row is dead, and of the others half are past their time."""
    postgres.execute(
        "CREATE TABLE events AS SELECT g AS id, md5(g::text) AS note, now() - interval '200 days' "
        f"+ g * interval '200 days' / {2 * ROWS} AS at FROM generate_series(1, {2 * ROWS}) AS g",
        "ALTER TABLE events ADD PRIMARY KEY (id)", "CREATE INDEX events_note_idx ON events (note)",
        "DELETE FROM events WHERE id % 2 = 0", "ALTER TABLE events OWNER TO operator", "ANALYZE events", "CHECKPOINT")
    eventually(lambda: postgres.execute("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'events'")[0][0] >= ROWS)
    yield
    postgres.execute("DROP TABLE events")


def interrupted(postgres: Postgres, operation: str, given: dict[str, Any]) -> dict[str, Any]:
    """The result of an operation in whose middle the server is restarted.

    The operation has a thread of its own, not the restart: a server dies with the thread that started it.
    """
    results: list[dict[str, Any]] = []
    work = threading.Thread(target=lambda: results.append(run_module(f"postgres_{operation}", given)))
    with closing(postgres.connect()) as eyes, eyes.cursor() as cursor:
        work.start()
        seen = False
        while work.is_alive() and not seen:
            cursor.execute(AT_WORK[operation])
            seen = cursor.fetchone() is not None
    assert seen, f"it was over before the server could be restarted: {results}"
    postgres.restart()
    work.join()
    return results[0]


def options_of(operation: str, folder: Path) -> dict[str, Any]:
    return {
        "vacuum": {"tables": ["events"]}, "reindex": {"indexes": ["events_note_idx"]},
        "retention": {"rules": [{"table": "events", "column": "at", "older_than": "100d"}], "maximum_percent": 60,
                      "batch_size": 500},
        "dump": {"name": "all", "destination": str(folder), "bin_dir": str(find_installation(os.environ).bin),
                 "checksums": False},
    }[operation]


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("operation", list(AT_WORK))
def test_a_restart_is_said_and_the_next_run_finishes(postgres: Postgres, tmp_path: Path, operation: str) -> None:
    given = postgres.options(login_user="operator", wait_timeout=120, **options_of(operation, tmp_path))
    first = interrupted(postgres, operation, given)
    postgres.execute("ALTER ROLE operator SET vacuum_cost_delay = 0")
    again = run_module(f"postgres_{operation}", given)
    postgres.execute("ALTER ROLE operator SET vacuum_cost_delay = '10ms'")

    assert first["failed"]
    assert len(first["failed_resources"]) == 1, first["msg"]
    assert not again.get("failed"), again["msg"]
    assert again["changed"]
    young, old = postgres.execute("SELECT count(*) FILTER (WHERE at >= now() - interval '99 days'), "
                                  "count(*) FILTER (WHERE at < now() - interval '101 days') FROM events")[0]
    assert young == pytest.approx(ROWS * 99 / 200, abs=2)
    assert (old == 0) == (operation == "retention")
    assert postgres.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
    if operation == "dump":
        assert len([one for one in tmp_path.iterdir() if one.suffix == ".dump"]) == 1
        assert not [one for one in tmp_path.iterdir() if one.name.startswith(".partial")]
