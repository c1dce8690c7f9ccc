"""postgres_view on a real server: a view is as its definition says, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.databases.media import MEDIA
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module

ODD = 'Odd."view" of\'s 100 %'
LONGEST = "v" * 63
FIRST = "SELECT id, title FROM shelf WHERE title <> '100 %; --'  -- a comment"
SECOND = "SELECT id, title, length(title) AS long FROM shelf"

ACTIVE_OPERATIONS = """
SELECT 'upload' AS operation, count(*) AS count FROM media_items WHERE processing_status IN ('pending', 'processing')
UNION ALL
SELECT 'search', count(*) FROM search_history WHERE created_at > now() - interval '1 minute'
"""
USER_ACTIVITY_SUMMARY = """
SELECT email, subscription_tier, media_count, search_count, last_upload, last_search
FROM users
CROSS JOIN LATERAL (
    SELECT count(*) AS media_count, max(created_at) AS last_upload FROM media_items WHERE user_id = users.id) AS media
CROSS JOIN LATERAL (
    SELECT count(*) AS search_count, max(created_at) AS last_search FROM search_history WHERE user_id = users.id) AS searches
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), log_statement="all") as server:
        server.execute("CREATE ROLE operator LOGIN", "CREATE ROLE owner", "GRANT owner TO operator",
                       "CREATE ROLE stranger LOGIN", "CREATE ROLE reader LOGIN")
        yield server


@pytest.fixture(autouse=True)
def shelf(postgres: Postgres) -> Iterator[None]:
    """A table of the operator's owner, in a schema where he may create."""
    postgres.execute("GRANT ALL ON SCHEMA public TO owner", "GRANT USAGE ON SCHEMA public TO PUBLIC",
                     "CREATE TABLE shelf (id int, title text)", "INSERT INTO shelf VALUES (1, 'one')",
                     "ALTER TABLE shelf OWNER TO owner")
    yield
    postgres.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")


@pytest.fixture
def ensure(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(
        definition: str | None = FIRST, check_mode: bool = False, user: str = "operator", **options: Any
    ) -> dict[str, Any]:
        given = {"login_user": user, "name": "shown", "wait_timeout": 20, **options}
        if definition is not None:
            given["definition"] = definition
        return run_module("postgres_view", postgres.options(**given), check_mode=check_mode)

    return run


Ensure = Callable[..., dict[str, Any]]


def rows(postgres: Postgres, view: str = "shown") -> list[tuple[Any, ...]]:
    return postgres.execute(f"SELECT * FROM {view}")


def undone(ensure: Ensure, result: dict[str, Any]) -> dict[str, Any]:
    """Run the undo of a result's only change."""
    return ensure(**{"definition": None, **result["changes"][0]["undo"]["arguments"]})


@pytest.mark.parametrize("name", ["shown", ODD, LONGEST])
def test_a_view_is_created_once_and_undone(postgres: Postgres, ensure: Ensure, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    first, second = ensure(name=name), ensure(name=name)

    assert not first.get("failed"), first["msg"]
    assert [change["action"] for change in first["changes"]] == ["create"]
    assert first["changes"][0]["resource"].endswith(f":public.{name}")
    assert first["evidence"][0]["ok"] is True
    assert rows(postgres, quoted) == [(1, "one")]
    assert not second["changed"], second["changes"]
    assert undone(ensure, first)["changes"][0]["action"] == "drop"
    assert postgres.execute("SELECT count(*) FROM pg_views WHERE schemaname = 'public'") == [(0,)]


def test_another_definition_replaces_it_and_privileges_options_and_comment_stay(postgres: Postgres, ensure: Ensure) -> None:
    ensure()
    postgres.execute("GRANT SELECT ON shown TO reader", "ALTER VIEW shown SET (security_barrier = true)",
                     "COMMENT ON VIEW shown IS 'Whose it is.\n\nAsk Ann.'")
    first, second = ensure(SECOND), ensure(SECOND)
    reader = postgres.connect("reader")

    assert not first.get("failed"), first["msg"]
    assert [(change["action"], change["after"]) for change in first["changes"]] == [("replace", {"definition": SECOND})]
    assert "public.shelf" in first["changes"][0]["before"]["definition"]
    assert not second["changed"]
    with reader.cursor() as cursor:
        cursor.execute("SELECT * FROM shown")
        assert cursor.fetchall() == [(1, "one", 3)]
    reader.close()
    assert postgres.execute("SELECT reloptions, relowner::regrole::text FROM pg_class WHERE relname = 'shown'") == [
        (["security_barrier=true"], "operator")]
    (comment,) = postgres.execute("SELECT obj_description('shown'::regclass)")[0]
    assert comment.startswith("Whose it is.\n\nAsk Ann.\nopsbook sha256:")
    assert comment.count("opsbook") == 1


def test_a_view_that_somebody_changed_or_made_is_put_right_and_can_be_put_back(postgres: Postgres, ensure: Ensure) -> None:
    ensure()
    postgres.execute("CREATE OR REPLACE VIEW shown AS SELECT id, upper(title) AS title FROM shelf")
    changed = ensure()

    assert "it was changed since" in changed["changes"][0]["summary"]
    assert rows(postgres) == [(1, "one")]
    assert undone(ensure, changed)["changed"]
    assert rows(postgres) == [(1, "ONE")]


def test_a_renamed_column_underneath_is_noticed(postgres: Postgres, ensure: Ensure) -> None:
    ensure("SELECT * FROM shelf")
    postgres.execute("ALTER TABLE shelf RENAME title TO headline")
    result = ensure("SELECT * FROM shelf", check_mode=True)

    assert result["failed"]
    assert "title text" in result["msg"]


def test_check_mode_only_reads_as_the_servers_own_log_shows(postgres: Postgres, ensure: Ensure) -> None:
    for before in (None, SECOND):
        if before:
            ensure(before)
        begun = len(postgres.log)
        result = ensure("SELECT id, title, 5 AS long FROM shelf", check_mode=True)
        said = postgres.log[begun:]

        assert result["changed"]
        assert result["evidence"] == []
        assert "LIMIT 0" in said
        for verb in ("CREATE", "COMMENT", "DROP"):
            assert f"statement: {verb}" not in said


def test_check_mode_and_the_run_plan_the_same(ensure: Ensure) -> None:
    ensure()
    assert ensure(SECOND, check_mode=True)["plan_digest"] == ensure(SECOND)["plan_digest"]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(("definition", "said"), [
    ("SELECT id FROM shelf", "title text"), ("SELECT title, id FROM shelf", "id integer, title text"),
    ("SELECT id::bigint, title FROM shelf", "id integer"),
])
def test_a_column_that_goes_is_refused(
    postgres: Postgres, ensure: Ensure, definition: str, said: str, check_mode: bool
) -> None:
    ensure()
    result = ensure(definition, check_mode=check_mode)

    assert result["failed"]
    assert f"would go or become others: {said}" in result["msg"]
    assert rows(postgres) == [(1, "one")]


def test_a_change_that_only_the_server_refuses_leaves_the_view(postgres: Postgres, ensure: Ensure) -> None:
    ensure("SELECT 'a'::varchar(10) AS word")
    result = ensure("SELECT 'b'::varchar(20) AS word")

    assert result["failed"]
    assert "character varying(10)" in result["failed_resources"][0]["reason"]
    assert rows(postgres) == [("a",)]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(("definition", "said"), [
    ("SELECT 1; DROP TABLE shelf", "semicolon"), ("DROP TABLE shelf", "is no query"), ("", "is no query"),
    ("-- nothing", "is no query"), ("SELECT nothing FROM shelf", "nothing"), ("SELECT * FROM nowhere", "nowhere"),
    ("WITH gone AS (DELETE FROM shelf RETURNING *) SELECT * FROM gone", "data-modifying"),
    ("SELECT 1) AS x; DROP TABLE shelf; SELECT * FROM (SELECT 1", "semicolon"),
    ("SELECT * INTO copy FROM shelf", "INTO is not allowed"), ("SELECT 'not closed", "unterminated"),
])
def test_a_definition_that_is_none_changes_nothing(
    postgres: Postgres, ensure: Ensure, definition: str, said: str, check_mode: bool
) -> None:
    result = ensure(definition, check_mode=check_mode)

    assert result["failed"]
    assert said in result["msg"], result["msg"]
    assert postgres.execute("SELECT id FROM shelf") == [(1,)]
    assert postgres.execute("SELECT count(*) FROM pg_class WHERE relname = 'shown'") == [(0,)]


def test_every_kind_of_query_makes_a_view(postgres: Postgres, ensure: Ensure) -> None:
    for number, definition in enumerate(("VALUES (1), (2)", "(SELECT 1) UNION (SELECT 2)", "TABLE shelf",
                                         "with x as (select ';' as y) select * from x", "/* says why */ SELECT $$;$$ AS x")):
        name = f"kind_{number}"
        assert not ensure(definition, name=name).get("failed"), definition
        assert not ensure(definition, name=name)["changed"]


def test_names_are_looked_up_beside_the_view_whatever_the_role_prefers(postgres: Postgres, ensure: Ensure) -> None:
    postgres.execute('CREATE SCHEMA "Odd.schema" AUTHORIZATION owner', 'CREATE TABLE "Odd.schema".shelf (id text)',
                     'ALTER TABLE "Odd.schema".shelf OWNER TO owner', "ALTER ROLE operator SET search_path = nowhere")
    try:
        result = ensure("SELECT * FROM shelf", schema="Odd.schema")
        again = ensure("SELECT * FROM shelf", schema="Odd.schema")
        columns = postgres.execute("SELECT data_type FROM information_schema.columns WHERE table_name = 'shown'")
    finally:
        postgres.execute("ALTER ROLE operator RESET search_path", 'DROP SCHEMA "Odd.schema" CASCADE')

    assert not result.get("failed"), result["msg"]
    assert not again["changed"]
    assert columns == [("text",)]


@pytest.mark.parametrize(("statement", "kind"), [
    ("CREATE TABLE shown (id int)", "a table"), ("CREATE MATERIALIZED VIEW shown AS SELECT 1 AS id", "a materialized view"),
    ("CREATE SEQUENCE shown", "a sequence"),
])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_is_no_view_is_never_touched(postgres: Postgres, ensure: Ensure, statement: str, kind: str, state: str) -> None:
    postgres.execute(statement)
    result = ensure(state=state)

    assert result["failed"]
    assert f"{kind} has this name" in result["msg"]
    assert postgres.execute("SELECT count(*) FROM pg_class WHERE relname = 'shown'") == [(1,)]


def test_a_view_is_dropped_and_can_be_brought_back(postgres: Postgres, ensure: Ensure) -> None:
    ensure()
    planned, first, second = ensure(None, state="absent", check_mode=True), ensure(None, state="absent"), ensure(
        None, state="absent")

    assert [planned["changed"], first["changed"], second["changed"]] == [True, True, False]
    assert planned["plan_digest"] == first["plan_digest"]
    assert postgres.execute("SELECT count(*) FROM pg_class WHERE relname = 'shown'") == [(0,)]
    assert not undone(ensure, first).get("failed")
    assert rows(postgres) == [(1, "one")]


def test_a_view_that_something_depends_on_is_not_dropped_and_what_does_is_named(postgres: Postgres, ensure: Ensure) -> None:
    ensure()
    postgres.execute('CREATE VIEW "Above" AS SELECT * FROM shown', "CREATE MATERIALIZED VIEW stored AS SELECT id FROM shown",
                     "CREATE FUNCTION picks(shown) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    for check_mode in (True, False):
        result = ensure(None, state="absent", check_mode=check_mode)

        assert result["failed"]
        for name in ('view public."Above"', "materialized view public.stored", "function public.picks(public.shown)"):
            assert name in result["msg"]
    assert rows(postgres, '"Above"') == [(1, "one")]
    assert not ensure(SECOND).get("failed")


@pytest.mark.parametrize(("user", "options", "said"), [
    ("stranger", {}, "may not"), ("stranger", {"state": "absent"}, "owns neither"),
    ("operator", {"schema": "nowhere"}, "no schema"),
    ("operator", {"protected": ["public.sho*"]}, "protected"), ("operator", {"max_affected": "0"}, "max_affected"),
    ("operator", {"name": "n" * 64}, "63 bytes"),
])
@pytest.mark.parametrize("check_mode", [True, False])
def test_what_may_not_be_done_is_known_before(
    postgres: Postgres, ensure: Ensure, user: str, options: dict[str, Any], said: str, check_mode: bool
) -> None:
    ensure()
    postgres.execute("GRANT SELECT ON shelf TO stranger")
    result = ensure(SECOND, user=user, check_mode=check_mode, **options)

    assert result["failed"]
    assert said in result["msg"], result["msg"]
    assert rows(postgres) == [(1, "one")]


def test_a_definition_that_its_maker_may_not_read_is_refused(ensure: Ensure, postgres: Postgres) -> None:
    postgres.execute("CREATE TABLE secret (id int)")
    result = ensure("SELECT * FROM secret", check_mode=True)

    assert result["failed"]
    assert "permission denied for table secret" in result["msg"]


def test_a_lock_that_is_not_granted_leaves_the_view_as_it_was(postgres: Postgres, ensure: Ensure) -> None:
    ensure()
    reader = postgres.connect("postgres")
    with reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM shown")
        result = ensure(SECOND, lock_timeout=1)
    reader.close()

    assert result["failed"]
    assert "took too long" in result["msg"]
    assert rows(postgres) == [(1, "one")]
    assert ensure(SECOND)["changed"]


@pytest.mark.parametrize("definition", [ACTIVE_OPERATIONS, USER_ACTIVITY_SUMMARY])
def test_the_views_of_the_media_system_stand_on_its_tables(postgres: Postgres, ensure: Ensure, definition: str) -> None:
    postgres.execute(
        *MEDIA.tables, "INSERT INTO users VALUES (1, 'a@example.org', 'free', now()), (2, 'b@example.org', 'pro', now())",
        "INSERT INTO media_items SELECT g, 1, 'image', 1, 'processing', now() FROM generate_series(1, 3) AS g",
        "INSERT INTO search_history SELECT g, 1, 'beach', 1, 1, now() FROM generate_series(1, 2) AS g")
    first, second = ensure(definition, user="postgres"), ensure(definition, user="postgres")

    assert not first.get("failed"), first["msg"]
    assert not second["changed"]
    if definition == ACTIVE_OPERATIONS:
        assert sorted(rows(postgres)) == [("search", 2), ("upload", 3)]
    else:
        assert sorted(row[:4] for row in rows(postgres)) == [("a@example.org", "free", 3, 2), ("b@example.org", "pro", 0, 0)]
