"""postgres_restore_test on a real server: a dump is restored and compared, and nothing of the test is left behind."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.postgres import find_installation
from tests.integration.operations.conftest import Aws
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module

BIN = str(find_installation(os.environ).bin)
CANARY = "canary-of-the-restore"
TABLES = (
    "CREATE TABLE items AS SELECT g AS id, g / 3.0::float8 AS part, now() AS made, interval '1 month' AS span, "
    "'{1,2}'::int[] AS many, '\\xff00'::bytea AS raw, 12.5::money AS price "
    "FROM generate_series(1, 2000) AS g",
    "ALTER TABLE items ADD PRIMARY KEY (id), ADD doubled numeric GENERATED ALWAYS AS (id * 2) STORED, ADD own regclass",
    "UPDATE items SET own = 'items'::regclass",
    'CREATE TABLE "Odd.""name""\n of" (t text)', 'INSERT INTO "Odd.""name""\n of" VALUES (NULL), (\'x\')',
    "CREATE TABLE nothing ()", "CREATE EXTENSION pg_stat_statements", "CREATE EXTENSION pg_trgm",
    "CREATE TABLE parent (id int) PARTITION BY RANGE (id)", "INSERT INTO nothing DEFAULT VALUES",
    "CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (9)", "INSERT INTO parent VALUES (1)",
    "CREATE PUBLICATION everything FOR ALL TABLES",
)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), log_statement="all", wal_level="logical") as server:
        server.execute(f"CREATE ROLE restorer LOGIN CREATEDB PASSWORD '{CANARY}'", "CREATE DATABASE media",
                       "ALTER ROLE restorer SET datestyle = 'German'", "ALTER ROLE restorer SET search_path = nowhere")
        connection = server.connect(dbname="media")
        with connection.cursor() as cursor:
            for statement in TABLES:
                cursor.execute(statement)
        connection.close()
        yield server


@pytest.fixture(scope="module")
def made(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one good dump."""
    folder = tmp_path_factory.mktemp("made")
    place = {"name": "media", "destination": str(folder)}
    result = run_module("postgres_dump", postgres.options(login_db="media", bin_dir=BIN, **place))
    assert not result.get("failed"), result["msg"]
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    for one in made.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
    return tmp_path


@pytest.fixture
def restore(postgres: Postgres, folder: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    def run(check_mode: bool = False, **options: Any) -> dict[str, Any]:
        given = {"login_user": "restorer", "login_password": CANARY, "name": "media", "bin_dir": BIN, "wait_timeout": 60,
                 "extensions_left_out": ["pg_stat_statements"],
                 **({} if "bucket" in options else {"destination": str(folder)})}
        return run_module("postgres_restore_test", postgres.options(**{**given, **options}), check_mode=check_mode)

    before = databases(postgres)
    yield run
    # However a test ended.
    assert databases(postgres) == before


Restore = Callable[..., dict[str, Any]]


def databases(postgres: Postgres) -> list[str]:
    return [name for (name,) in postgres.execute("SELECT datname FROM pg_database ORDER BY datname")]


def name_of(folder: Path) -> str:
    [name] = [one.name for one in folder.iterdir() if one.name.endswith(".dump")]
    return name


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest of the one dump."""
    path = folder / f"{name_of(folder)}.manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_dump_is_restored_and_every_table_compared(restore: Restore, folder: Path, jobs: int) -> None:
    before = sorted(one.name for one in folder.iterdir())
    result = restore(jobs=jobs, maximum_age="1h")

    assert not result.get("failed"), result["msg"]
    [compared] = [item for item in result["evidence"] if item["check"] == "restored tables"]
    assert compared["actual"] == {
        "tables": 4, "rows": 2004, "checksums": True, "extensions_left_out": ["pg_stat_statements"]}
    assert result["changed"]
    assert result["dump"]["name"] == name_of(folder)
    assert sorted(one.name for one in folder.iterdir()) == before
    assert CANARY not in json.dumps(result)


def test_a_dump_that_was_restored_lately_is_not_restored_again(postgres: Postgres, restore: Restore, folder: Path) -> None:
    first = restore(not_within="6d")
    before = len(postgres.log)
    second = restore(not_within="6d", maximum_age="1h")
    said = postgres.log[before:]
    proof = folder / f"{name_of(folder)}.restored.json"
    long_ago = (datetime.now(UTC) - timedelta(days=7)).isoformat()
    proof.write_text(json.dumps({**json.loads(proof.read_text()), "restored": long_ago}))
    later = restore(not_within="6d")

    assert (first["changed"], second["changed"], later["changed"]) == (True, False, True)
    assert "it was restored whole at" in second["kept"][0]["reason"]
    assert {item["check"]: item["ok"] for item in second["evidence"]} == {"age of the dump": True, "restored": True}
    assert second["evidence"][1]["actual"]["rows"] == 2004
    assert "CREATE DATABASE" not in said


def test_what_another_dump_of_the_name_proved_proves_nothing(restore: Restore, folder: Path) -> None:
    restore(not_within="6d")
    rewrite(folder, lambda manifest: manifest.update(ended="2026-11-21T00:00:00+00:00"))
    assert restore(not_within="6d")["changed"]


def test_a_restore_that_failed_proves_nothing(restore: Restore, folder: Path) -> None:
    rewrite(folder, lambda manifest: manifest["tables"][0].update(rows=7))
    assert restore(not_within="6d")["failed"]
    assert not (folder / f"{name_of(folder)}.restored.json").exists()


def test_check_mode_only_looks_as_the_servers_log_shows(postgres: Postgres, restore: Restore) -> None:
    before = len(postgres.log)
    result = restore(check_mode=True, maximum_age="1h")
    said = postgres.log[before:]

    assert [change["action"] for change in result["changes"]] == ["restore"]
    assert {item["ok"] for item in result["findings"]} == {True}
    assert result["dump"]["rows"] == 2004
    assert "pg_available_extensions" in said
    assert "CREATE DATABASE" not in said


def test_a_byte_that_changed_is_found_before_anything_is_restored(restore: Restore, folder: Path) -> None:
    path = folder / name_of(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    result = restore()

    assert result["failed"]
    assert "SHA-256" in result["msg"]


def test_an_archive_that_cannot_be_read_is_a_failure_with_the_programs_words(restore: Restore, folder: Path) -> None:
    path = folder / name_of(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2:len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    rewrite(folder, lambda manifest: manifest["files"][0].update(sha256=hashlib.sha256(data).hexdigest()))
    result = restore()

    assert result["failed"]
    assert "pg_restore" in result["msg"]


@pytest.mark.parametrize(("change", "said"), [
    ({"rows": 7}, "2 rows instead of 7"), ({"checksum": "12"}, "the contents of its 2 rows differ"),
    ({"name": "gone"}, "it is missing"),
])
def test_what_comes_out_otherwise_than_it_went_in_is_named(
    restore: Restore, folder: Path, change: dict[str, Any], said: str
) -> None:
    rewrite(folder, lambda manifest: next(
        table for table in manifest["tables"] if table["name"].startswith("Odd")).update(change))
    result = restore()

    assert result["failed"]
    assert said in result["msg"]


def test_an_extension_that_the_role_may_not_create_fails_unless_left_out(restore: Restore) -> None:
    result = restore(extensions_left_out=[])

    assert result["failed"]
    assert 'permission denied to create extension "pg_stat_statements"' in result["msg"]


def test_an_extension_that_the_server_lacks_is_named_beforehand(restore: Restore, folder: Path) -> None:
    rewrite(folder, lambda manifest: manifest["extensions"].append("no_such_thing"))
    result = restore(check_mode=True)

    assert result["failed"]
    assert "the server has no extension no_such_thing" in result["msg"]


def test_an_old_and_a_small_dump_fail_and_say_so(restore: Restore, folder: Path) -> None:
    name = name_of(folder)
    for days in (3, 4):
        older = f"media-{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%SZ}.dump"
        (folder / older).write_bytes(bytes(3 * (folder / name).stat().st_size))
        manifest = json.loads((folder / f"{name}.manifest.json").read_text())
        manifest["files"][0]["size"] = (folder / older).stat().st_size
        (folder / f"{older}.manifest.json").write_text(json.dumps(manifest))
    result = restore(check_mode=True, maximum_age="0s")

    assert [(item["check"], item["ok"]) for item in result["findings"]] == [
        ("age of the dump", False), ("size of the dump", False)]


def test_no_good_dump_is_a_failure(restore: Restore, folder: Path) -> None:
    (folder / name_of(folder)).write_bytes(b"half")
    result = restore(check_mode=True)

    assert result["failed"]
    assert "there is no such dump that is good" in result["msg"]
    assert "4 bytes" in result["msg"]


def test_a_role_that_may_not_create_databases_is_told_so(postgres: Postgres, restore: Restore) -> None:
    postgres.execute("ALTER ROLE restorer NOCREATEDB")
    try:
        result = restore(check_mode=True)
    finally:
        postgres.execute("ALTER ROLE restorer CREATEDB")

    assert result["failed"]
    assert "may not create databases" in result["msg"]


def test_databases_that_killed_tests_left_go_and_no_others(postgres: Postgres, restore: Restore) -> None:
    old = f"opsbook_restore_{datetime.now(UTC) - timedelta(days=2):%Y%m%dt%H%M%Sz}_0123abcd"
    young = f"opsbook_restore_{datetime.now(UTC):%Y%m%dt%H%M%Sz}_0123abcd"
    mine = "opsbook_restore_of_mine"
    postgres.execute(*(f"CREATE DATABASE {name} OWNER restorer" for name in (old, young, mine)))
    try:
        result = restore()
        left = databases(postgres)
    finally:
        postgres.execute(*(f"DROP DATABASE IF EXISTS {name}" for name in (old, young, mine)))

    assert not result.get("failed"), result["msg"]
    assert old not in left
    assert {young, mine} <= set(left)
    assert [change["action"] for change in result["changes"]] == ["drop", "restore"]


def test_a_passed_deadline_leaves_no_database_and_no_program(postgres: Postgres, restore: Restore, folder: Path) -> None:
    postgres.execute("CREATE DATABASE slow")
    connection = postgres.connect(dbname="slow")
    connection.cursor().execute("CREATE MATERIALIZED VIEW patient AS SELECT pg_sleep(2)::text")
    connection.close()
    place = {"name": "slow", "destination": str(folder)}
    made = run_module("postgres_dump", postgres.options(login_db="slow", bin_dir=BIN, **place))
    postgres.execute("DROP DATABASE slow")
    result = restore(**place, wait_timeout=1)

    assert not made.get("failed"), made["msg"]
    assert result["failed"]
    assert "passed" in result["msg"]
    assert postgres.execute("SELECT 1 FROM pg_stat_activity WHERE usename = 'restorer'") == []


def test_a_dump_in_a_bucket_is_fetched_and_restored(
    aws: Aws, unique: str, postgres: Postgres, restore: Restore, tmp_path: Path
) -> None:
    aws.client("s3").create_bucket(Bucket=unique)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    place = {**aws.connection, "bucket": unique, "prefix": "db/", "workspace": str(workspace), "name": "media"}
    run_module("postgres_dump", postgres.options(login_db="media", bin_dir=BIN, **place))
    result, again = (restore(**place, not_within="6d") for _ in range(2))
    aws.control("faults", {"faults": [{"service": "s3", "action": "GetObject", "kind": "deny"}]})
    denied = restore(**place)

    assert not result.get("failed"), result["msg"]
    assert (result["changed"], again["changed"]) == (True, False)
    assert list(workspace.iterdir()) == []
    assert denied["failed"]
    assert "AccessDenied" in denied["msg"]
