"""Which sessions end, which stay, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits, refuse_beyond
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.session_end import (
    Candidate,
    Rules,
    plan_end,
    rules_of,
    why_kept,
)

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
IDLE = Candidate(7, "2026-11-21T07:00:00.000000+00:00", "media", "app", "web", "10.0.0.1", "idle",
                 "2026-11-21T07:30:00.000000+00:00", 1800.0, superuser=False, maintains=False)
QUARTER = {"idle": timedelta(minutes=15)}


def plan(*sessions: Candidate, ages: dict[str, timedelta] = QUARTER, protected: tuple[str, ...] = (),
         limits: Limits | None = None, **only: Any) -> Any:  # fmt: skip
    rules, given = Rules(ages, only), limits or Limits(protected=protected)
    return plan_end(Collected(sessions, NOW, Coverage()), "db:5432/media", rules, given)


def pids(of: Any) -> list[int]:
    return [change.handle["session"].pid for change in of.changes]


@pytest.mark.parametrize(("state", "seconds", "ages", "ends"), [
    ("idle", 901.0, QUARTER, True), ("idle", 900.0, QUARTER, False), ("idle", None, QUARTER, False),
    ("active", 9000.0, QUARTER, False), ("idle in transaction", 9000.0, QUARTER, False),
    ("idle in transaction", 61.0, {"idle in transaction": timedelta(minutes=1)}, True),
    ("idle in transaction (aborted)", 61.0, {"idle in transaction": timedelta(minutes=1)}, True),
    ("active", 61.0, {"active": timedelta(minutes=1)}, True), ("idle", 61.0, {"active": timedelta(minutes=1)}, False),
    ("fastpath function call", 9000.0, {**QUARTER, "active": timedelta(minutes=1)}, False),
])
def test_a_state_has_its_own_age(state: str, seconds: float | None, ages: dict[str, timedelta], ends: bool) -> None:
    assert pids(plan(replace(IDLE, state=state, seconds=seconds), ages=ages)) == [7] * ends


@pytest.mark.parametrize(("only", "ends"), [
    ({"application": ("we?",)}, True), ({"application": ("worker", "web")}, True), ({"application": ("worker",)}, False),
    ({"user": ("app",), "database": ("other",)}, False), ({"client": ("10.0.*",)}, True), ({"client": ("192.*",)}, False),
])
def test_all_given_patterns_have_to_fit(only: dict[str, Any], ends: bool) -> None:
    assert pids(plan(IDLE, **only)) == [7] * ends


@pytest.mark.parametrize(("session", "reason"), [
    (replace(IDLE, superuser=True), "its role is a superuser"), (replace(IDLE, application="opsbook"), "it is one of ours"),
    (replace(IDLE, application="pg_dump"), "it maintains the database"), (replace(IDLE, maintains=True), "it maintains"),
    (replace(IDLE, started=None, since=None, state=None, seconds=None), "its state may not be seen"),
    (replace(IDLE, since=None, state="disabled", seconds=None), "its track_activities is off"),
    (replace(IDLE, user="shop"), "protected"), (replace(IDLE, database="shop"), "protected"), (IDLE, ""),
])
def test_some_are_never_ended(session: Candidate, reason: str) -> None:
    made = plan(session, protected=("sho*",))

    assert reason in why_kept(session, Limits(protected=("sho*",)))
    assert pids(made) == [7] * (not reason)
    assert all(reason in kept.reason for kept in made.kept)
    assert len(made.kept) == bool(reason)


def crowd(count: int) -> list[Candidate]:
    """Idle sessions, of which the one with the highest number has been idle for longest."""
    return [replace(IDLE, pid=number, since=f"2026-11-21T07:{30 - number:02}:00.000000+00:00") for number in range(count)]


@pytest.mark.parametrize(("most", "earlier", "ends"), [
    ("2", 0, [3, 4]), ("5", 0, [0, 1, 2, 3, 4]), ("0", 0, []), ("40%", 0, [3, 4]), ("3", 2, [4]), ("3", 3, []), ("3", 9, []),
    ("50%", 5, []), ("60%", 5, [4]),
])
def test_those_that_wait_for_longest_end_where_not_all_may(most: str, earlier: int, ends: list[int]) -> None:
    limits = Limits(most, (), frozenset(f"postgres-session:db:5432/media:{number}" for number in range(90, 90 + earlier)))
    made = plan(*crowd(5), limits=limits)

    assert pids(made) == ends
    assert len(made.kept) == 5 - len(ends)
    assert all(f"more than max_affected ({most})" in kept.reason for kept in made.kept)
    refuse_beyond(made, limits)


def test_what_the_rules_do_not_name_is_not_listed_as_kept() -> None:
    assert plan(replace(IDLE, seconds=1.0, superuser=True)).kept == ()


def test_two_looks_at_the_same_sessions_make_the_same_plan() -> None:
    later = replace(IDLE, seconds=1900.0)

    assert plan(IDLE).digest == plan(later).digest
    assert plan(IDLE).digest != plan(replace(IDLE, since="2026-11-21T07:31:00.000000+00:00")).digest


def test_a_change_names_the_session_and_says_that_there_is_no_way_back() -> None:
    change = plan(IDLE).changes[0]

    assert change.resource == "postgres-session:db:5432/media:7"
    assert change.summary == "end pid 7 of app@media (web, 10.0.0.1): idle for 30 m"
    assert "rolled back" in change.undo.reason


@pytest.mark.parametrize("options", [{}, {"idle": ""}, {"idle": "soon"}, {"running": "-5m"}])
def test_rules_need_an_age(options: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        rules_of(options)


def test_rules_are_read_from_the_options_of_the_module() -> None:
    rules = rules_of({"idle": "15m", "running": "1h", "applications": ["web"], "users": None})

    assert rules.ages == {"idle": timedelta(minutes=15), "active": timedelta(hours=1)}
    assert rules.only == {"application": ("web",), "user": (), "database": (), "client": ()}
