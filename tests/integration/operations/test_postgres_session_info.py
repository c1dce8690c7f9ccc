"""postgres_session_info on a real server: sessions in every state, who blocks whom, and what could not be seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from tests.support.databases import Postgres, running_postgres
from tests.support.modules import run_module
from tests.support.waiting import eventually

PASSWORD = "canary-password-of-the-monitor"
STATEMENT = "canary_in_a_statement"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres"), max_connections="50",
                          max_prepared_transactions="5") as server:
        server.execute(
            f"CREATE ROLE monitor LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor", "CREATE ROLE app LOGIN",
            f"CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}'", "CREATE TABLE shelf (id int)", "GRANT ALL ON shelf TO app",
            "COPY (SELECT unnest(ARRAY['host all monitor,stranger 127.0.0.1/32 scram-sha-256', "
            "'host all all 127.0.0.1/32 trust'])) TO '" + server.execute("SHOW hba_file")[0][0] + "'",
            "SELECT pg_reload_conf()")
        yield server


@pytest.fixture
def session(postgres: Postgres) -> Iterator[Callable[..., Any]]:
    """Opens sessions; all are closed at the end of the test."""
    with postgres.sessions("app") as open_one:
        yield open_one


@pytest.fixture
def look(postgres: Postgres) -> Callable[..., dict[str, Any]]:
    def run(user: str = "monitor", **options: Any) -> dict[str, Any]:
        given = {"login_user": user, "login_password": PASSWORD, **options}
        return run_module("postgres_session_info", postgres.options(**given))

    return run


Look = Callable[..., dict[str, Any]]
Open = Callable[..., Any]


def in_background(connection: Any, statement: str) -> None:
    """Carry out a statement that takes its time; it ends with its connection."""

    def work() -> None:
        try:
            connection.cursor().execute(statement)
        except psycopg2.Error as error:
            ended.append(error)

    ended: list[Exception] = []
    threading.Thread(target=work, daemon=True).start()


def verdicts(result: dict[str, Any]) -> dict[str, bool | None]:
    return {item["check"]: item["ok"] for item in result["evidence"]}


def test_a_quiet_server_is_healthy_and_our_own_session_is_not_in_the_list(look: Look) -> None:
    result = look()
    assert result["verdict"] == "healthy", result
    assert (result["changed"], result["sessions"], result["states"]) == (False, [], {})
    assert result["connections"] == {
        "used": 1, "percent": 2.1, "usable": 47, "maximum": 50, "superuser_reserved": 3, "reserved": 0}
    assert (result["server"]["role"], result["server"]["sees_all"]) == ("monitor", True)
    assert PASSWORD not in str(result)


def test_sessions_in_every_state_are_told_with_who_holds_them(look: Look, session: Open) -> None:
    for _number in range(2):
        session("web")
    session("batch", f"BEGIN; SELECT '{STATEMENT}'")
    broken = session("broken", "BEGIN")
    with pytest.raises(psycopg2.Error):
        broken.cursor().execute("SELECT 1/0")
    in_background(session("report"), f"SELECT pg_sleep(60), '{STATEMENT}'")
    result = eventually(lambda: (seen := look())["states"].get("active") and seen, 15)
    assert result["states"] == {"active": 1, "idle": 2, "idle in transaction": 1, "idle in transaction (aborted)": 1}
    assert result["holders"][0] == {
        "user": "app", "database": "postgres", "application": "web", "client": "127.0.0.1", "sessions": 2,
        "states": {"idle": 2}}
    by_application = {entry["application"]: entry for entry in result["sessions"]}
    assert by_application["batch"]["transaction_seconds"] >= by_application["batch"]["state_seconds"] >= 0
    assert by_application["web"]["transaction_seconds"] is None
    assert by_application["report"]["wait"] == "Timeout: PgSleep"
    assert result["verdict"] == "healthy"
    assert STATEMENT not in str(result)


def test_a_forgotten_and_an_endless_transaction_are_unhealthy(look: Look, session: Open) -> None:
    session("batch", "BEGIN", "SELECT 1")
    result = look(limits={"idle_in_transaction": "0s", "oldest_transaction": "0s"})
    assert result["verdict"] == "unhealthy"
    assert verdicts(result) == {
        "connections": True, "idle in transaction": False, "oldest transaction": False, "blocked sessions": True}
    told = next(item for item in result["evidence"] if item["check"] == "idle in transaction")["actual"]
    assert len(told) == 1
    assert "of app@postgres (batch, 127.0.0.1): idle in transaction for 0 s" in told[0]


@pytest.mark.parametrize("user", ["monitor", "stranger"])
def test_a_prepared_transaction_is_seen_by_every_role_and_may_be_forgotten(
    postgres: Postgres, look: Look, session: Open, user: str
) -> None:
    session("shop", "BEGIN", "LOCK TABLE shelf", "PREPARE TRANSACTION 'order-7'")
    try:
        fresh, forgotten = look(user), look(user, limits={"oldest_transaction": "0s"}, login_db="template1")
        in_background(session("waiting", "BEGIN"), "LOCK TABLE shelf")
        blocked = eventually(lambda: (seen := look(user))["blockers"] and seen, 15)
    finally:
        postgres.execute("ROLLBACK PREPARED 'order-7'")
    assert verdicts(fresh)["oldest transaction"] is True
    (told,) = forgotten["prepared_transactions"]
    assert (told["gid"], told["database"], told["user"]) == ("order-7", "postgres", "app")
    assert 0 < told["prepared_seconds"] < 60
    assert verdicts(forgotten)["oldest transaction"] is False
    assert "order-7 of app@postgres: prepared for 0 s" in str(forgotten["evidence"])
    assert blocked["blockers"][0]["pid"] == 0
    assert look()["prepared_transactions"] == []


def test_who_waits_for_whom_is_told_to_its_root(look: Look, session: Open) -> None:
    first = session("first", "BEGIN", "LOCK TABLE shelf")
    second, third = session("second", "BEGIN"), session("third", "BEGIN")
    in_background(second, "INSERT INTO shelf VALUES (1)")
    eventually(lambda: len(look()["blockers"]) == 1, 15)
    in_background(third, "LOCK TABLE shelf")
    result = eventually(lambda: (seen := look())["verdict"] == "unhealthy" and len(seen["blockers"]) == 2 and seen, 15)
    pids = {name: connection.info.backend_pid for name, connection in
            (("first", first), ("second", second), ("third", third))}
    root, middle = result["blockers"]
    assert (root["pid"], root["application"], root["state"], root["waits_itself"]) == (
        pids["first"], "first", "idle in transaction", False)
    assert pids["second"] in root["blocks"]
    assert (middle["pid"], middle["blocks"], middle["waits_itself"]) == (pids["second"], [pids["third"]], True)
    assert verdicts(result)["blocked sessions"] is False
    eventually(lambda: verdicts(look(limits={"maximum_blocked": 1}))["blocked sessions"] is False, 15)
    assert verdicts(look(limits={"maximum_blocked": 2}))["blocked sessions"] is True


def test_a_role_without_the_right_to_see_says_so_and_is_never_healthy(look: Look, session: Open) -> None:
    session("web", "BEGIN")
    eventually(lambda: len(look()["sessions"]) == 1, 15)
    result = look("stranger", limits={"idle_in_transaction": "0s"})
    assert result["verdict"] == "unknown"
    assert result["states"] == {"hidden": 1}
    assert (result["sessions"][0]["state"], result["sessions"][0]["visible"]) == (None, False)
    assert result["connections"]["used"] == 2
    gap = result["coverage"]["missing"][0]
    assert "stranger may not see the state of 1 of 1 sessions (app)" in gap["reason"]
    assert "pg_monitor" in gap["reason"]


def test_who_waits_is_told_to_a_role_without_the_right_to_see_too(look: Look, session: Open) -> None:
    session("first", "BEGIN", "LOCK TABLE shelf")
    in_background(session("second", "BEGIN"), "LOCK TABLE shelf")
    result = eventually(lambda: (seen := look("stranger"))["verdict"] == "unhealthy" and seen, 15)
    assert verdicts(result)["blocked sessions"] is False


def test_too_many_connections_are_unhealthy(look: Look, session: Open) -> None:
    for _number in range(9):
        session("web")
    result = look(limits={"maximum_connections_percent": 21})
    assert (result["verdict"], result["connections"]["used"], result["connections"]["percent"]) == ("unhealthy", 10, 21.3)


def test_a_server_without_a_free_connection_is_unhealthy_and_says_so(look: Look, session: Open) -> None:
    for _number in range(47):
        session("web")
    result = look()
    assert result["verdict"] == "unhealthy"
    assert [(item["check"], item["ok"]) for item in result["evidence"]] == [("connections", False)]
    assert "remaining connection slots are reserved" in result["evidence"][0]["actual"]
    assert (result["server"], result["connections"], result["sessions"]) == (None, None, [])


def test_a_server_that_is_down_is_unhealthy_with_the_reason(look: Look) -> None:
    result = look(login_port=9)
    assert result["verdict"] == "unhealthy"
    assert "Connection refused" in result["evidence"][0]["actual"]
    assert "connection" in verdicts(result)


def test_a_frozen_server_is_unhealthy_after_the_time_out(postgres: Postgres, look: Look) -> None:
    begun = time.monotonic()
    with postgres.frozen():
        result = look(connect_timeout=2)
    assert result["verdict"] == "unhealthy"
    assert "timeout" in result["evidence"][0]["actual"]
    assert time.monotonic() - begun < 10


def test_a_wrong_password_fails_and_is_not_told(look: Look) -> None:
    result = look(login_password="canary-wrong-password")
    assert result["failed"] is True
    assert "password authentication failed" in result["msg"]
    assert "canary" not in str(result)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"limits": {"idle_in_transaction": "soon"}}, "soon"), ({"statement_timeout": 0}, "statement_timeout"),
     ({"login_db": "nowhere"}, "nowhere")],
)
def test_options_that_mean_nothing_are_refused(look: Look, options: dict[str, Any], message: str) -> None:
    result = look(**options)
    assert result["failed"] is True
    assert message in result["msg"]
