"""postgres_session_terminate on a real server: exactly what was planned is ended, while sessions come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module
from tests.support.waiting import eventually

ENDED = "gone, or at work again"
ROLES = ("CREATE ROLE operator LOGIN IN ROLE pg_monitor, pg_signal_backend",
         "CREATE ROLE app LOGIN", "CREATE ROLE report LOGIN", "CREATE ROLE half_blind LOGIN IN ROLE pg_signal_backend",
         "CREATE ROLE looker LOGIN IN ROLE pg_monitor",
         "CREATE TABLE shelf (id int)", "GRANT ALL ON shelf TO app")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), log_statement="all") as server:
        server.execute(*ROLES)
        yield server


@pytest.fixture
def session(postgres: Postgres) -> Iterator[Callable[..., Any]]:
    """Opens sessions; all are closed at the end of the test."""
    with postgres.sessions("app", "report") as open_one:
        yield open_one


@pytest.fixture
def end(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(check_mode: bool = False, user: str = "operator", **options: Any) -> dict[str, Any]:
        given = {"login_user": user, "wait_timeout": 20, **options}
        return run_module("postgres_session_terminate", postgres.options(**given), check_mode=check_mode)

    return run


End = Callable[..., dict[str, Any]]
Open = Callable[..., Any]


def older(postgres: Postgres, seconds: float = 1.1) -> None:
    """Wait until every session of the application has been in its state for longer."""
    eventually(lambda: postgres.execute(
        f"SELECT coalesce(bool_and(clock_timestamp() - state_change > make_interval(secs => {seconds})), false) "
        "FROM pg_stat_activity WHERE usename IN ('app', 'report')")[0][0], 15)


def works(connection: Any) -> bool:
    try:
        connection.cursor().execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


def ended(result: dict[str, Any]) -> list[str]:
    return sorted(change["before"]["application"] for change in result["changes"])


def test_idle_sessions_end_and_others_stay(postgres: Postgres, session: Open, end: End) -> None:
    idle, forgotten = session("web"), session("worker", "BEGIN", "SELECT 1")
    older(postgres)
    young = session("young")
    result = end(idle="1s")

    assert not result.get("failed"), result
    assert result["changed"]
    assert ended(result) == ["web"]
    assert [item["ok"] for item in result["evidence"]] == [True]
    assert [works(one) for one in (idle, forgotten, young)] == [False, True, True]


def test_a_forgotten_transaction_is_ended_by_its_own_rule(postgres: Postgres, session: Open, end: End) -> None:
    session("web")
    forgotten, broken = session("worker", "BEGIN", "INSERT INTO shelf VALUES (1)"), session("broken", "BEGIN")
    with pytest.raises(psycopg2.Error):
        broken.cursor().execute("SELECT 1/0")
    older(postgres)
    result = end(idle_in_transaction="1s")

    assert ended(result) == ["broken", "worker"]
    assert not works(forgotten)
    assert postgres.execute("SELECT count(*) FROM shelf") == [(0,)]


@pytest.mark.parametrize(("chosen", "names"), [
    ({"applications": ["wor*"]}, ["worker"]), ({"users": ["report"]}, ["sheet"]), ({"databases": ["elsewhere"]}, []),
    ({"clients": ["127.0.0.*"], "users": ["app"]}, ["web", "worker"]), ({"clients": ["10.*"]}, []),
])
def test_only_the_chosen_ones_end(
    postgres: Postgres, session: Open, end: End, chosen: dict[str, Any], names: list[str]
) -> None:
    for application, user in (("web", "app"), ("worker", "app"), ("sheet", "report")):
        session(application, user=user)
    older(postgres)

    assert ended(end(idle="1s", **chosen)) == names


def test_what_is_never_ended_says_why(postgres: Postgres, session: Open, end: End) -> None:
    superuser = postgres.connect("postgres", application_name="admin")
    dump, ours, shop = session("pg_dump"), session("opsbook"), session("shop")
    older(postgres)
    result = end(idle="1s", protected=["sho?"])
    reasons = " ".join(kept["reason"] for kept in result["kept"])

    assert not result.get("failed"), result
    assert result["changes"] == []
    for reason in ("its role is a superuser", "it maintains the database", "it is one of ours", "protected"):
        assert reason in reasons
    assert all(works(one) for one in (superuser, dump, ours, shop))
    superuser.close()


def test_check_mode_only_looks_as_the_servers_own_log_shows(
    postgres: Postgres, session: Open, end: End
) -> None:
    idle = session("web")
    older(postgres)
    before = len(postgres.log)
    result = end(check_mode=True, idle="1s")
    said = postgres.log[before:]

    assert ended(result) == ["web"]
    assert "FROM pg_stat_activity" in said
    assert "pg_terminate_backend" not in said
    assert "pg_cancel_backend" not in said
    assert works(idle)


def test_run_again_it_ends_nothing(postgres: Postgres, session: Open, end: End) -> None:
    session("web")
    older(postgres)

    assert [end(idle="1s")["changed"], end(idle="1s")["changed"]] == [True, False]


def test_a_statement_is_cancelled_and_its_session_lives(postgres: Postgres, session: Open, end: End) -> None:
    worker = session("worker")
    failed = in_background(worker, "SELECT pg_sleep(60)")
    older(postgres)
    result = end(running="1s")

    assert not result.get("failed"), result
    assert "canceling statement" in eventually(lambda: failed and failed[0], 15)
    assert works(worker)


def test_a_session_that_does_not_stop_its_statement_is_ended(
    postgres: Postgres, session: Open, end: End
) -> None:
    stubborn = session("stubborn")
    failed = in_background(stubborn, "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN END; "
                                     "END LOOP; END $$")
    older(postgres)
    result = end(running="1s")

    assert not result.get("failed"), result
    assert "closed the connection" in eventually(lambda: failed and failed[0], 15)
    assert "terminating connection due to administrator command" in postgres.log


def test_who_comes_back_to_work_before_the_signal_is_left_alone(
    postgres: Postgres, session: Open, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres import session_end

    back, gone, idle = session("back"), session("gone"), session("idle")
    older(postgres)
    planned = session_end.plan_end

    def then_things_happen(*given: Any) -> Any:
        plan = planned(*given)
        back.cursor().execute("SELECT 1")
        gone.close()
        return plan

    monkeypatch.setattr(session_end, "plan_end", then_things_happen)
    result = end(idle="1s")

    assert not result.get("failed"), result
    assert ended(result) == ["back", "gone", "idle"]
    assert sorted(item["actual"] for item in result["evidence"]) == ["at work again", "gone", "gone"]
    assert {item["expected"] for item in result["evidence"]} == {ENDED}
    assert [works(back), works(idle)] == [True, False]


def test_of_more_than_may_end_those_end_that_wait_for_longest(postgres: Postgres, session: Open, end: End) -> None:
    open_ = [session(f"web-{number}") for number in range(3)]
    open_[0].cursor().execute("SELECT 1")
    older(postgres)
    result = end(idle="1s", max_affected="2")

    assert not result.get("failed"), result
    assert ended(result) == ["web-1", "web-2"]
    assert [works(one) for one in open_] == [True, False, False]
    assert "web-0" in result["kept"][0]["reason"]
    assert "more than max_affected (2)" in result["kept"][0]["reason"]


def test_a_session_whose_state_the_server_does_not_keep_is_no_gap(postgres: Postgres, session: Open, end: End) -> None:
    postgres.execute("ALTER ROLE report SET track_activities = off")
    untracked, idle = session("untracked", user="report"), session("web")
    postgres.execute("ALTER ROLE report RESET track_activities")
    eventually(lambda: postgres.execute("SELECT 1 FROM pg_stat_activity WHERE state = 'disabled'"))
    eventually(lambda: postgres.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'web' "
                                        "AND clock_timestamp() - state_change > interval '1.1 s'"))
    as_superuser, as_operator = end(check_mode=True, idle="1s", user="postgres"), end(idle="1s")

    for result in (as_superuser, as_operator):
        assert not result.get("failed"), result
        assert ended(result) == ["web"]
        assert "track_activities is off" in " ".join(kept["reason"] for kept in result["kept"])
    assert [works(untracked), works(idle)] == [True, False]


def test_a_role_that_may_not_signal_fails_and_names_each(postgres: Postgres, session: Open, end: End) -> None:
    idle = session("web")
    older(postgres)
    result = end(idle="1s", user="looker")

    assert result["failed"]
    assert [entry["resource"].rpartition(":")[2] for entry in result["failed_resources"]] == [
        str(idle.info.backend_pid)]
    assert works(idle)


def test_what_may_not_be_seen_is_kept_and_said(postgres: Postgres, session: Open, end: End) -> None:
    idle = session("web")
    older(postgres)
    result = end(idle="1s", user="half_blind")

    assert result["failed"]
    assert not result["coverage"]["complete"]
    assert "may not be seen" in " ".join(kept["reason"] for kept in result["kept"])
    assert works(idle)


@pytest.mark.parametrize(("options", "said"), [({}, "one of the following is required"), ({"idle": "soon"}, "soon")])
def test_bad_rules_are_refused(end: End, options: dict[str, Any], said: str) -> None:
    result = end(**options)

    assert result["failed"]
    assert said in result["msg"]


def in_background(connection: Any, statement: str) -> list[str]:
    """Carry out a statement that takes its time; the error that ends it."""
    failed: list[str] = []

    def work() -> None:
        try:
            connection.cursor().execute(statement)
        except psycopg2.Error as error:
            failed.append(str(error))

    threading.Thread(target=work, daemon=True).start()
    return failed
