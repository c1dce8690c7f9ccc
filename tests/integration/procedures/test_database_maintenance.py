"""Database maintenance and full disks: what is done while fifty clients read and write, and what is said about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
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
def fresh(databases: Lab) -> dict[str, tuple[int, int]]:
    """Rows past their time, and the operator's changes so far, before anything is done."""
    return {system: (old_rows(databases, system), changes_of_the_operator(databases, system)) for system in SYSTEMS}


@pytest.fixture(scope="module")
def checked(fresh: dict[str, tuple[int, int]], databases: Lab, place: Path) -> Maintained:
    """A run in check mode, before anything was done."""
    return maintain(databases, place / "checked", "--check", playbook=MAINTENANCE)


@pytest.fixture(scope="module")
def before(checked: Maintained, databases: Lab) -> dict[str, tuple[int, int]]:
    """The same after the check."""
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
    fresh: dict[str, tuple[int, int]], checked: Maintained, before: dict[str, tuple[int, int]]
) -> None:
    assert checked.status == 0, checked.output
    assert "postgres_retention: would change 2" in checked.said
    for system in SYSTEMS:
        (rows, changes), (rows_then, changes_then) = fresh[system], before[system]
        # Rows grow old as time passes; none may have gone.
        assert rows_then >= rows > 1000
        assert changes_then == changes


def test_old_rows_go_and_tables_are_clean_while_clients_go_on(done: tuple[Maintained, Load], databases: Lab) -> None:
    run, going = done

    assert run.status == 0, run.output
    assert [old_rows(databases, system) for system in SYSTEMS] == [0, 0]
    assert {change["action"] for change in run.record["changes"]} >= {"delete", "vacuum_analyze", "create"}
    assert {change["outcome"] for change in run.record["changes"]} == {"done"}
    assert sum(waits.failed for waits in going.waits.values()) == 0
    assert all(waits.done > 10 for waits in going.waits.values())


def test_bloat_is_reported_before_and_after(done: tuple[Maintained, Load]) -> None:
    reports = [text.partition("TASK")[0] for text in done[0].said.split("msg: ")[1:]]
    before = [text for text in reports if text.startswith("'before: ")]
    after = [text for text in reports if text.startswith("'after: ")]

    assert len(before) == len(after) == len(SYSTEMS), reports
    assert any("public.media_items 1" in text.partition("dead rows")[2].partition("wasted")[0] for text in before)
    # What was deleted is wasted until new rows come: said, and not taken for a success of its own.
    assert any("public.search_history" in text.partition("wasted")[2] and "estimate" in text for text in after)


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


def test_statistics_that_could_not_be_read_are_no_report(databases: Lab, records: Path) -> None:
    with superuser(databases, "media") as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE cost_tracking")
        run = maintain(databases, records, "--limit", "media", "-e", "operation=stats", playbook=MAINTENANCE)
        holder.rollback()

    assert run.status == 2, run.output
    assert "The statistics could not be read whole" in run.said
    assert "cost_tracking" in run.said


def test_a_report_never_locks_a_table(databases: Lab, records: Path) -> None:
    arguments = ("--limit", "media", "-e", "operation=stats", "-e", "rewrite=users")
    run = maintain(databases, records, *arguments, playbook=MAINTENANCE)
    assert run.status == 2
    assert "goes with operation=vacuum or operation=full only" in run.said
    assert run.record["changes"] == []


def relieve(lab: Lab, records: Path, *arguments: str) -> Maintained:
    return maintain(lab, records, *arguments, "-e", "override_reason=full", playbook=DISK_FULL)


def test_a_full_disk_is_relieved_and_the_second_run_finds_nothing(databases: Lab, records: Path) -> None:
    databases.reset()
    checked, first, second = (relieve(databases, records / name, *extra) for name, extra in
                              (("checked", ["--check"]), ("first", []), ("second", [])))

    assert checked.status == first.status == second.status == 0, first.output
    assert checked.record["changes"] == second.record["changes"] == []
    assert [old_rows(databases, system) for system in SYSTEMS] == [0, 0]
    assert {change["action"] for change in first.record["changes"]} == {"delete", "vacuum"}
    assert "public.metrics_snapshots" in first.said


def too_little(variables: dict[str, Any]) -> None:
    """The gauge stands where it is, and that is not enough."""
    variables["storage_trends"][0].update(minimum_days=0, minimum_left=10**15)


def nothing_to_see(variables: dict[str, Any]) -> None:
    """Nobody has said where the storage of the database is seen."""
    for key in ("storage_trends", "rds_instances", "postgres_rds_instance"):
        variables.pop(key, None)


def a_wrong_rule(variables: dict[str, Any]) -> None:
    """A rule for a table that is not there: retention refuses, and all else goes on."""
    variables["postgres_retention_rules"].append({"table": "no_such_table", "column": "at", "older_than": "90d"})


@pytest.mark.parametrize(("alter", "said"), [
    (too_little, "trend of the storage"), (nothing_to_see, "declares neither storage_trends nor rds_instances"),
    (a_wrong_rule, "old rows: "),
])
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_disk_is_not_called_sufficient_unless_that_was_seen(
    databases: Lab, records: Path, system: str, alter: Callable[[dict[str, Any]], None], said: str
) -> None:
    inventory = inventory_altered(records.parent, **{system: alter})
    run = relieve(databases, records, "--limit", system, "-i", inventory)

    assert run.status == 2, run.output
    assert said in run.said
    assert "modify-db-instance" in run.said
    assert "after: " in run.said, "what takes the storage is said all the same"


def test_no_table_is_written_anew_into_an_unknown_room(databases: Lab, records: Path) -> None:
    refused = relieve(databases, records / "refused", "--limit", "media", "-e", "rewrite=search_history")
    small = relieve(databases, records / "small", "--limit", "media", "-e", "rewrite=search_history", "-e", "free_space=1MB")
    done = relieve(databases, records / "done", "--limit", "media", "-e", "rewrite=search_history", "-e", "free_space=20GB")

    assert "Nobody knows how much is free" in refused.said
    assert refused.record["changes"] == small.record["changes"] == []
    assert "1.0 MiB are free" in small.said
    assert (refused.status, small.status, done.status) == (2, 2, 0), done.output
    assert [change["action"] for change in done.record["changes"]] == ["rewrite"]
