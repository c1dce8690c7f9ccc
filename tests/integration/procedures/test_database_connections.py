"""Database connections: says who holds them, ends what does nothing, restarts what holds on, and watches the recovery."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from lab.folders import SECRETS, read_json
from tests.support.ailments import blocked_session
from tests.support.audit import read_audit
from tests.support.databases import superuser
from tests.support.labs import Lab
from tests.support.procedures import Maintained, inventory_altered, maintain, named
from tests.support.waiting import eventually

PLAYBOOK = "playbooks/database-connections.yml"
WHY = "override_reason='no connections left'"
LEAK = 85
RESTART = "ecs:UpdateService"


def run(lab: Lab, records: Path, *arguments: str) -> Maintained:
    return maintain(lab, records, *arguments, "-e", WHY, playbook=PLAYBOOK)


@contextmanager
def leaked(lab: Lab, system: str, number: int | None, application: str = "leaky") -> Iterator[list[Any]]:
    """Sessions of an application that does nothing with them: so many, or all that there are."""
    place = lab.status["postgres"][system]
    password = read_json(lab.folder / SECRETS)["databases"][system]
    opened: list[Any] = []
    try:
        while number is None or len(opened) < number:
            try:
                opened.append(psycopg2.connect(host=place["host"], port=place["port"], dbname=system, user=system,
                                               password=password, application_name=application))
            except psycopg2.OperationalError:
                assert number is None, "the server has fewer connections than this test needs"
                break
        yield opened
    finally:
        for connection in opened:
            connection.close()


def held(lab: Lab, system: str, application: str) -> int:
    with superuser(lab, system) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s "
                       "AND state_change < now() - interval '1 s'", [application])
        return int(cursor.fetchone()[0])


def test_what_does_nothing_is_ended_and_nothing_else(databases: Lab, records: Path) -> None:
    with leaked(databases, "media", LEAK):
        eventually(lambda: held(databases, "media", "leaky") == LEAK)
        arguments = ("--limit", "media", "-e", "idle=1s", "-e", "application=leaky", "-e", "max_sessions=100")
        checked = run(databases, records, *arguments, "--check")
        still = held(databases, "media", "leaky")
        first = run(databases, records, *arguments)
        ended = first.record["changes"]
        left = held(databases, "media", "leaky")
        second = run(databases, records, *arguments)

    assert checked.status == 0, checked.said
    assert (still, left) == (LEAK, 0)
    assert first.status == second.status == 0, first.said
    assert len(ended) == LEAK
    assert {change["before"]["application"] for change in ended} == {"leaky"}
    assert f"{LEAK} by leaky" in first.said
    assert "nothing to change" in second.said
    assert RESTART not in first.carried_out() + second.carried_out()


def test_by_default_as_many_are_ended_as_give_connections_back(databases: Lab, records: Path) -> None:
    """More are idle than one run may end: those that have been so for longest go, which is enough."""
    with leaked(databases, "analytics", LEAK + 10):
        eventually(lambda: held(databases, "analytics", "leaky") == LEAK + 10)
        done = run(databases, records, "--limit", "analytics", "-e", "idle=1s", "-e", "application=leaky")
        left = held(databases, "analytics", "leaky")

    assert done.status == 0, done.output
    assert 0 < left < LEAK
    assert RESTART not in done.carried_out()


def test_the_operator_gets_in_when_applications_have_taken_all_connections(databases: Lab, records: Path) -> None:
    with leaked(databases, "analytics", None) as sessions:
        assert len(sessions) > LEAK
        done = run(databases, records, "--limit", "analytics", "-e", "idle=1s", "-e", "max_sessions=100%")

    assert done.status == 0, done.output
    assert "by leaky" in done.said
    assert RESTART not in done.carried_out()


@contextmanager
def without_a_reserve(lab: Lab) -> Iterator[None]:
    """The operator has no connections of its own, as before PostgreSQL 16."""
    with superuser(lab, "analytics") as connection:
        connection.cursor().execute("REVOKE pg_use_reserved_connections FROM opsbook_operator")
        try:
            yield
        finally:
            connection.cursor().execute("GRANT pg_use_reserved_connections TO opsbook_operator")


@pytest.mark.parametrize("restart", ["auto", "never"])
def test_with_no_connection_left_the_services_that_hold_them_are_restarted(
    databases: Lab, records: Path, restart: str
) -> None:
    """Not even the operator gets in: what holds the pool, the inventory knows. Restarted, it lets go of its sessions."""
    before = len(read_audit(databases.folder))
    with without_a_reserve(databases), leaked(databases, "analytics", None) as sessions:
        gives_up = threading.Event()

        def let_go() -> None:
            eventually(lambda: gives_up.is_set() or any(
                named(call) == RESTART for call in read_audit(databases.folder)[before:]), 60)
            for connection in sessions:
                connection.close()

        pool = threading.Thread(target=let_go)
        pool.start()
        done = run(databases, records, "--limit", "analytics", "-e", f"restart={restart}", "-e", "watch=4")
        gives_up.set()
        pool.join()

    assert "No connection could be had" in done.said, done.output
    assert done.status == (0 if restart == "auto" else 2), done.said
    assert (RESTART in done.carried_out()) is (restart == "auto")


def test_nothing_is_restarted_for_a_lock_and_the_lock_is_named(databases: Lab, records: Path) -> None:
    """There are connections; somebody waits for a lock, which no restart of a service mends."""
    with blocked_session(databases, "analytics"):
        done = run(databases, records, "--limit", "analytics", "-e", "watch=4")

    assert done.status == 2
    assert "blocked sessions" in done.said, done.output
    assert RESTART not in done.carried_out()


def test_a_system_without_a_database_is_left_alone_and_it_is_said(databases: Lab, records: Path) -> None:
    def forget(variables: dict[str, Any]) -> None:
        for key in [key for key in variables if "postgres" in key and key != "opsbook_lock"]:
            del variables[key]

    inventory = inventory_altered(records.parent, analytics=forget)
    done = run(databases, records, "-i", inventory, "--limit", "analytics")

    assert done.status == 0, done.output
    assert "not declared: opsbook_postgres" in done.said
    assert done.carried_out() == []
