"""What a run found about the health of its systems, from the last gate of each."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.checks import health_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.page import render_page
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import build_record
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.summary import summarize
from tests.support.journals import FRONT, finished, play, started, task


def gate(system: str, verdict: str, checks: dict[str, str], *faults: str) -> dict[str, Any]:
    return task("Say whether the system is healthy", system=system, verdict=verdict, checks=checks, faults=list(faults))


def record(*events: dict[str, Any]) -> dict[str, Any]:
    return build_record([started(), play({**FRONT, "changes": False}), *events, finished()])


def test_each_system_has_the_verdict_of_its_last_gate() -> None:
    health = health_of(record(
        gate("commerce", "unhealthy", {"Web": "unhealthy"}, "web: 500"), gate("commerce", "healthy", {"Web": "healthy"}),
        gate("media", "unknown", {"Web": "unknown", "Redis": "healthy"}, "web: denied")))

    assert health.verdicts == {"commerce": "healthy", "media": "unknown"}
    assert health.checks == {"Web": {"commerce": "healthy", "media": "unknown"}, "Redis": {"media": "healthy"}}
    assert health.faults == {"commerce": [], "media": ["web: denied"]}
    assert (health.count("healthy"), health.count("unknown"), health.count("unhealthy")) == (1, 1, 0)


def test_what_a_system_does_not_declare_has_no_place_in_the_table() -> None:
    health = health_of(record(gate("commerce", "healthy", {"Web": "healthy", "Redis": "not declared"}),
                              gate("media", "healthy", {"Web": "not declared", "Queues": "not declared"})))

    assert health.checks == {"Web": {"commerce": "healthy"}}


@pytest.mark.parametrize(("events", "said"), [
    ([task("Check the account", system="media", status="failed", message="not the account")],
     "Check the account: not the account"),
    ([task("Read", system="media")], "it was not looked at"),
])
def test_a_system_without_a_gate_is_unknown_and_says_why(events: list[dict[str, Any]], said: str) -> None:
    health = health_of(record(*events))

    assert health.verdicts == {"media": "unknown"}
    assert list(health.faults["media"]) == [said]


def test_terminal_and_page_show_a_row_a_check_and_a_line_a_fault() -> None:
    seen = record(gate("commerce", "healthy", {"Web": "healthy"}),
                  gate("media", "unhealthy", {"Web": "unhealthy", "Redis": "healthy"}, "<web> answered 500"))

    said = [line.split() for line in summarize(seen, "records/r1").splitlines()]
    assert said[0][:6] == ["Weekly", "maintenance:", "1", "healthy,", "1", "unhealthy"]
    assert said[1:6] == [["commerce", "media"], ["Web", "ok", "UNHEALTHY"], ["Redis", "-", "ok"],
                         ["verdict", "healthy", "unhealthy"], ["media", "<web>", "answered", "500"]]
    page = render_page(seen)
    assert "<h2>Health</h2>" in page
    assert "<td>Redis</td><td><span class=\"none\">-</span></td><td><span class=\"tone healthy\">healthy</span></td>" in page
    assert "&lt;web&gt; answered 500" in page


def test_the_terminal_shows_the_first_faults_of_each_check_in_full_and_counts_the_rest() -> None:
    denied = [f"Tables: table:{number}: not seen (AccessDenied: {'x ' * 60}end)" for number in range(8)]
    said = summarize(record(gate("media", "unknown", {"Tables": "unknown"}, *denied, "Web: 500")), "records/r1")

    assert said.count("end)") == 3
    assert "Tables: 5 more in the record" in said
    assert "Web: 500" in said
    assert max(map(len, said.splitlines())) <= 125
