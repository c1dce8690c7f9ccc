"""postgres_restore_test on a real server: a dump is restored and compared, and nothing of the test is left behind."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import Connect, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.scratch import at_work, drop_scratch
from lab.postgres import find_installation
from tests.integration.operations.conftest import Aws
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module
from tests.support.waiting import eventually

BIN = str(find_installation(os.environ).bin)
CANARY = "canary-of-the-restore"
TABLES = (
    "CREATE TABLE items AS SELECT g AS id, g / 3.0::float8 AS part, now() AS made, interval '1 month' AS span, "
    "'{1,2}'::int[] AS many, '\\xff00'::bytea AS raw, 12.5::money AS price "
    "FROM generate_series(1, 2000) AS g",
    "ALTER TABLE items ADD PRIMARY KEY (id), ADD doubled numeric GENERATED ALWAYS AS (id * 2) STORED, ADD own regclass",
    "UPDATE items SET own = 'items'::regclass",
    'CREATE TABLE "Odd.""name""\n %s of" (t text)', 'INSERT INTO "Odd.""name""\n %s of" VALUES (NULL), (\'x\')',
    "CREATE TABLE nothing ()", "CREATE EXTENSION pg_stat_statements", "CREATE EXTENSION pg_trgm",
    "CREATE TABLE parent (id int) PARTITION BY RANGE (id)", "INSERT INTO nothing DEFAULT VALUES",
    "CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (9)", "INSERT INTO parent VALUES (1)",
    "CREATE PUBLICATION everything FOR ALL TABLES", "SELECT lo_from_bytea(4711, 'x')",
    "CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM items",
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
        return run_module("postgres_restore_test", arguments(postgres, folder, **options), check_mode=check_mode)

    before = databases(postgres)
    yield run
    # However a test ended.
    assert databases(postgres) == before


Restore = Callable[..., dict[str, Any]]


def arguments(postgres: Postgres, folder: Path, **options: Any) -> dict[str, Any]:
    given = {"login_user": "restorer", "login_password": CANARY, "name": "media", "bin_dir": BIN, "wait_timeout": 60,
             "extensions_left_out": ["pg_stat_statements"],
             **({} if "bucket" in options else {"destination": str(folder)})}
    return postgres.options(**{**given, **options})


def as_restorer(postgres: Postgres) -> Connect:
    """Connections as the modules make them."""
    return connector(postgres.options(login_user="restorer", login_password=CANARY))


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
    assert "contents of large objects" in compared["actual"].pop("not_compared")
    assert compared["actual"] == {
        "tables": 4, "rows": 2004, "checksums": True, "extensions_left_out": ["pg_stat_statements"], "large_objects": 1,
        "materialized_views": 1, "rows_of_extensions": 0}
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


@pytest.mark.parametrize(("change", "said"), [
    ({"large_objects": 2}, "1 large objects instead of 2"),
    ({"materialized_views": [["public", "gone"]]}, "public.gone: the materialized view is missing"),
])
def test_what_there_is_beside_tables_is_compared_too(
    restore: Restore, folder: Path, change: dict[str, Any], said: str
) -> None:
    rewrite(folder, lambda manifest: manifest["extras"].update(change))
    result = restore()

    assert result["failed"]
    assert said in result["msg"]


def test_an_older_manifest_is_still_compared_and_says_what_it_does_not_tell(restore: Restore, folder: Path) -> None:
    rewrite(folder, lambda manifest: [manifest.pop(name) for name in ("extras", "database_size")])
    result = restore(free_space="1")

    assert not result.get("failed"), result["msg"]
    assert "the manifest, an older one, does not tell" in str(result["evidence"])
    assert "how much room it needs is not known" in result["changes"][0]["summary"]


def test_a_restore_that_may_fill_the_disk_is_refused_before_anything_is_made(postgres: Postgres, restore: Restore) -> None:
    before = len(postgres.log)
    result = restore(free_space="10M")

    assert result["failed"]
    assert "and 10.0 MiB are free" in result["msg"]
    assert "CREATE DATABASE" not in postgres.log[before:]


def test_a_dump_from_the_future_is_not_the_one_that_is_tested(restore: Restore, folder: Path) -> None:
    name, ahead = name_of(folder), f"media-{datetime.now(UTC) + timedelta(hours=1):%Y%m%dT%H%M%SZ}.dump"
    for suffix in ("", ".manifest.json"):
        (folder / f"{ahead}{suffix}").write_bytes((folder / f"{name}{suffix}").read_bytes())
    result, named = restore(check_mode=True), restore(check_mode=True, dump=ahead)

    assert result["dump"]["name"] == name
    assert f"{ahead}: begun later than now" in str(result["warnings"])
    assert named["failed"]
    assert "ahead (expected: not from the future)" in named["msg"]


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
    assert result["failed"]
    assert "younger than 0 s" in result["msg"]
    assert "at least" in result["msg"]
    assert [change["action"] for change in result["changes"]] == ["restore"]


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


def test_databases_that_killed_tests_left_go_at_once_and_no_others(postgres: Postgres, restore: Restore) -> None:
    left_behind, visited, living = (f"opsbook_restore_{datetime.now(UTC):%Y%m%dt%H%M%Sz}_{token}"
                                    for token in ("0123abcd", "0123abce", "f123abcf"))
    mine = "opsbook_restore_of_mine"
    postgres.execute(*(f"CREATE DATABASE {name} OWNER restorer" for name in (left_behind, visited, living, mine)))
    visitor = postgres.connect("restorer", dbname=visited)
    try:
        with at_work(as_restorer(postgres), living, 60):
            result = restore()
            left = databases(postgres)
    finally:
        visitor.close()
        postgres.execute(*(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in (left_behind, visited, living, mine)))

    assert not result.get("failed"), result["msg"]
    assert left_behind not in left
    assert {visited, living, mine} <= set(left)
    assert {one["resource"].partition(":")[2]: one["reason"] for one in result["kept"]} == {
        visited: "somebody is connected to it", living: "its test is at work"}
    assert [change["action"] for change in result["changes"]] == ["drop", "restore"]


def test_a_database_that_somebody_has_come_to_meanwhile_is_not_dropped(postgres: Postgres) -> None:
    name = f"opsbook_restore_{datetime.now(UTC):%Y%m%dt%H%M%Sz}_0123abcd"
    postgres.execute(f"CREATE DATABASE {name} OWNER restorer")
    visitor = postgres.connect("restorer", dbname=name)
    try:
        with pytest.raises(OperationError, match="being accessed by other users"):
            drop_scratch(as_restorer(postgres), name, force=False)
    finally:
        visitor.close()
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def slow(postgres: Postgres, folder: Path) -> dict[str, str]:
    """A dump whose restore takes two seconds."""
    postgres.execute("CREATE DATABASE slow")
    connection = postgres.connect(dbname="slow")
    connection.cursor().execute("CREATE MATERIALIZED VIEW patient AS SELECT pg_sleep(2)::text")
    connection.close()
    place = {"name": "slow", "destination": str(folder)}
    made = run_module("postgres_dump", postgres.options(login_db="slow", bin_dir=BIN, **place))
    postgres.execute("DROP DATABASE slow")
    assert not made.get("failed"), made["msg"]
    return place


def test_a_passed_deadline_leaves_no_database_and_no_program(
    postgres: Postgres, restore: Restore, slow: dict[str, str]
) -> None:
    result = restore(**slow, wait_timeout=1)

    assert result["failed"]
    assert "passed" in result["msg"]
    # A backend ends by itself when its client has gone; nobody waits for that.
    eventually(lambda: not postgres.execute("SELECT 1 FROM pg_stat_activity WHERE usename = 'restorer'"), 5)


IN_A_PROCESS = """
import json, sys
from tests.support.modules import run_module
print(json.dumps(run_module("postgres_restore_test", json.load(sys.stdin))))
"""


@contextmanager
def another(postgres: Postgres, folder: Path, slow: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Another restore test, in a process of its own, which has made its database."""
    path = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen([sys.executable, "-c", IN_A_PROCESS], env={**os.environ, "PYTHONPATH": path}, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        if child.stdin:
            child.stdin.write(json.dumps(arguments(postgres, folder, **slow)))
            child.stdin.close()
        try:
            eventually(lambda: any(name.startswith("opsbook_restore_") for name in databases(postgres)))
            yield child
        finally:
            child.kill()


def test_two_tests_at_once_leave_each_others_database_alone(
    postgres: Postgres, restore: Restore, folder: Path, slow: dict[str, str]
) -> None:
    with another(postgres, folder, slow) as child:
        seen = restore(check_mode=True)
        said = child.stdout.read() if child.stdout else ""

    assert [one["reason"] for one in seen["kept"]] == ["its test is at work"]
    assert not json.loads(said.splitlines()[-1]).get("failed")
    assert postgres.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'") == []


def test_what_a_killed_test_left_goes_as_soon_as_the_server_has_let_go_of_it(
    postgres: Postgres, restore: Restore, folder: Path, slow: dict[str, str]
) -> None:
    with another(postgres, folder, slow) as child:
        child.kill()
    eventually(lambda: not postgres.execute("SELECT 1 FROM pg_stat_activity WHERE usename = 'restorer'"))
    result = restore()

    assert not result.get("failed"), result["msg"]
    assert [change["action"] for change in result["changes"]] == ["drop", "restore"]


CONTROL = """
default_version = '1.0'
superuser = false
"""
SCRIPT = """
CREATE TABLE settings (name text, ours boolean DEFAULT false);
INSERT INTO settings VALUES ('of the extension', true);
SELECT pg_extension_config_dump('settings', 'WHERE NOT ours');
"""


@pytest.fixture
def extension(postgres: Postgres) -> Iterator[None]:
    """An extension with a table of settings, which the server has to offer."""
    if postgres.connect().server_version < 180000:
        pytest.skip("only PostgreSQL 18 and later look for extensions elsewhere")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "extension"
        folder.mkdir(mode=0o755)
        Path(place).chmod(0o755)
        (folder / "opsbook_settings.control").write_text(CONTROL)
        (folder / "opsbook_settings--1.0.sql").write_text(SCRIPT)
        postgres.execute(f"ALTER SYSTEM SET extension_control_path = '$system:{place}'", "SELECT pg_reload_conf()")
        eventually(lambda: postgres.execute(
            "SELECT 1 FROM pg_available_extensions WHERE name = 'opsbook_settings'"))
        yield
        postgres.execute("ALTER SYSTEM RESET extension_control_path", "SELECT pg_reload_conf()")


def test_settings_in_the_tables_of_extensions_are_counted_and_compared(
    postgres: Postgres, extension: None, restore: Restore, tmp_path: Path
) -> None:
    postgres.execute("CREATE DATABASE configured")
    connection = postgres.connect(dbname="configured")
    for statement in ("CREATE EXTENSION opsbook_settings", "INSERT INTO settings VALUES ('of a user')"):
        connection.cursor().execute(statement)
    connection.close()
    place = {"name": "configured", "destination": str(tmp_path)}
    made = run_module("postgres_dump", postgres.options(login_db="configured", bin_dir=BIN, **place))
    postgres.execute("DROP DATABASE configured")
    whole = restore(**place)
    [path] = tmp_path.glob("configured-*.manifest.json")
    path.write_text(path.read_text().replace('"name": "settings",\n    "rows": 1', '"name": "settings",\n    "rows": 2'))
    lacking = restore(**place)

    assert not made.get("failed"), made["msg"]
    assert made["evidence"][0]["actual"]["rows_of_extensions"] == 1
    assert not whole.get("failed"), whole["msg"]
    assert "public.settings (of the extension opsbook_settings): 1 rows instead of 2" in lacking["msg"]


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
