"""postgres_retention on a real server: exactly the old rows go, and what cannot be done is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres import retention
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.retention_counts import count_left
from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module
from tests.support.waiting import eventually

ODD = 'Odd."name" of\'s 100%'
LONGEST = "n" * 63
ROWS, OLD = 6000, 1500
FILL = f"""INSERT INTO {{}} SELECT g, now() - CASE WHEN g % 4 = 0 THEN interval '100 days' ELSE interval '1 day' END
           - g * interval '1 second', 'x' FROM generate_series(1, {ROWS}) AS g"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), log_statement="all", timezone="Asia/Kathmandu") as server:
        server.execute("CREATE ROLE operator LOGIN", "CREATE ROLE owner", "GRANT owner TO operator")
        yield server


@pytest.fixture
def make(postgres: Postgres) -> Iterator[Callable[..., None]]:
    """Makes tables, a quarter of their rows old."""
    def one(name: str, *more: str, column: str = "at timestamptz", owner: str = "owner") -> None:
        postgres.execute(f"CREATE TABLE {quoted(name)} (id int PRIMARY KEY, {column}, body text)",
                         FILL.format(quoted(name)), *more, f"ALTER TABLE {quoted(name)} OWNER TO {owner}")

    yield one
    postgres.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT ALL ON SCHEMA public TO owner",
                     "DROP SCHEMA IF EXISTS \"a.b\" CASCADE")


@pytest.fixture
def do(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(*tables: str, check_mode: bool = False, user: str = "operator", **options: Any) -> dict[str, Any]:
        given = {"login_user": user, "rules": [rule(name) for name in tables], "wait_timeout": 30, **options}
        return run_module("postgres_retention", postgres.options(**given), check_mode=check_mode)

    return run


Do = Callable[..., dict[str, Any]]
Make = Callable[..., None]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def rule(table: str, **other: Any) -> dict[str, Any]:
    return {"table": table, "column": "at", "older_than": "90d", **other}


def rows(postgres: Postgres, table: str) -> tuple[int, int]:
    """How many rows a table has, and how many that are old."""
    return postgres.execute(f"SELECT count(*), count(*) FILTER (WHERE at < now() - interval '90 days') FROM {table}")[0]


def gaps(result: dict[str, Any]) -> dict[str, str]:
    return {gap["resource"].partition(":public.")[2]: gap["reason"] for gap in result["coverage"]["missing"]}


@pytest.mark.parametrize("column", ["at timestamptz", "at timestamp", "at date"])
@pytest.mark.parametrize("index", [None, "(at)", "(at DESC, body)", "(body)"])
def test_exactly_the_old_rows_go_and_a_second_run_changes_nothing(
    postgres: Postgres, make: Make, do: Do, column: str, index: str | None
) -> None:
    make("events", *([f"CREATE INDEX ON events {index}"] if index else []), column=column)
    first, second = do("events", batch_size=700), do("events")

    assert not first.get("failed"), first["msg"]
    assert first["changed"]
    assert rows(postgres, "events") == (ROWS - OLD, 0)
    assert postgres.execute("SELECT count(*) FROM events WHERE id % 4 = 0") == [(0,)]
    (seen,) = first["evidence"]
    assert (seen["ok"], seen["actual"]["left"], seen["actual"]["deleted"]) == (True, 0, OLD)
    assert "none was given back to the file system" in seen["actual"]["space"]
    assert (second["changed"], second.get("failed", False)) == (False, False)
    assert [kept["reason"] for kept in second["kept"]] == ["no row is older than 90d"]


@pytest.mark.parametrize("name", [ODD, LONGEST, "a.b", "UPPER"])
def test_any_name_is_a_name(postgres: Postgres, make: Make, do: Do, name: str) -> None:
    make(name)
    result = do(name)

    assert not result.get("failed"), result["msg"]
    assert rows(postgres, quoted(name)) == (ROWS - OLD, 0)


def test_a_name_that_may_mean_two_tables_is_refused_and_quotes_tell_them_apart(
    postgres: Postgres, make: Make, do: Do
) -> None:
    make("events")
    postgres.execute('CREATE SCHEMA "a.b"', 'CREATE TABLE "a.b".events AS SELECT * FROM events',
                     'ALTER TABLE "a.b".events ADD PRIMARY KEY (id)', 'ALTER TABLE "a.b".events OWNER TO owner',
                     'GRANT USAGE ON SCHEMA "a.b" TO owner')
    refused, done = do("events"), do('"a.b".events')

    assert refused["failed"]
    assert 'may be any of' in refused["msg"]
    assert not done.get("failed"), done["msg"]
    assert rows(postgres, '"a.b".events') == (ROWS - OLD, 0)
    assert rows(postgres, "public.events") == (ROWS, OLD)


def test_check_mode_only_reads_as_the_servers_own_log_shows(postgres: Postgres, make: Make, do: Do) -> None:
    make("events")
    before = len(postgres.log)
    result = do("events", check_mode=True)
    said = postgres.log[before:]

    assert result["changes"][0]["summary"] == f"delete {OLD:,} of {ROWS:,} rows of public.events, older than 90d"
    assert "count(*) FILTER" in said
    assert "DELETE FROM" not in said
    assert "FOR UPDATE" not in said
    assert rows(postgres, "events") == (ROWS, OLD)


def test_a_key_of_several_columns_and_one_of_a_unique_index_do_as_well(postgres: Postgres, make: Make, do: Do) -> None:
    make("pairs", "ALTER TABLE pairs DROP CONSTRAINT pairs_pkey, ADD PRIMARY KEY (body, id)")
    make("unique", "ALTER TABLE \"unique\" DROP CONSTRAINT unique_pkey", "CREATE UNIQUE INDEX ON \"unique\" (id)")
    result = do("pairs", rules=[rule("pairs"), rule("unique", key=["id"])], batch_size=300)

    assert not result.get("failed"), result["msg"]
    assert (rows(postgres, "pairs"), rows(postgres, '"unique"')) == ((ROWS - OLD, 0), (ROWS - OLD, 0))


@pytest.mark.parametrize("key", [
    ("uuid", "('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid"), ("text", "'k' || g"),
    ("timestamptz", "timestamptz '2020-10-25 00:00+02' + g * interval '1 second'"), ("numeric", "g / 7.0"),
])
def test_a_key_of_any_type_does(postgres: Postgres, make: Make, do: Do, key: tuple[str, str]) -> None:
    postgres.execute(
        f"CREATE TABLE events (id {key[0]} PRIMARY KEY, at timestamptz)",
        f"INSERT INTO events SELECT {key[1]}, CASE WHEN g % 3 = 0 THEN now() - interval '1 year' ELSE now() END "
        "FROM generate_series(1, 3000) AS g", "ALTER TABLE events OWNER TO owner",
        "ALTER ROLE operator SET datestyle = 'Postgres, DMY'")
    result = do("events", batch_size=150)
    postgres.execute("ALTER ROLE operator RESET datestyle")

    assert not result.get("failed"), result["msg"]
    assert rows(postgres, "events") == (2000, 0)


def test_a_table_without_a_key_is_gone_through_by_an_index_on_the_column(postgres: Postgres, make: Make, do: Do) -> None:
    make("events", "ALTER TABLE events DROP CONSTRAINT events_pkey", "CREATE INDEX ON events (at)")
    result = do("events", batch_size=300)

    assert not result.get("failed"), result["msg"]
    assert rows(postgres, "events") == (ROWS - OLD, 0)


@pytest.mark.parametrize(("wrong", "said"), [
    ({"table": "evnts"}, "there is no such table"), ({"column": "att"}, "there is no such column"),
    ({"column": "body"}, "it is of type text"), ({"older_than": "12h"}, "less than a day"),
    ({"key": ["body"]}, "not told apart"), ({"table": "looked_at"}, "there is no such table"),
    ({"table": "keyless"}, "it has neither a primary key nor an index that leads with at"),
])
def test_a_rule_that_cannot_be_meant_is_refused_before_anything_changes(
    postgres: Postgres, make: Make, do: Do, wrong: dict[str, Any], said: str
) -> None:
    make("events")
    make("keyless", "ALTER TABLE keyless DROP CONSTRAINT keyless_pkey", "CREATE VIEW looked_at AS SELECT * FROM events")
    make("fine")
    result = do(rules=[rule("fine"), {**rule("events"), **wrong}])

    assert result["failed"]
    assert said in result["msg"]
    assert rows(postgres, "fine") == (ROWS, OLD)


def test_two_rules_for_one_table_are_refused(make: Make, do: Do) -> None:
    make("events")
    assert "two rules mean it" in do("events", "public.events")["msg"]


def test_more_of_a_table_than_allowed_is_refused(postgres: Postgres, make: Make, do: Do) -> None:
    make("events")
    result = do("events", maximum_percent=20)

    assert result["failed"]
    assert f"public.events: {OLD:,} of {ROWS:,} rows" in result["msg"]
    assert rows(postgres, "events") == (ROWS, OLD)


def test_a_table_that_the_role_has_no_right_to_is_named_and_the_others_are_done(
    postgres: Postgres, make: Make, do: Do
) -> None:
    make("mine")
    make("unread", owner="postgres")
    make("read", "GRANT SELECT ON read TO owner", owner="postgres")
    make("unlocked", "GRANT SELECT, DELETE ON unlocked TO owner", owner="postgres")
    make("enough", "GRANT SELECT, DELETE, UPDATE (body) ON enough TO owner", owner="postgres")
    make("hiding", "GRANT ALL ON hiding TO owner", "ALTER TABLE hiding ENABLE ROW LEVEL SECURITY",
         "CREATE POLICY half ON hiding USING (id % 2 = 0)", owner="postgres")
    make("young", "GRANT SELECT ON young TO owner", "UPDATE young SET at = now()", owner="postgres")
    names = ["mine", "unread", "read", "unlocked", "enough", "hiding", "young"]
    result = do(*names)

    assert result["failed"]
    assert {name: reason.split(":")[0] for name, reason in gaps(result).items()} == {
        "unread": "the role may not read it", "read": "the role may not delete its rows",
        "unlocked": "the role may not delete its rows", "hiding": "row-level security hides rows of it from the role"}
    assert {name: rows(postgres, name)[1] for name in names} == {
        "mine": 0, "unread": OLD, "read": OLD, "unlocked": OLD, "enough": 0, "hiding": OLD, "young": 0}


def test_a_count_that_takes_too_long_is_a_gap_and_nothing_of_that_table_is_deleted(
    postgres: Postgres, make: Make, do: Do
) -> None:
    make("fine")
    make("slow")
    holder = postgres.connect()
    holder.cursor().execute("BEGIN; LOCK TABLE slow IN ACCESS EXCLUSIVE MODE")
    result = do("slow", "fine", lock_timeout=1)
    begun = time.monotonic()
    bounded = do("slow", lock_timeout=60, statement_timeout=1, wait_timeout=1)
    took = time.monotonic() - begun
    holder.close()

    assert result["failed"]
    assert "could not be counted" in gaps(result)["slow"]
    assert "Raise wait_timeout" in gaps(result)["slow"]
    assert "statement timeout" in gaps(bounded)["slow"]
    assert took < 10
    assert rows(postgres, "slow") == (ROWS, OLD)
    assert rows(postgres, "fine") == (ROWS - OLD, 0)


def test_counting_may_take_longer_than_a_statement(
    postgres: Postgres, make: Make, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("slow")
    verified = []

    def slowly(cursor: Any, target: Any, part: Any) -> int:
        verified.append(part.named)
        hold_up(postgres, "slow")
        return count_left(cursor, target, part)

    hold_up(postgres, "slow")
    monkeypatch.setattr(retention, "count_left", slowly)
    result = do("slow", lock_timeout=20, statement_timeout=1)

    assert not result.get("failed"), result["msg"]
    assert verified == ["public.slow"]
    assert rows(postgres, "slow") == (ROWS - OLD, 0)


def hold_up(postgres: Postgres, table: str) -> None:
    """Lock a table until somebody has waited for it for longer than a second."""
    holder = postgres.connect()
    holder.cursor().execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    waited = ("SELECT 1 FROM pg_stat_activity WHERE usename = 'operator' AND wait_event_type = 'Lock' "
              "AND clock_timestamp() - query_start > interval '1.3 s'")

    def release() -> None:
        with closing(holder):
            eventually(lambda: postgres.execute(waited), 5)

    threading.Thread(target=release, daemon=True).start()


def test_triggers_are_said_and_fire(postgres: Postgres, make: Make, do: Do) -> None:
    make("events", "CREATE TABLE gone (id int)", "GRANT ALL ON gone TO owner",
         "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO gone VALUES (OLD.id); RETURN OLD; "
         "END'", "CREATE TRIGGER audit BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION note()")
    result = do("events")

    assert "fires audit" in result["changes"][0]["summary"]
    assert postgres.execute("SELECT count(*), count(DISTINCT id) FROM gone") == [(OLD, OLD)]


@pytest.mark.parametrize("index", ["(body)", "(at)"])
def test_rows_that_a_trigger_keeps_are_said_and_the_others_go(
    postgres: Postgres, make: Make, do: Do, index: str
) -> None:
    make("events", f"CREATE INDEX ON events {index}", "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS "
         "'BEGIN RETURN CASE WHEN OLD.id <= 1200 THEN NULL ELSE OLD END; END'",
         "CREATE TRIGGER keeps BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION keep()")
    result = do("events", batch_size=200, lock_timeout=1)

    assert result["failed"]
    assert "a trigger keeps them" in result["msg"]
    assert rows(postgres, "events") == (ROWS - OLD + 300, 300)
    assert result["evidence"][0]["actual"]["left"] == 300


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_foreign_keys_that_change_other_tables_are_refused_unless_that_is_meant(
    postgres: Postgres, make: Make, do: Do, action: str
) -> None:
    make("events")
    postgres.execute(f"CREATE TABLE notes (event int REFERENCES events ON DELETE {action})",
                     "CREATE TABLE other (id int PRIMARY KEY)", "CREATE INDEX ON notes (event)",
                     "INSERT INTO notes SELECT id FROM events WHERE id <= 8")
    refused, meant = do("events"), do("events", cascade=True)

    assert refused["failed"]
    assert "public.events: notes" in refused["msg"]
    assert not meant.get("failed"), meant["msg"]
    assert "deletes or changes rows of notes" in meant["changes"][0]["summary"]
    assert postgres.execute("SELECT count(event) FROM notes") == [(6,)]


def test_rows_that_others_refer_to_need_a_rule_for_these_first(postgres: Postgres, make: Make, do: Do) -> None:
    make("orders")
    make("lines", "ALTER TABLE lines ADD FOREIGN KEY (id) REFERENCES orders", owner="owner")
    alone, wrong_way, right_way = do("orders"), do("orders", "lines", check_mode=True), do("lines", "orders")

    assert alone["failed"]
    assert "public.lines (id) that stay refer to old rows" in gaps(alone)["orders"]
    assert not alone["changed"]
    assert list(gaps(wrong_way)) == ["orders"]
    assert not right_way.get("failed"), right_way["msg"]
    assert (rows(postgres, "lines"), rows(postgres, "orders")) == ((ROWS - OLD, 0), (ROWS - OLD, 0))


def test_who_refers_to_old_rows_may_not_be_seen(postgres: Postgres, make: Make, do: Do) -> None:
    make("orders")
    postgres.execute("CREATE TABLE secret (id int REFERENCES orders)")
    assert "may not be seen: the role lacks SELECT" in gaps(do("orders"))["orders"]


def test_rows_of_a_table_that_inherits_are_left(postgres: Postgres, make: Make, do: Do) -> None:
    make("parent", "CREATE TABLE child () INHERITS (parent)", "INSERT INTO child VALUES (9999, '2020-01-01', '')")
    result = do("parent")

    assert not result.get("failed"), result["msg"]
    assert rows(postgres, "child") == (1, 1)
    assert rows(postgres, "ONLY parent") == (ROWS - OLD, 0)


def test_tables_that_inherit_and_have_old_rows_are_named(postgres: Postgres, make: Make, do: Do) -> None:
    make("parent", "CREATE TABLE child () INHERITS (parent)", "CREATE TABLE grandchild () INHERITS (child)",
         "INSERT INTO grandchild VALUES (1, '2020-01-01', '')", "CREATE TABLE young () INHERITS (parent)",
         "INSERT INTO young VALUES (1, now(), '')", "CREATE TABLE unseen () INHERITS (parent)",
         "CREATE TABLE ruled (PRIMARY KEY (id)) INHERITS (parent)", "INSERT INTO ruled VALUES (1, '2020-01-01', '')",
         *(f"ALTER TABLE {name} OWNER TO owner" for name in ("child", "grandchild", "young", "ruled")))
    result = do("parent", "ruled", maximum_percent=100)

    assert not result.get("failed"), result["msg"]
    assert {kept["resource"].rpartition(".")[2]: kept["reason"] for kept in result["kept"]} == {
        "grandchild": "it inherits from public.parent and has rows older than 90d: they need a rule of their own",
        "unseen": "it inherits from public.parent, and whether it has old rows may not be seen: the role lacks SELECT on it"}
    assert rows(postgres, "ONLY ruled") == (0, 0)


# To what rows refer: in one long thread to the one before, or behind, in many threads, in a tree of earlier ones, or later.
THREADS = ["id - 4", "id + 4", "CASE WHEN id % 400 > 4 THEN id - 4 END", "(id / 8) * 4", "6004 - ((6004 - id) / 8) * 4"]


@pytest.mark.parametrize("index", [None, "(at)"])
@pytest.mark.parametrize("answers", THREADS)
@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT"])
def test_old_rows_that_only_old_rows_refer_to_go(
    postgres: Postgres, make: Make, do: Do, index: str | None, answers: str, action: str
) -> None:
    make("comments", f"ALTER TABLE comments ADD parent int REFERENCES comments ON DELETE {action}, "
         "ADD thread int REFERENCES comments", "CREATE INDEX ON comments (parent)", "CREATE INDEX ON comments (thread)",
         "UPDATE comments SET at = now() - interval '200 days' + id * interval '1 second' WHERE id % 4 = 0",
         f"UPDATE comments SET parent = {answers}, thread = 4 WHERE id BETWEEN 5 AND {ROWS - 4} AND id % 4 = 0",
         f"UPDATE comments SET parent = {ROWS - 1} WHERE id = 3",
         *([f"CREATE INDEX ON comments {index}"] if index else []))
    planned, result = do("comments", check_mode=True), do("comments", batch_size=200)

    assert planned["changes"][0]["summary"].startswith(f"delete {OLD:,} of {ROWS:,} rows")
    assert not result.get("failed"), result["msg"]
    assert rows(postgres, "comments") == (ROWS - OLD, 0)
    assert result["evidence"][0]["actual"]["batches"] < 60


@pytest.mark.parametrize("index", [None, "(at)"])
def test_it_is_gone_through_again_as_long_as_more_can_go(
    postgres: Postgres, make: Make, do: Do, index: str | None
) -> None:
    # To and fro: with each row that goes at one end one more can at the other.
    make("comments", "ALTER TABLE comments ADD parent int REFERENCES comments", "CREATE INDEX ON comments (parent)",
         "UPDATE comments SET at = now() - interval '200 days' + id * interval '1 second' WHERE id % 4 = 0",
         "UPDATE comments SET parent = 6004 - id WHERE id % 4 = 0 AND id BETWEEN 8 AND 120",
         "UPDATE comments SET parent = 6008 - id WHERE id % 4 = 0 AND id BETWEEN 5884 AND 5996",
         *([f"CREATE INDEX ON comments {index}"] if index else []))
    result = do("comments", batch_size=200, lock_timeout=1)

    assert not result.get("failed"), result["msg"]
    assert rows(postgres, "comments") == (ROWS - OLD, 0)


def test_old_rows_that_rows_which_stay_refer_to_are_said_as_what_they_are(postgres: Postgres, make: Make, do: Do) -> None:
    make("comments", "ALTER TABLE comments ADD parent int REFERENCES comments",
         "UPDATE comments SET parent = 4 WHERE id = 3")
    result = do("comments")

    assert result["failed"]
    assert gaps(result)["comments"] == (
        "rows of public.comments (parent) that are not old refer to old ones, which the foreign key keeps")
    assert rows(postgres, "comments") == (ROWS, OLD)


@pytest.mark.parametrize("index", [None, "(at)"])
def test_an_answer_that_comes_meanwhile_keeps_what_it_answers_and_no_more(
    postgres: Postgres, make: Make, do: Do, index: str | None
) -> None:
    make("comments", "ALTER TABLE comments ADD parent int REFERENCES comments", "CREATE INDEX ON comments (parent)",
         "UPDATE comments SET parent = id - 4 WHERE id % 4 = 0 AND id > 4",
         *([f"CREATE INDEX ON comments {index}"] if index else []),
         "CREATE FUNCTION answer() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO comments VALUES (99999, now(), "
         "NULL, 12) ON CONFLICT DO NOTHING; RETURN NULL; END'",
         "CREATE TRIGGER answers BEFORE DELETE ON comments FOR EACH STATEMENT EXECUTE FUNCTION answer()")
    result = do("comments", batch_size=100, lock_timeout=1)

    assert result["failed"]
    assert "rows of the table that stay refer to them" in result["evidence"][0]["actual"]["reason"]
    left = postgres.execute("SELECT id FROM comments WHERE at < now() - interval '90 days' ORDER BY 1")
    assert left == [(4,), (8,), (12,)]


def test_more_tables_than_allowed_and_protected_ones_are_left(postgres: Postgres, make: Make, do: Do) -> None:
    make("one")
    make("two")
    refused, protected = do("one", "two", max_affected="1"), do("one", "two", protected=["public.t*"])

    assert "max_affected" in refused["msg"]
    assert not protected.get("failed"), protected["msg"]
    assert (rows(postgres, "one")[1], rows(postgres, "two")[1]) == (0, OLD)


def test_no_rules_mean_nothing(do: Do) -> None:
    result = do()
    assert (result["changed"], result.get("failed", False), result["changes"]) == (False, False, [])
