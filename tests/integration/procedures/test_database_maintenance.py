"""Database maintenance and full disks: what is done while fifty clients read and write, and what is said about it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.databases.contents import DATABASES
from lab.databases.load import Load, place_of
from tests.support.databases import superuser
from tests.support.labs import Lab
from tests.support.procedures import Maintained, inventory_altered, maintain
from tests.support.waiting import eventually

MAINTENANCE = "playbooks/database-maintenance.yml"
DISK_FULL = "playbooks/database-disk-full.yml"
SYSTEMS = ("analytics", "media")
OLD = {"analytics": ("job_executions", "started_at", 45), "media": ("search_history", "created_at", 45)}
CHANGING = "^ *(delete|vacuum|analyze|reindex|create|drop|alter|truncate|insert|update|comment|lock)"


def ask(lab: Lab, system: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with superuser(lab, system) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def old_rows(lab: Lab, system: str) -> int:
    """Rows past their time, by whole days."""
    table, column, days = OLD[system]
    return int(ask(lab, system, f"SELECT count(*) FROM {table} WHERE {column} < now() - interval '{days + 1} days'")[0][0])


def changes_of_the_operator(lab: Lab, system: str) -> int:
    """Statements that change something, as the server itself has counted them."""
    [(calls,)] = ask(lab, system, "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements "
                     "JOIN pg_roles ON oid = userid WHERE rolname = 'opsbook_operator' AND query ~* %s", CHANGING)
    return int(calls)


@contextmanager
def load(lab: Lab, system: str, clients: int = 50) -> Iterator[Load]:
    """Clients that read and write in a system's database."""
    with Load(place_of(lab.folder, system), DATABASES[system].traffic, clients, 300) as going:
        eventually(lambda: ask(lab, system, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lab-load'")
                   == [(clients,)])
        yield going


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("database-maintenance")


@pytest.fixture(scope="module")
def checked(databases: Lab, place: Path) -> Maintained:
    """A run in check mode, before anything was done."""
    return maintain(databases, place / "checked", "--check", playbook=MAINTENANCE)


@pytest.fixture(scope="module")
def before(checked: Maintained, databases: Lab) -> dict[str, tuple[int, int]]:
    """Rows past their time, and the operator's changes, after the check."""
    return {system: (old_rows(databases, system), changes_of_the_operator(databases, system)) for system in SYSTEMS}


@pytest.fixture(scope="module")
def done(before: dict[str, tuple[int, int]], databases: Lab, place: Path) -> tuple[Maintained, Load]:
    """A run while fifty clients read and write in one of the databases."""
    with load(databases, "media") as going:
        run = maintain(databases, place / "done", playbook=MAINTENANCE)
    return run, going


@pytest.fixture(scope="module")
def again(done: tuple[Maintained, Load], databases: Lab, place: Path) -> Maintained:
    """The same again at once."""
    return maintain(databases, place / "again", playbook=MAINTENANCE)


def test_check_mode_changes_nothing_as_the_server_counted(
    checked: Maintained, before: dict[str, tuple[int, int]], databases: Lab
) -> None:
    assert checked.status == 0, checked.output
    assert "postgres_retention: would change 2" in checked.said
    for system in SYSTEMS:
        rows, changes = before[system]
        assert rows > 1000
        assert changes == 0


def test_old_rows_go_and_tables_are_clean_while_clients_go_on(done: tuple[Maintained, Load], databases: Lab) -> None:
    run, going = done

    assert run.status == 0, run.output
    assert [old_rows(databases, system) for system in SYSTEMS] == [0, 0]
    assert {change["action"] for change in run.record["changes"]} >= {"delete", "vacuum_analyze", "create"}
    assert {change["outcome"] for change in run.record["changes"]} == {"done"}
    assert sum(waits.failed for waits in going.waits.values()) == 0
    assert all(waits.done > 10 for waits in going.waits.values())


def test_bloat_is_reported_before_and_after(done: tuple[Maintained, Load]) -> None:
    said = done[0].said
    assert "before: " in said
    assert "public.search_history" in said.partition("before: ")[2]
    assert "after: " in said


def test_the_second_run_changes_nothing(again: Maintained) -> None:
    assert again.status == 0, again.output
    assert again.said.count("nothing to change") == len(SYSTEMS), again.output
    assert again.record["changes"] == []


@pytest.mark.parametrize(("operation", "tasks"), [
    ("stats", set()), ("check", set()), ("analyze", {"Renew the planner's statistics where they are out of date"}),
    ("cleanup", {"Delete old rows"}), ("vacuum", {"Vacuum what needs it"}), ("reindex", {"Rebuild bloated indexes"}),
])
@pytest.mark.usefixtures("again")
def test_one_operation_alone(databases: Lab, records: Path, operation: str, tasks: set[str]) -> None:
    run = maintain(databases, records, "--limit", "media", "-e", f"operation={operation}", "--check", playbook=MAINTENANCE)
    work = {"Delete old rows", "Vacuum what needs it", "Renew the planner's statistics where they are out of date",
            "Rebuild bloated indexes", "Write tables anew", "Ensure the views"}

    assert run.status == 0, run.output
    assert {task["task"] for task in run.record["tasks"] if task["status"] != "skipped"} & work == tasks


@pytest.mark.usefixtures("again")
def test_a_table_is_written_anew_when_it_is_named(databases: Lab, records: Path) -> None:
    arguments = ("--limit", "media", "-e", "operation=vacuum", "-e", "rewrite=search_history")
    size = "SELECT pg_relation_size('search_history')"
    before = ask(databases, "media", size)
    run = maintain(databases, records, *arguments, playbook=MAINTENANCE)

    assert run.status == 0, run.output
    assert [change["action"] for change in run.record["changes"]] == ["rewrite"]
    assert ask(databases, "media", size) < before


def test_a_database_that_is_ill_is_not_made_busier(databases: Lab, records: Path) -> None:
    with superuser(databases, "media") as holder, superuser(databases, "media") as waiter:
        holder.autocommit = waiter.autocommit = False
        holder.cursor().execute("LOCK TABLE users")
        waiter.cursor().execute("SET lock_timeout = '60s'")
        thread = threading.Thread(target=lambda: waiter.cursor().execute("SELECT count(*) FROM users"))
        thread.start()
        eventually(lambda: ask(databases, "media", "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) "
                               "WHERE NOT granted AND state_change < now() - interval '2 s'"))
        run = maintain(databases, records, "--limit", "media", playbook=MAINTENANCE)
        holder.rollback()
        thread.join()

    assert run.status == 2
    assert "Not maintaining the database" in run.said
    assert run.record["changes"] == []


def test_a_full_disk_is_relieved_and_what_only_more_storage_can_do_is_said(databases: Lab, records: Path) -> None:
    """Rows go and their space is used again; where the disk still fills up too soon the run fails and says what helps."""
    databases.reset()

    def soon(variables: dict[str, Any]) -> None:
        # It goes up or down, by little: towards one of both.
        [trend] = variables["storage_trends"]
        variables["storage_trends"] = [{**trend, "name": f"to {full}", "full": full, "minimum_days": 10**12}
                                       for full in (0, 10**15)]

    inventory = inventory_altered(records.parent, analytics=soon)
    arguments = ("--limit", "analytics", "-e", "override_reason=full")
    well = maintain(databases, records / "well", *arguments, playbook=DISK_FULL)
    bad = maintain(databases, records / "bad", *arguments, "-i", inventory, playbook=DISK_FULL)

    assert well.status == 0, well.output
    assert old_rows(databases, "analytics") == 0
    assert "public.metrics_snapshots" in well.said
    assert {change["action"] for change in well.record["changes"]} == {"delete", "vacuum"}
    assert bad.record["changes"] == []
    assert bad.status == 2, bad.output
    assert "modify-db-instance" in bad.said
