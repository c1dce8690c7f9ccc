"""postgres_retention on partitioned tables: whole partitions go, and a run that ended half-way is finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres import retention_partitions
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module

PARENT = 'Log of "all" 100%'
QUOTED = '"Log of ""all"" 100%"'
YEARS = (2019, 2020, 2021)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), log_statement="all") as server:
        server.execute("CREATE ROLE owner", "CREATE ROLE operator LOGIN IN ROLE owner")
        yield server


@pytest.fixture(params=["timestamptz", "timestamp", "date"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def parts(postgres: Postgres, kind: str) -> Iterator[Callable[..., None]]:
    """Makes a table with a partition a year, one for what lies around the limit, and if asked for the default one."""
    def make(*more: str, by: str = "RANGE (at)") -> None:
        statements = [f"CREATE TABLE {QUOTED} (id int, at {kind}, PRIMARY KEY (id, at)) PARTITION BY {by}"]
        if by == "RANGE (at)":
            statements += [f"CREATE TABLE y{year} PARTITION OF {QUOTED} FOR VALUES FROM ('{year}-01-01') TO "
                           f"('{year + 1}-01-01')" for year in YEARS]
            statements.append(f"CREATE TABLE around PARTITION OF {QUOTED} FOR VALUES FROM ('2022-01-01') TO (MAXVALUE)")
            statements += [f"INSERT INTO {QUOTED} SELECT g, '{year}-06-01' FROM generate_series(1, 50) AS g"
                           for year in (*YEARS, 2022)]
        postgres.execute(*statements, *more)
        postgres.execute(f"INSERT INTO {QUOTED} SELECT g, now() FROM generate_series(1, 500) AS g",
                         "DO $$ DECLARE one text; BEGIN FOR one IN SELECT quote_ident(relname) FROM pg_class WHERE relkind "
                         "IN ('r', 'p') AND relnamespace = 'public'::regnamespace LOOP "
                         "EXECUTE 'ALTER TABLE ' || one || ' OWNER TO owner'; END LOOP; END $$")

    yield make
    postgres.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT ALL ON SCHEMA public TO owner")


@pytest.fixture
def do(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(check_mode: bool = False, **options: Any) -> dict[str, Any]:
        rules = [{"table": PARENT, "column": "at", "older_than": "90d"}]
        given = {"login_user": "operator", "rules": rules, "wait_timeout": 30, **options}
        return run_module("postgres_retention", postgres.options(**given), check_mode=check_mode)

    return run


Do = Callable[..., dict[str, Any]]
Parts = Callable[..., None]
once = pytest.mark.parametrize("kind", ["timestamptz"], indirect=True)


def tables(postgres: Postgres) -> list[str]:
    found = postgres.execute("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = "
                             "'public'::regnamespace ORDER BY 1")
    return [name for (name,) in found]


def done(result: dict[str, Any]) -> dict[str, str]:
    return {change["resource"].rpartition(".")[2]: change["action"] for change in result["changes"]}


def kept(result: dict[str, Any]) -> dict[str, str]:
    return {entry["resource"].rpartition(".")[2]: entry["reason"] for entry in result["kept"]}


def left(postgres: Postgres) -> tuple[int, int]:
    return postgres.execute(f"SELECT count(*), count(*) FILTER (WHERE at < now() - interval '90 days') FROM {QUOTED}")[0]


WANTED = {**{f"y{year}": "drop_partition" for year in YEARS}, "around": "delete"}


def test_what_is_past_its_time_is_dropped_beside_the_work_of_others_and_the_rest_deleted(
    postgres: Postgres, parts: Parts, do: Do
) -> None:
    parts()
    before = len(postgres.log)
    first, said = do(), postgres.log[before:]
    second = do()

    assert not first.get("failed"), first["msg"]
    assert done(first) == WANTED
    assert tables(postgres) == ["around"]
    assert left(postgres) == (500, 0)
    assert said.count("DETACH PARTITION") == said.count("CONCURRENTLY") == len(YEARS)
    assert [item["actual"]["space"].endswith("given back to the file system") for item in first["evidence"]] == [True] * 4
    assert "none was given back" in first["evidence"][-1]["actual"]["space"]
    assert (second["changed"], second.get("failed", False)) == (False, False)


def test_with_a_default_partition_the_lock_is_said(postgres: Postgres, parts: Parts, do: Do) -> None:
    parts(f"CREATE TABLE others PARTITION OF {QUOTED} DEFAULT", "INSERT INTO others VALUES (7, '2001-01-01')")
    result = do()

    assert not result.get("failed"), result["msg"]
    assert done(result) == {**WANTED, "others": "delete"}
    assert f"locks public.{PARENT} against all for a moment" in result["changes"][0]["summary"]
    assert left(postgres) == (500, 0)
    assert tables(postgres) == ["around", "others"]


@once
def test_check_mode_only_reads_as_the_servers_own_log_shows(postgres: Postgres, parts: Parts, do: Do) -> None:
    parts()
    before = len(postgres.log)
    result = do(check_mode=True)
    said = postgres.log[before:]

    assert done(result) == WANTED
    assert "count(*) FILTER" in said
    for word in ("DETACH", "DROP", "COMMENT ON", "DELETE FROM"):
        assert word not in said


@once
def test_a_table_partitioned_by_another_column_has_its_old_rows_deleted(postgres: Postgres, parts: Parts, do: Do) -> None:
    parts(*(f"CREATE TABLE part_{number} PARTITION OF {QUOTED} FOR VALUES WITH (MODULUS 2, REMAINDER {number})"
            for number in (0, 1)),
          f"INSERT INTO {QUOTED} SELECT g, '2020-06-01' FROM generate_series(1, 90) AS g", by="HASH (id)")
    result = do()

    assert not result.get("failed"), result["msg"]
    assert done(result) == {"part_0": "delete", "part_1": "delete"}
    assert left(postgres) == (500, 0)


@once
def test_a_partition_with_partitions_of_its_own_goes_with_them(postgres: Postgres, parts: Parts, do: Do) -> None:
    parts(f"CREATE TABLE y2018 PARTITION OF {QUOTED} FOR VALUES FROM ('2018-01-01') TO ('2019-01-01') "
          "PARTITION BY HASH (id)",
          "CREATE TABLE y2018_0 PARTITION OF y2018 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
          "INSERT INTO y2018 VALUES (1, '2018-06-01')")
    result = do()

    assert not result.get("failed"), result["msg"]
    assert done(result) == {"y2018": "drop_partition", **WANTED}
    assert tables(postgres) == ["around"]


@once
def test_a_reader_that_is_not_waited_for_leaves_a_partition_half_detached_and_the_next_run_finishes(
    postgres: Postgres, parts: Parts, do: Do
) -> None:
    parts()
    planned = do(check_mode=True)
    reader = postgres.connect()
    reader.cursor().execute(f"BEGIN; SELECT FROM {QUOTED}")
    first = do(lock_timeout=1)
    reader.close()
    second = do()

    assert first["failed"]
    assert first["changed"]
    assert "Its detaching was begun" in first["failed_resources"][0]["reason"]
    assert "Run again" in first["failed_resources"][0]["reason"]
    assert not second.get("failed"), second["msg"]
    assert tables(postgres) == ["around"]
    assert set(done(second)) <= set(done(planned))


@once
def test_a_partition_that_a_killed_run_detached_is_found_again_and_dropped(
    postgres: Postgres, parts: Parts, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts("COMMENT ON TABLE y2019 IS 'of the old site'")
    planned = do(check_mode=True)
    kill_after_detaching(do, monkeypatch)
    comment = postgres.execute("SELECT obj_description('y2019'::regclass)")[0][0]
    again = do(check_mode=True)
    second = do()

    assert comment.splitlines()[0] == "of the old site"
    assert comment.splitlines()[1].startswith('opsbook retention: {"partition of": "public.')
    assert done(again) == done(planned)
    assert not second.get("failed"), second["msg"]
    assert tables(postgres) == ["around"]
    assert do()["changed"] is False


@once
def test_a_detached_partition_that_somebody_wrote_to_is_not_dropped(
    postgres: Postgres, parts: Parts, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts()
    kill_after_detaching(do, monkeypatch)
    constraint = postgres.execute("SELECT conname FROM pg_constraint WHERE conrelid = 'y2019'::regclass AND contype = 'c'")
    postgres.execute(*(f'ALTER TABLE y2019 DROP CONSTRAINT "{name}"' for (name,) in constraint),
                     "INSERT INTO y2019 VALUES (1, now())")
    result = do()

    assert not result.get("failed"), result["msg"]
    assert "somebody has altered it since" in kept(result)["y2019"]
    assert tables(postgres) == ["around", "y2019"]


@once
def test_a_detached_partition_that_is_to_be_kept_for_longer_now_is_left(
    postgres: Postgres, parts: Parts, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts()
    kill_after_detaching(do, monkeypatch)
    result = do(rules=[{"table": PARENT, "column": "at", "older_than": "9000d"}])

    assert (result["changed"], result.get("failed", False)) == (False, False)
    assert "rows of it are not older than 9000d" in kept(result)["y2019"]
    assert tables(postgres) == ["around", "y2019", "y2020", "y2021"]


@once
@pytest.mark.parametrize(("obstacle", "said"), [
    ("ALTER TABLE y2020 OWNER TO postgres; GRANT SELECT ON y2020 TO owner", "it needs to own the table and the partition"),
    ("CREATE VIEW seen AS SELECT * FROM y2020", "others depend on it: seen"),
    ("CREATE TABLE notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES y2020)", "others depend on it: notes"),
])
def test_a_partition_that_cannot_be_dropped_is_named_and_the_others_go(
    postgres: Postgres, parts: Parts, do: Do, obstacle: str, said: str
) -> None:
    parts()
    postgres.execute(obstacle, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO owner")
    result = do()

    assert result["failed"]
    assert said in {gap["resource"].rpartition(".")[2]: gap["reason"] for gap in result["coverage"]["missing"]}["y2020"]
    assert "y2020" in tables(postgres)
    assert "y2019" not in tables(postgres)
    assert left(postgres) == (550, 50)


@once
def test_rows_that_others_refer_to_keep_their_partitions(postgres: Postgres, parts: Parts, do: Do) -> None:
    parts()
    postgres.execute(f"CREATE TABLE notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES {QUOTED})",
                     "INSERT INTO notes VALUES (1, '2020-06-01')", "GRANT SELECT ON notes TO owner")
    result = do()

    assert result["failed"]
    assert "refer to old rows" in str(result["coverage"]["missing"])
    assert left(postgres) == (700, 200)


@once
@pytest.mark.parametrize("killed", [False, True])
def test_partitions_whose_rows_refer_to_earlier_ones_go_the_youngest_first(
    postgres: Postgres, parts: Parts, do: Do, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    parts(f"ALTER TABLE {QUOTED} ADD before_id int, ADD before_at timestamptz, "
          f"ADD FOREIGN KEY (before_id, before_at) REFERENCES {QUOTED}",
          f"UPDATE {QUOTED} SET before_id = 1, before_at = '2019-06-01' WHERE at > '2020-01-01'",
          f"UPDATE {QUOTED} SET before_id = 2, before_at = '2020-06-01' WHERE at > '2021-01-01'")
    if killed:
        do(protected=["public.y*"])
        kill_after_detaching(do, monkeypatch, "y2021")
    result = do()

    assert not result.get("failed"), (result["msg"], result["coverage"])
    assert tables(postgres) == ["around"]
    assert left(postgres) == (500, 0)


@once
def test_where_deleting_cascades_rows_are_deleted_and_no_partition_is_dropped(
    postgres: Postgres, parts: Parts, do: Do
) -> None:
    parts()
    postgres.execute(f"CREATE TABLE notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES {QUOTED} ON DELETE "
                     "CASCADE)", "INSERT INTO notes SELECT id, at FROM y2020",
                     "INSERT INTO notes SELECT 1, max(at) FROM around")
    result = do(cascade=True)

    assert not result.get("failed"), result["msg"]
    assert set(done(result).values()) == {"delete"}
    assert postgres.execute("SELECT count(*) FROM notes") == [(1,)]
    assert left(postgres) == (500, 0)


def kill_after_detaching(do: Do, monkeypatch: pytest.MonkeyPatch, partition: str = "y2019") -> None:
    """Run until the partition is detached, and no further."""
    others = [f"public.{name}" for name in WANTED if name != partition]
    detach = retention_partitions._detach

    def then_die(*given: Any) -> None:
        detach(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(retention_partitions, "_detach", then_die)
        with pytest.raises(KeyboardInterrupt):
            do(protected=others)
