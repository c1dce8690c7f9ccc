"""What the sessions of a server mean: tables over the pure functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.session_health import (
    Limits,
    blockers_of,
    describe_sessions,
    evaluate_sessions,
    holders_of,
    limits_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.sessions import (
    Activity,
    Prepared,
    Server,
    Session,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)
USUAL = Limits()
SERVER = Server("18.6", False, "2026-11-20T00:00:00+00:00", "monitor", True, 100, 3, 7)
IDLE = Session(10, "media", "app", "web", "10.0.0.5", "idle", "Client: ClientRead", 900.0, 30.0, None, (), None, True)


def seen(*sessions: Session, **other: Any) -> Collected[Activity]:
    return Collected(Activity("db:5432/media", **{"server": SERVER, "sessions": sessions, **other}), NOW)


def answers(collected: Collected[Activity], limits: Limits = USUAL) -> dict[str, bool | None]:
    return {item.check: item.ok for item in evaluate_sessions(collected, limits)}


@pytest.mark.parametrize(
    ("others", "percent", "right"),
    [(0, 100, True), (71, 80, True), pytest.param(72, 80, False, id="the_reserve_is_not_counted"), (89, 100, True)],
)
def test_connections_are_held_against_those_that_any_role_may_take(others: int, percent: float, right: bool) -> None:
    sessions = [replace(IDLE, pid=number) for number in range(others)]

    assert answers(seen(*sessions), Limits(connections_percent=percent))["connections"] is right


@pytest.mark.parametrize(
    ("state", "since", "begun", "idle_right", "old_right"),
    [
        ("idle in transaction", 299.0, 299.0, True, True), ("idle in transaction", 301.0, 301.0, False, True),
        ("idle in transaction (aborted)", 301.0, 400.0, False, True), ("idle", 9000.0, None, True, True),
        ("active", 3601.0, 3601.0, True, False), ("idle in transaction", 1.0, 3601.0, True, False),
        pytest.param(None, None, None, True, True, id="what_is_hidden_is_a_gap_and_no_fault"),
    ],
)
def test_transactions_end_in_time(
    state: str | None, since: float | None, begun: float | None, idle_right: bool, old_right: bool
) -> None:
    session = replace(IDLE, state=state, state_seconds=since, transaction_seconds=begun)
    found = answers(seen(session))

    assert (found["idle in transaction"], found["oldest transaction"]) == (idle_right, old_right)


@pytest.mark.parametrize(
    ("waiting", "allowed", "right"),
    [
        (0.4, 0, True), (1.0, 0, False), (30.0, 1, True),
        pytest.param(None, 0, False, id="a_server_that_does_not_tell_since_when"),
    ],
)
def test_a_wait_of_a_moment_is_nobodys_trouble(waiting: float | None, allowed: int, right: bool) -> None:
    session = replace(IDLE, blocked_by=(7,), waiting_seconds=waiting)

    assert answers(seen(session), Limits(blocked=allowed))["blocked sessions"] is right


def test_the_longest_comes_first_and_is_named() -> None:
    sessions = [replace(IDLE, pid=pid, state="idle in transaction", state_seconds=age, transaction_seconds=age)
                for pid, age in ((1, 400.0), (2, 7000.0))]
    evidence = next(item for item in evaluate_sessions(seen(*sessions), Limits()) if item.check == "idle in transaction")

    assert evidence.actual == [
        "pid 2 of app@media (web, 10.0.0.5): idle in transaction for 1 h",
        "pid 1 of app@media (web, 10.0.0.5): idle in transaction for 6 m"]


@pytest.mark.parametrize(("exhausted", "check"), [(True, "connections"), (False, "connection")])
def test_a_server_that_gives_no_connection_is_unhealthy(exhausted: bool, check: str) -> None:
    trouble = seen(server=None, trouble="no place", exhausted=exhausted)

    assert answers(trouble) == {check: False}
    assert describe_sessions(trouble)["connections"] is None


def test_who_holds_most_comes_first() -> None:
    sessions = [replace(IDLE, pid=1, application="b"), replace(IDLE, pid=2, application="a"),
                replace(IDLE, pid=3, application="b", state="active"), replace(IDLE, pid=4, application="a", state=None),
                replace(IDLE, pid=5, database=None, client=None, application="")]

    assert [(group["application"], group["sessions"], group["states"]) for group in holders_of(sessions)] == [
        ("a", 2, {"hidden": 1, "idle": 1}), ("b", 2, {"active": 1, "idle": 1}), ("", 1, {"idle": 1})]


def test_blockers_are_told_root_first() -> None:
    first, second = replace(IDLE, pid=1), replace(IDLE, pid=2, blocked_by=(1, 0))
    third = replace(IDLE, pid=3, blocked_by=(2, 99))

    assert [(entry["pid"], entry["blocks"], entry["waits_itself"], entry["user"])
            for entry in blockers_of([first, second, third])] == [
        (0, [2], False, None), (1, [2], False, "app"), (99, [3], False, None), (2, [3], True, "app")]


def test_a_prepared_transaction_is_called_so() -> None:
    evidence = evaluate_sessions(seen(replace(IDLE, blocked_by=(0,))), Limits())

    assert evidence[-1].actual == ["pid 10 of app@media (web, 10.0.0.5) waits for a prepared transaction"]


@pytest.mark.parametrize(("age", "right"), [(3600.0, True), (7200.0, False)])
def test_a_prepared_transaction_has_no_session_and_may_be_the_oldest(age: float, right: bool) -> None:
    prepared = (Prepared("order-7", "shop", "app", age), Prepared("order-8", "shop", "app", 1.0))
    session = replace(IDLE, state="active", transaction_seconds=9000.0)
    evidence = {item.check: item for item in evaluate_sessions(seen(prepared=prepared), USUAL)}
    both = {item.check: item for item in evaluate_sessions(seen(session, prepared=prepared), USUAL)}

    assert evidence["oldest transaction"].ok is right
    assert evidence["idle in transaction"].ok is True
    told = [] if right else ["order-7 of app@shop: prepared for 2 h"]
    assert evidence["oldest transaction"].actual == told
    assert len(both["oldest transaction"].actual) == 1 + len(told)
    assert [one["gid"] for one in describe_sessions(seen(prepared=prepared))["prepared_transactions"]] == [
        "order-7", "order-8"]


def test_limits_are_read_as_people_write_them() -> None:
    given = {"maximum_connections_percent": 70.0, "idle_in_transaction": "90s", "oldest_transaction": "2h",
             "maximum_blocked": 3}

    assert limits_of(given) == Limits(70.0, timedelta(seconds=90), timedelta(hours=2), 3)
    with pytest.raises(Refused, match="soon"):
        limits_of({**given, "oldest_transaction": "soon"})
