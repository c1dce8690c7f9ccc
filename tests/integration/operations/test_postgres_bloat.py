"""Indexes and bloat as a real server has them: measured and estimated, and what neither can tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.bloat import Bloat, index_bloat, table_bloat
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.indexes import (
    Index,
    collect_indexes,
    duplicates,
    invalid,
    leftovers,
)
from tests.support.databases import Postgres, running_postgres

ROWS = 30_000
TREES = ("shop_pkey", "by_title", "by_part", "by_lower", "by_price")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), autovacuum="off") as server:
        server.execute(
            "CREATE ROLE stranger LOGIN", "CREATE ROLE reader LOGIN", "CREATE ROLE owner LOGIN",
            "CREATE ROLE monitor LOGIN IN ROLE pg_monitor",
            "CREATE TABLE shop (id bigint PRIMARY KEY, title text NOT NULL, part text, price int, pad text)",
            "INSERT INTO shop SELECT g, md5(g::text), repeat('x', g % 40), nullif(g % 3, 0), 'y' "
            f"FROM generate_series(1, {ROWS}) AS g",
            "CREATE INDEX by_title ON shop (title)", "CREATE INDEX by_part ON shop (title, price) INCLUDE (part)",
            "CREATE INDEX by_lower ON shop (lower(title)) WHERE id > 10", "CREATE INDEX by_price ON shop (price, id)",
            "CREATE INDEX by_hash ON shop USING hash (title)", "VACUUM ANALYZE shop",
            "ALTER TABLE shop OWNER TO owner", "GRANT SELECT ON shop TO reader")
        yield server


@pytest.fixture
def pgstattuple(postgres: Postgres) -> Iterator[None]:
    postgres.execute("CREATE EXTENSION pgstattuple")
    yield
    postgres.execute("DROP EXTENSION pgstattuple")


def seen(postgres: Postgres, *tables: str, user: str = "postgres") -> dict[str, Index]:
    connect = connector(postgres.options(login_user=user))
    return {index.name: index for index in collect_indexes(connect, Run(), "here", tables or ["shop"]).state.indexes}


def bloat(postgres: Postgres, user: str = "postgres") -> dict[str, Bloat]:
    """The bloat of the table and its indexes, by name."""
    connect = connector(postgres.options(login_user=user))
    state = collect_indexes(connect, Run(), "here", ["shop"]).state
    return {name: found for (_schema, name), found in
            {**index_bloat(connect, "here", state.indexes), **table_bloat(connect, "here", state.tables)}.items()}


def test_what_was_just_built_is_not_bloated(postgres: Postgres) -> None:
    assert {name: found.percent for name, found in bloat(postgres).items() if name in (*TREES, "shop")} == {
        **dict.fromkeys(TREES, 0.0), "shop": pytest.approx(0.0, abs=2.0)}


@pytest.mark.usefixtures("pgstattuple")
def test_a_measurement_finds_what_was_just_built_not_bloated(postgres: Postgres) -> None:
    found = bloat(postgres, user="monitor")
    assert {found[name].method for name in (*TREES, "shop")} == {"pgstattuple"}
    assert {name: found[name].percent for name in (*TREES, "shop")} == pytest.approx(
        dict.fromkeys((*TREES, "shop"), 0.0), abs=3.0)


def test_the_statistics_of_a_table_can_be_used_by_who_may_read_it(postgres: Postgres) -> None:
    found = bloat(postgres, user="reader")
    assert found["by_title"].method == "estimate"
    # Statistics of what an index computes are its own, and those only its owner may read.
    assert "does not own" in found["by_lower"].reason
    assert bloat(postgres, user="owner")["by_lower"].method == "estimate"

    found = bloat(postgres, user="stranger")
    assert found["by_title"] == Bloat(None, None, None, found["by_title"].reason)
    assert "the role lacks SELECT" in found["by_title"].reason
    assert found["shop"].percent is None
    # All its columns have a fixed length and are never null.
    assert found["shop_pkey"].method == "estimate"


@pytest.mark.usefixtures("pgstattuple")
def test_who_may_not_measure_estimates_and_says_why(postgres: Postgres) -> None:
    found = bloat(postgres, user="reader")["by_title"]
    assert found.method == "estimate"
    assert "it lacks pg_stat_scan_tables" in found.reason


def test_of_another_method_than_a_tree_nothing_is_said(postgres: Postgres) -> None:
    found = bloat(postgres)["by_hash"]
    assert found.percent is None
    assert "hash" in found.reason


def test_a_table_that_was_never_analyzed_is_unknown_and_an_empty_one_is_not_bloated(postgres: Postgres) -> None:
    postgres.execute("CREATE TABLE fresh (id int)", "CREATE TABLE empty (id int)", "INSERT INTO fresh VALUES (1)")
    connect = connector(postgres.options())
    tables = collect_indexes(connect, Run(), "here", ["fresh", "empty"]).state.tables
    found = table_bloat(connect, "here", tables)

    assert found["public", "fresh"].percent is None
    assert "never vacuumed or analyzed" in found["public", "fresh"].reason
    assert found["public", "empty"].wasted == 0


def test_duplicates_are_found_by_what_they_do_not_by_their_name(postgres: Postgres) -> None:
    postgres.execute(
        "CREATE TABLE twin (id int PRIMARY KEY, name text)", "CREATE INDEX a ON twin (id)", "CREATE INDEX b ON twin (name)",
        'CREATE INDEX c ON twin (name COLLATE "C")', "CREATE INDEX d ON twin (name text_pattern_ops)",
        "CREATE INDEX e ON twin (name DESC)", "CREATE INDEX f ON twin (name) WHERE id > 0",
        "CREATE INDEX g ON twin USING hash (name)", "CREATE INDEX h ON twin (lower(name))",
        "CREATE INDEX i ON twin (upper(name))", "CREATE INDEX j ON twin (name) INCLUDE (id)",
        "CREATE INDEX k ON twin (name, id)", "CREATE INDEX l ON twin (lower(name)) WITH (fillfactor = 50)")
    groups = duplicates(list(seen(postgres, "twin").values()))
    assert [[index.name for index in group] for group in groups] == [["twin_pkey", "a"], ["h", "l"]]


def test_the_index_of_a_toast_table_belongs_to_its_table_and_only_a_superuser_may_name_it(postgres: Postgres) -> None:
    (mine,) = [index for index in seen(postgres).values() if index.toast]
    (theirs,) = [index for index in seen(postgres, user="monitor").values() if index.toast]
    assert (mine.schema, mine.table, mine.own_schema) == ("public", "shop", "pg_toast")
    assert mine.maintainable
    assert not theirs.maintainable


def test_an_index_is_invalid_or_left_behind_by_what_the_server_says(postgres: Postgres) -> None:
    assert invalid(list(seen(postgres).values())) == ()
    # As REINDEX CONCURRENTLY leaves it; that itself is in test_postgres_reindex.py.
    postgres.execute("CREATE TABLE torn (id int)", "CREATE INDEX torn_idx ON torn (id)",
                     "CREATE INDEX torn_idx_ccnew ON torn (id)",
                     "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'torn_idx_ccnew'::regclass")
    assert [index.name for index in leftovers(list(seen(postgres, "torn").values()))] == ["torn_idx_ccnew"]


@pytest.mark.usefixtures("pgstattuple")
def test_estimate_and_measurement_agree_on_what_is_wasted(postgres: Postgres) -> None:
    postgres.execute("DELETE FROM shop WHERE id % 2 = 0", "VACUUM ANALYZE shop")
    measured, guessed = bloat(postgres, user="monitor"), bloat(postgres, user="owner")
    for name in (*TREES, "shop"):
        assert (measured[name].method, guessed[name].method) == ("pgstattuple", "estimate"), name
        assert guessed[name].percent == pytest.approx(measured[name].percent, abs=8.0), name
        assert 30.0 < (measured[name].percent or 0.0) < 60.0, name
        assert guessed[name].wasted == pytest.approx(measured[name].wasted, rel=0.2), name
