"""The morning health check over five systems: it tells what is well from what is not and from what it cannot see.

Every run looks at several ailments at once, each in a system of its own, so that a verdict which spills over is noticed too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.accounts import SYSTEMS
from tests.support.ailments import blocked_session, filled_queue, full_redis, ringing_alarm, sick_endpoint, sick_targets
from tests.support.labs import Lab
from tests.support.locks import lock_row
from tests.support.procedures import HEALTH_CHECK, Maintained, faults, inventory_altered, maintain

GATE = "Say whether the system is healthy"
CHECKS = 15
# Each waits for its own unlucky calls, longer the more there are: these two have all kinds of resources between them.
THROTTLED = ("analytics", "reviews")
CLOSED = {
    "opsbook_environment": "production",
    "maintenance_windows": [{"days": ["monday"], "start": "02:00", "end": "02:01", "timezone": "UTC"}],
    "change_freezes": [{"name": "the sale", "start": "2020-01-01", "end": "2099-12-31"}],
}
# The databases of two systems are on one server, which is bad for both.
AILING = {
    "commerce": {
        "queues": "sqs-queue:tiktok-commerce-link-events: ",
        "alarms": "production-ingestion-5xx",
    },
    "analytics": {"Redis": "memory", "PostgreSQL": "blocked"},
    "media": {"Redis": "memory", "PostgreSQL": "blocked"},
    "metering": {"load balancers": "delivery-standard-prod", "endpoints": "health"},
    "reviews": {},
}
UNSEEN = {
    "commerce": ("unhealthy", {"PostgreSQL": "unhealthy", "Redis": "unhealthy"}),
    "analytics": ("unknown", {"RDS instances": "unknown", "backups": "unknown"}),
    "media": ("unknown", {"PostgreSQL": "unknown", "Redis": "unknown"}),
    "reviews": ("healthy", {}),
}
NOWHERE = {"login_host": "127.0.0.1", "login_port": 9}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of this file leave their records."""
    return tmp_path_factory.mktemp("morning")


@pytest.fixture(scope="module")
def well(seeded_estate: Lab, place: Path) -> Maintained:
    """A run on the fresh estate."""
    return maintain(seeded_estate, place / "well", playbook=HEALTH_CHECK)


@pytest.fixture(scope="module")
def ailing(seeded_estate: Lab, place: Path) -> Maintained:
    """A run while something is bad in each system but one."""
    with ExitStack() as ailments:
        for ailment in (
            filled_queue(seeded_estate, "commerce", "tiktok-commerce-link-events", 101),
            ringing_alarm(seeded_estate, "commerce", "production-ingestion-5xx"),
            full_redis(seeded_estate, "media"),
            blocked_session(seeded_estate, "media"),
            sick_targets(seeded_estate, "metering", "delivery-standard-prod"),
            sick_endpoint(seeded_estate, "metering", "api"),
        ):
            ailments.enter_context(ailment)
        return maintain(seeded_estate, place / "ailing", playbook=HEALTH_CHECK)


@pytest.fixture(scope="module")
def unseen(seeded_estate: Lab, place: Path) -> Iterator[Maintained]:
    """A run that is kept from seeing: a denied call, a wrong role, refused logins, servers that are not there."""
    faults(seeded_estate, {"kind": "deny", "service": "rds", "action": "DescribeDBInstances",
                           "account": seeded_estate.status["accounts"]["analytics"]["account_id"]})
    inventory = inventory_altered(place, commerce=_with_databases_that_are_down, media=_with_wrong_passwords,
                                  metering=_with_a_wrong_role, reviews=_that_declares_little)
    yield maintain(seeded_estate, place / "unseen", "-i", inventory, playbook=HEALTH_CHECK)
    faults(seeded_estate)


def test_a_fresh_estate_is_healthy_in_every_check(well: Maintained) -> None:
    assert well.status == 0, well.output
    assert _verdicts(well) == dict.fromkeys(SYSTEMS, "healthy")
    assert all(set(_gate(well, system)["checks"].values()) <= {"healthy", "not declared"} for system in SYSTEMS)
    assert well.record["status"] == "ok"


def test_the_terminal_has_a_line_a_check_and_a_verdict_a_system(well: Maintained) -> None:
    table = _table(well)
    assert "Morning health check: 5 healthy" in well.output
    assert table.pop("verdict") == dict.fromkeys(SYSTEMS, "healthy")
    assert len(table) == CHECKS
    for system in SYSTEMS:
        seen = _gate(well, system)["checks"]
        assert {name: row[system] for name, row in table.items()} == {
            name: "-" if verdict == "not declared" else "ok" for name, verdict in seen.items()}


def test_it_changes_nothing_takes_no_lock_and_keeps_a_record(seeded_estate: Lab, well: Maintained) -> None:
    assert well.calls
    assert well.changing(None) == []
    assert [call for call in well.calls if call["purpose"] == "control"] == []
    assert [lock_row(seeded_estate, system) for system in SYSTEMS] == [{}] * 5
    assert {guard["lock"] for guard in well.record["guard"]} == {None}
    assert sorted(path.name for path in well.folder.iterdir()) == [
        "attestation.json", "evidence.jsonl", "journal.jsonl", "record.html", "record.json"]
    page = (well.folder / "record.html").read_text()
    assert "<h2>Health</h2>" in page
    assert "<b>verdict</b></td>" + "<td><span class='tone healthy'>healthy</span></td>".replace("'", '"') * 5 in page


def test_what_is_bad_is_named_where_it_is_and_nowhere_else(ailing: Maintained) -> None:
    assert ailing.status == 2, ailing.output
    for system, expected in AILING.items():
        gate = _gate(ailing, system)
        assert gate["verdict"] == ("unhealthy" if expected else "healthy")
        assert {name for name, verdict in gate["checks"].items() if verdict == "unhealthy"} == set(expected)
        assert "unknown" not in gate["checks"].values()
        for name, resource in expected.items():
            assert [fault for fault in gate["faults"] if fault.startswith(f"{name}: ") and resource in fault], gate["faults"]


def test_the_terminal_shows_every_fault(ailing: Maintained) -> None:
    table = _table(ailing)
    summary = "\n".join(ailing.summary)
    assert "Morning health check: 1 healthy, 4 unhealthy" in summary
    assert {name: [system for system, cell in row.items() if cell == "UNHEALTHY"] for name, row in table.items()
            if "UNHEALTHY" in row.values()} == {
        "queues": ["commerce"], "alarms": ["commerce"], "Redis": ["analytics", "media"],
        "PostgreSQL": ["analytics", "media"], "load balancers": ["metering"], "endpoints": ["metering"]}
    assert [fault for system in SYSTEMS for fault in _gate(ailing, system)["faults"] if fault[:80] not in summary] == []


def test_what_could_not_be_seen_is_unknown_and_what_is_down_is_unhealthy(unseen: Maintained) -> None:
    assert unseen.status == 2, unseen.output
    for system, (verdict, expected) in UNSEEN.items():
        gate = _gate(unseen, system)
        assert gate["verdict"] == verdict, gate["faults"]
        others = {name: seen for name, seen in gate["checks"].items() if seen not in ("healthy", "not declared")}
        assert others == expected


def test_it_names_what_could_not_be_read(unseen: Maintained) -> None:
    faults_of = {system: " ".join(_gate(unseen, system)["faults"]) for system in UNSEEN}
    assert "rds:DescribeDBInstances" in faults_of["analytics"]
    assert faults_of["commerce"].count("Connection refused") == 2
    assert "password authentication failed" in faults_of["media"]
    assert "Redis: the check itself failed" in faults_of["media"]


def test_a_system_that_cannot_be_entered_is_unknown_and_stops_no_other(seeded_estate: Lab, unseen: Maintained) -> None:
    account = seeded_estate.status["accounts"]["metering"]["account_id"]
    assert _gates(unseen, "metering") == []
    assert _table(unseen)["verdict"]["metering"] == "unknown"
    assert f"arn:aws:iam::{account}:role/nobody" in unseen.said
    assert [call for call in unseen.calls if call["account"] == account] == []


def test_a_system_that_declares_little_is_told_so_and_needs_neither_window_nor_confirmation(unseen: Maintained) -> None:
    checks = _gate(unseen, "reviews")["checks"]
    assert {name for name, verdict in checks.items() if verdict != "not declared"} == {"endpoints"}
    assert len(checks) == CHECKS
    assert [name for name, row in _table(unseen).items() if row["reviews"] not in ("-", "ok", "healthy")] == []


def test_throttled_slow_and_cut_off_it_calls_nothing_unhealthy(seeded_estate: Lab, place: Path) -> None:
    faults(seeded_estate, {"kind": "throttle", "probability": 0.3}, {"kind": "latency", "probability": 0.02, "seconds": 2},
           {"kind": "drop", "probability": 0.02}, seed=3)
    try:
        run = maintain(seeded_estate, place / "throttled", "--limit", "analytics,reviews", playbook=HEALTH_CHECK)
    finally:
        faults(seeded_estate)
    verdicts = _verdicts(run)
    assert sum(call["injected"] for call in run.calls) > len(run.calls) / 5
    assert set(verdicts) == set(THROTTLED)
    assert set(verdicts.values()) <= {"healthy", "unknown"}
    assert (run.status == 0) == (set(verdicts.values()) == {"healthy"})
    assert "UNHEALTHY" not in run.output
    assert all("unhealthy" not in gate["checks"].values() for system in THROTTLED for gate in _gates(run, system))


def _with_databases_that_are_down(variables: dict[str, Any]) -> None:
    variables.update(opsbook_postgres=NOWHERE, opsbook_redis={**NOWHERE, "tls": False})


def _with_wrong_passwords(variables: dict[str, Any]) -> None:
    for name in ("opsbook_postgres", "opsbook_redis"):
        variables[name] = {**variables[name], "login_password": "not the password"}


def _with_a_wrong_role(variables: dict[str, Any]) -> None:
    variables["opsbook_aws"]["assume_role_arn"] = f"arn:aws:iam::{variables['expected_account_id']}:role/nobody"


def _that_declares_little(variables: dict[str, Any]) -> None:
    kept = {name: variables[name] for name in ("expected_account_id", "opsbook_aws", "http_endpoints")}
    variables.clear()
    variables.update(kept, **CLOSED)


def _gates(run: Maintained, system: str) -> list[dict[str, Any]]:
    return [task for task in run.record["tasks"] if task["system"] == system and task["task"] == GATE]


def _gate(run: Maintained, system: str) -> dict[str, Any]:
    (gate,) = _gates(run, system)
    return gate


def _verdicts(run: Maintained) -> dict[str, str]:
    """The verdicts as the terminal has them, by system."""
    return _table(run)["verdict"]


def _table(run: Maintained) -> dict[str, dict[str, str]]:
    """The table of the terminal: by check, then by system."""
    systems = run.record["systems"]
    head = next(number for number, line in enumerate(run.summary) if line.split() == systems)
    end = next(number for number, line in enumerate(run.summary) if line.startswith("  verdict "))
    return {line[2:20].strip(): dict(zip(systems, line[20:].split(), strict=True))
            for line in run.summary[head + 1:end + 1]}
