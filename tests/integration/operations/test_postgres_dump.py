"""postgres_dump on a real server with its own pg_dump: what is kept is proven, and no good dump is ever lost."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.postgres import find_installation
from tests.integration.operations.conftest import Aws
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module
from tests.support.waiting import eventually

BIN = str(find_installation(os.environ).bin)
ODD = 'Odd."name"\n of\'s %s'
CANARY = "canary-of-the-dump"
ROWS = 3000


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), log_statement="all", wal_level="logical") as server:
        server.execute(f"CREATE ROLE backup LOGIN PASSWORD '{CANARY}'", "CREATE DATABASE media",
                       "ALTER DATABASE media SET timezone = 'Asia/Tokyo'")
        inside(server, *TABLES)
        yield server


TABLES = (
    "CREATE TABLE items AS SELECT g AS id, repeat(md5(g::text), 20) AS body, now() AS made "
    f"FROM generate_series(1, {ROWS}) AS g",
    'CREATE TABLE "{}" ("t t" text, opsbook_row int)'.format(ODD.replace('"', '""')),
    'INSERT INTO "{}" VALUES (\'x\', 1), (NULL, 2)'.format(ODD.replace('"', '""')), "CREATE TABLE nothing ()",
    f'CREATE TABLE "{"n" * 63}" (id serial)', "CREATE TABLE parent (id int) PARTITION BY RANGE (id)",
    "CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (9)", "INSERT INTO parent VALUES (1)",
    "CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM items", "CREATE EXTENSION pg_trgm",
    "CREATE MATERIALIZED VIEW unseen AS SELECT count(*) FROM items WITH NO DATA", "SELECT lo_from_bytea(4711, 'x')",
    "GRANT SELECT ON LARGE OBJECT 4711 TO backup",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO backup", "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO backup",
)


def inside(server: Postgres, *statements: str) -> list[tuple[Any, ...]]:
    connection = server.connect(dbname="media")
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = list(cursor.fetchall()) if cursor.description else []
    connection.close()
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "dumps"
    place.mkdir()
    return place


@pytest.fixture
def dump(postgres: Postgres, folder: Path) -> Callable[..., dict[str, Any]]:
    def run(check_mode: bool = False, **options: Any) -> dict[str, Any]:
        return run_module("postgres_dump", arguments(postgres, folder, **options), check_mode=check_mode)

    return run


Dump = Callable[..., dict[str, Any]]


def arguments(postgres: Postgres, folder: Path, **options: Any) -> dict[str, Any]:
    given = {"login_user": "backup", "login_password": CANARY, "login_db": "media", "name": "media", "bin_dir": BIN,
             "wait_timeout": 60, **({} if "bucket" in options else {"destination": str(folder)})}
    return postgres.options(**{**given, **options})


def contents(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def dumps(folder: Path) -> list[str]:
    return [name for name in contents(folder) if name.startswith("media-") and name.endswith((".dump", ".dir"))]


def aged(folder: Path, name: str, days: float) -> str:
    """Let a dump be older, as if it had been made then."""
    older = f"media-{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%SZ}.dump"
    for suffix in ("", ".manifest.json"):
        (folder / f"{name}{suffix}").rename(folder / f"{older}{suffix}")
    return older


def made_before(dump: Dump, folder: Path, *days: float) -> list[str]:
    """Good dumps of that age."""
    names = []
    for age in days:
        before = set(dumps(folder))
        assert not dump().get("failed")
        [name] = set(dumps(folder)) - before
        names.append(aged(folder, name, age))
    return names


def test_a_dump_is_made_and_proven_and_a_fresh_one_is_enough(dump: Dump, folder: Path) -> None:
    first, second = dump(not_within="5h"), dump(not_within="5h")

    assert not first.get("failed"), first["msg"]
    [name] = dumps(folder)
    assert contents(folder) == [name, f"{name}.manifest.json"]
    manifest = json.loads((folder / f"{name}.manifest.json").read_text())
    assert manifest["files"][0]["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    counted = {table["name"]: table["rows"] for table in manifest["tables"]}
    assert counted == {"items": ROWS, ODD: 2, "nothing": 0, "n" * 63: 0, "child": 1}
    assert manifest["extensions"] == ["pg_trgm"]
    assert manifest["extras"] == {"large_objects": 1, "materialized_views": [["public", "seen"]], "tables_of_extensions": []}
    assert manifest["database_size"] > 1_000_000
    assert first["evidence"][0]["actual"]["dump"] == name
    assert (folder / name).stat().st_mode & 0o077 == 0
    assert (first["changed"], second["changed"], second.get("failed", False)) == (True, False, False)
    assert CANARY not in json.dumps([first, second])


def test_a_directory_is_dumped_side_by_side(dump: Dump, folder: Path) -> None:
    result = dump(format="directory", jobs=2)

    assert not result.get("failed"), result["msg"]
    [name] = dumps(folder)
    manifest = json.loads((folder / f"{name}.manifest.json").read_text())
    assert {file["path"] for file in manifest["files"]} == {one.name for one in (folder / name).iterdir()}


def test_check_mode_only_reads_as_the_servers_log_and_the_folder_show(postgres: Postgres, dump: Dump, folder: Path) -> None:
    made_before(dump, folder, 40, 50)
    before, kept = len(postgres.log), contents(folder)
    result = dump(check_mode=True, keep=1, keep_for="30d")
    said = postgres.log[before:]

    assert [change["action"] for change in result["changes"]] == ["dump", "delete", "delete"]
    assert contents(folder) == kept
    assert "pg_class" in said
    assert not any(word in said for word in ("COPY", "LOCK TABLE", "pg_export_snapshot"))


def test_old_dumps_go_and_the_newest_good_ones_stay(dump: Dump, folder: Path) -> None:
    oldest, older, old, young = made_before(dump, folder, 60, 50, 40, 1)
    (folder / "media-by-hand.dump").write_text("mine")
    stranger = f"media-{datetime.now(UTC) - timedelta(days=90):%Y%m%dT%H%M%SZ}.dump"
    (folder / stranger).write_text("without a manifest")
    result = dump(keep=3, keep_for="30d")

    assert not result.get("failed"), result["msg"]
    # The new one, the young one and the newest of the old make three.
    assert not {oldest, older} & set(contents(folder))
    assert {old, young, stranger, "media-by-hand.dump"} <= set(contents(folder))
    kept = {one["resource"].rpartition("/")[2]: one["reason"] for one in result["kept"]}
    assert kept[old] == "it is one of the newest 3 good ones"
    assert kept[stranger] == "it has no manifest of ours"
    assert kept["media-by-hand.dump"] == "it is not named as ours are"


def test_the_newest_good_dump_stays_when_the_new_one_fails(dump: Dump, folder: Path) -> None:
    [old] = made_before(dump, folder, 90)
    result = dump(keep=1, keep_for="1d", wait_timeout=0)

    assert result["failed"]
    assert dumps(folder) == [old]


def test_a_dump_of_a_machine_whose_clock_goes_ahead_neither_counts_nor_goes(dump: Dump, folder: Path) -> None:
    ahead, old = made_before(dump, folder, -1 / 24, 40)
    first, second = (dump(not_within="5h", keep=1, keep_for="30d") for _run in range(2))

    assert not first.get("failed"), first["msg"]
    [made] = set(dumps(folder)) - {ahead}
    assert old not in dumps(folder)
    assert [run["evidence"][0]["actual"]["dump"] for run in (first, second)] == [made, made]
    assert (second["changed"], second.get("failed", False)) == (False, False)
    assert "from the future" in str(first["kept"])
    assert ahead in str(first["warnings"])


def test_a_broken_dump_counts_for_nothing(dump: Dump, folder: Path) -> None:
    good, broken = made_before(dump, folder, 50, 2)
    (folder / broken).write_bytes(b"half")
    result = dump(check_mode=True, keep=2, keep_for="30d", not_within="7d")

    assert [change["action"] for change in result["changes"]] == ["dump"]
    assert {one["name"]: one["good"] for one in result["dumps"]} == {good: True, broken: False}


def test_more_deletions_than_allowed_are_left_for_the_next_run_and_the_dump_is_made(dump: Dump, folder: Path) -> None:
    oldest, older = made_before(dump, folder, 60, 50)
    result = dump(keep=1, keep_for="30d", max_affected="2")

    assert not result.get("failed"), result["msg"]
    assert oldest not in dumps(folder)
    assert older in dumps(folder)
    assert "max_affected" in str(result["kept"])


def test_what_the_role_may_not_read_is_named_and_nothing_is_dumped(postgres: Postgres, dump: Dump, folder: Path) -> None:
    tables = ("items", f'"{"n" * 63}"')
    inside(postgres, *(f"REVOKE SELECT ON {name} FROM backup" for name in tables))
    try:
        result = dump()
    finally:
        inside(postgres, *(f"GRANT SELECT ON {name} TO backup" for name in tables))

    assert result["failed"]
    assert "public.items: no SELECT on it" in result["msg"]
    assert "n" * 63 in result["msg"]
    assert contents(folder) == []


def test_rows_that_the_role_is_not_shown_are_no_dump(postgres: Postgres, dump: Dump, folder: Path) -> None:
    inside(postgres, "ALTER TABLE items ENABLE ROW LEVEL SECURITY", "CREATE POLICY few ON items USING (id < 10)")
    try:
        result = dump()
    finally:
        inside(postgres, "DROP POLICY few ON items", "ALTER TABLE items DISABLE ROW LEVEL SECURITY")

    assert result["failed"]
    assert "row-level security" in result["msg"]
    assert contents(folder) == []


def test_a_lock_that_is_not_granted_in_time_leaves_the_good_dump_alone(
    postgres: Postgres, dump: Dump, folder: Path
) -> None:
    [old] = made_before(dump, folder, 90)
    holder = postgres.connect(dbname="media")
    with holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        result = dump(lock_timeout=1, keep=1, keep_for="1d")
    holder.close()

    assert result["failed"]
    assert "too long" in result["msg"]
    assert dumps(folder) == [old]
    assert not any(name.startswith(".partial") for name in contents(folder))


def test_a_pg_dump_older_than_the_server_is_refused(dump: Dump, folder: Path, tmp_path: Path) -> None:
    for name in ("pg_dump", "pg_restore"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.9 (Debian 12.9-1)'\n")
        (tmp_path / name).chmod(0o755)
    result = dump(bin_dir=str(tmp_path))

    assert result["failed"]
    assert "version 12.9" in result["msg"]
    assert contents(folder) == []


IN_A_PROCESS = """
import json, sys
from tests.support.modules import run_module
print(json.dumps(run_module("postgres_dump", json.load(sys.stdin))))
"""
ON_A_SMALL_DISK = """
import json, os, psycopg2, sys
from tests.support.modules import run_module
given = json.load(sys.stdin)
results = [run_module("postgres_dump", given)]
connection = psycopg2.connect(host=given["login_host"], port=given["login_port"], user="postgres", dbname="media")
connection.cursor().execute(sys.argv[1])
connection.commit()
results.append(sorted(os.listdir(given["destination"])))
results.append(run_module("postgres_dump", given))
results.append(sorted(os.listdir(given["destination"])))
print(json.dumps(results))
"""
BIG = ("CREATE TABLE zz_big AS SELECT g, md5(g::text) || md5((g + 1)::text) AS t FROM generate_series(1, 1500000) g; "
       "GRANT SELECT ON zz_big TO backup")
PYTHONPATH = os.pathsep.join(path for path in sys.path if path)


@pytest.fixture
def big(postgres: Postgres) -> Iterator[None]:
    """A table that takes a second or two to dump."""
    inside(postgres, BIG)
    yield
    inside(postgres, "DROP TABLE zz_big")


@pytest.fixture
def start(big: None) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a dump in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def begin(given: dict[str, Any]) -> subprocess.Popen[str]:
        child = subprocess.Popen([sys.executable, "-c", IN_A_PROCESS], env={**os.environ, "PYTHONPATH": PYTHONPATH},
                                 text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        started.append(child)
        assert child.stdin
        child.stdin.write(json.dumps(given))
        child.stdin.close()
        return child

    yield begin
    for child in started:
        child.kill()
        child.wait()


def result_of(child: subprocess.Popen[str]) -> dict[str, Any]:
    assert child.stdout
    result: dict[str, Any] = json.loads(child.stdout.read().splitlines()[-1])
    return result


def dumping(folder: Path) -> list[tuple[int, str]]:
    """The pg_dump processes that write to the folder, with their command lines."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue  # gone meanwhile
        if f"--file={folder}" in line and line.startswith(BIN):
            found.append((int(process.name), line))
    return found


def writes(folder: Path) -> bool:
    return any(one.name.startswith(".partial") and one.stat().st_size > 100_000 for one in folder.iterdir())


def test_a_killed_run_takes_its_pg_dump_along_and_the_next_cleans_up(
    postgres: Postgres, dump: Dump, folder: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    [good] = made_before(dump, folder, 5)
    child = start(arguments(postgres, folder))
    eventually(lambda: writes(folder))
    [(_process, line)] = dumping(folder)
    child.send_signal(signal.SIGKILL)
    child.wait()

    assert CANARY not in line
    eventually(lambda: not dumping(folder), 5)
    [partial] = [name for name in contents(folder) if name.startswith(".partial")]
    assert dumps(folder) == [good]
    assert [one["name"] for one in dump(check_mode=True)["dumps"] if one["good"]] == [good]
    assert partial in contents(folder)
    assert not dump().get("failed")
    assert len(dumps(folder)) == 2
    assert not any(name.startswith(".partial") for name in contents(folder))


def test_a_run_at_work_keeps_its_unfinished_dump_beside_another(
    postgres: Postgres, dump: Dump, folder: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    child = start(arguments(postgres, folder))
    eventually(lambda: writes(folder))
    [(_process, line)] = dumping(folder)
    # A name has whole seconds.
    eventually(lambda: f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}" not in line)
    other = dump(checksums=False)

    assert not other.get("failed"), other["msg"]
    assert not result_of(child).get("failed")
    assert len(dumps(folder)) == 2


def test_ended_sessions_and_a_passed_deadline_leave_nothing_behind(
    postgres: Postgres, dump: Dump, folder: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    child = start(arguments(postgres, folder))
    eventually(lambda: writes(folder))
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'backup'")
    ended = result_of(child)
    late = dump(wait_timeout=1)

    assert ended["failed"]
    assert "terminat" in ended["msg"]
    assert late["failed"]
    assert "passed" in late["msg"]
    assert contents(folder) == []
    eventually(lambda: not dumping(folder), 5)


def test_a_disk_that_fills_leaves_the_good_dump_and_no_half_one(postgres: Postgres, tmp_path: Path) -> None:
    enter = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    mount = f'mount -t tmpfs -o size=4m small "{tmp_path}"'
    probe = subprocess.run([*enter, "sh", "-c", mount], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no file system can be mounted here: {probe.stderr.strip()}")
    # The first dump is small, so that the estimate lets the next one begin.
    done = subprocess.run(
        [*enter, "sh", "-c", f'{mount} && exec "$0" -c "$1" "$2"', sys.executable, ON_A_SMALL_DISK, BIG],
        input=json.dumps(arguments(postgres, tmp_path)), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": PYTHONPATH})
    inside(postgres, "DROP TABLE IF EXISTS zz_big")
    assert done.returncode == 0, done.stderr
    first, kept, second, left = json.loads(done.stdout.splitlines()[-1])

    assert not first.get("failed"), first["msg"]
    assert second["failed"]
    assert "No space left on device" in second["msg"]
    assert left == kept
    assert len(left) == 2


def test_a_disk_without_room_is_told_before_anything_is_begun(postgres: Postgres, tmp_path: Path) -> None:
    enter = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    mount = f'mount -t tmpfs -o size=1m small "{tmp_path}"'
    if subprocess.run([*enter, "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    done = subprocess.run(
        [*enter, "sh", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, IN_A_PROCESS],
        input=json.dumps(arguments(postgres, tmp_path)), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": PYTHONPATH})
    result = json.loads(done.stdout.splitlines()[-1])

    assert result["failed"]
    assert "a quarter of the database's size" in result["msg"]


@pytest.fixture
def bucket(aws: Aws, unique: str) -> str:
    aws.client("s3").create_bucket(Bucket=unique)
    return unique


def keys(aws: Aws, bucket: str) -> list[str]:
    return sorted(entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket=bucket).get("Contents", ()))


@pytest.mark.parametrize("parts", [False, True])
def test_a_dump_goes_to_a_bucket_and_leaves_nothing_here(
    aws: Aws, bucket: str, dump: Dump, folder: Path, request: pytest.FixtureRequest, parts: bool
) -> None:
    if parts:
        request.getfixturevalue("big")
    place = {**aws.connection, "bucket": bucket, "prefix": "db/", "workspace": str(folder)}
    with aws.calls() as calls:
        checked = dump(check_mode=True, **place)
    first, second = dump(**place, not_within="5h"), dump(**place, not_within="5h")

    assert [change["action"] for change in checked["changes"]] == ["dump"]
    assert not any(call["changing"] for call in calls)
    assert not first.get("failed"), first["msg"]
    name = first["evidence"][0]["actual"]["dump"]
    assert keys(aws, bucket) == [f"db/{name}", f"db/{name}.manifest.json"]
    assert ("-" in aws.client("s3").head_object(Bucket=bucket, Key=f"db/{name}")["ETag"]) is parts
    assert contents(folder) == []
    assert (second["changed"], second.get("failed", False)) == (False, False)


@pytest.mark.parametrize("action", ["UploadPart", "CompleteMultipartUpload", "PutObject", "HeadObject"])
def test_an_upload_that_fails_leaves_no_good_dump(
    aws: Aws, bucket: str, dump: Dump, folder: Path, action: str, big: None
) -> None:
    aws.control("faults", {"faults": [{"service": "s3", "action": action, "kind": "deny"}]})
    result = dump(bucket=bucket, workspace=str(folder), checksums=False, **aws.connection)

    assert result["failed"]
    assert contents(folder) == []
    assert keys(aws, bucket) == []
    assert not aws.client("s3").list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_old_objects_go_with_their_manifests(aws: Aws, bucket: str, dump: Dump, folder: Path) -> None:
    place = {**aws.connection, "bucket": bucket, "workspace": str(folder)}
    name = dump(**place)["evidence"][0]["actual"]["dump"]
    client, older = aws.client("s3"), f"media-{datetime.now(UTC) - timedelta(days=40):%Y%m%dT%H%M%SZ}.dump"
    for suffix in ("", ".manifest.json"):
        client.copy_object(Bucket=bucket, Key=older + suffix, CopySource={"Bucket": bucket, "Key": name + suffix})
        client.delete_object(Bucket=bucket, Key=name + suffix)
    result = dump(**place, keep=1, keep_for="30d")

    assert not result.get("failed"), result["msg"]
    assert len(keys(aws, bucket)) == 2
    assert older not in keys(aws, bucket)
