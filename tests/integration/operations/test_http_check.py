"""http_check against real servers: what is right, what is wrong, redirects, certificates, secrets, check mode."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.modules import run_module
from tests.support.web import Page, Site, certificate_for, server_context, serving

HEALTHY = json.dumps({"status": "ok", "checks": {"queue": "ok", "redis": "ok"}}).encode()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        running.serve("/health", Page(body=HEALTHY))
        yield running


def check(url: str, check_mode: bool = False, options: dict[str, Any] | None = None, **endpoint: Any) -> dict[str, Any]:
    endpoint = {"name": "api", "url": url, **endpoint}
    return run_module("http_check", {"endpoints": [endpoint], **(options or {})}, check_mode)


def wrong(result: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(item["check"], item["actual"]) for item in result["evidence"] if item["ok"] is not True]


def test_a_right_answer_is_healthy_field_by_field(site: Site) -> None:
    result = check(f"{site.url}/health", json={"status": "ok", "checks.queue": "ok"}, contains="redis",
                   max_latency_ms=5000)

    assert result["verdict"] == "healthy"
    assert result["changed"] is False
    assert [item["check"] for item in result["evidence"]] == [
        "status", "json status", "json checks.queue", "body", "latency"]
    assert result["endpoints"][0]["address"] == f"{site.url.removeprefix('http://')}/health"
    assert result["endpoints"][0]["status"] == 200


def test_a_health_gate_does_not_vanish_in_check_mode(site: Site) -> None:
    """FACTS section 1, trap 10: ansible.builtin.uri is skipped in check mode, and a dry run passes its gates."""
    site.serve("/health", Page(503, b'{"status": "degraded"}'))
    result = check(f"{site.url}/health", check_mode=True, json={"status": "ok"})

    assert len(site.requests) == 1
    assert "skipped" not in result
    assert result["verdict"] == "unhealthy"
    assert wrong(result) == [("status", 503), ("json status", "degraded")]


def test_a_health_gate_stops_a_playbook_in_check_mode(site: Site, tmp_path: Path) -> None:
    """The same through ansible-playbook --check, with the task that stops on the verdict."""
    site.serve("/health", Page(503))
    playbook = tmp_path / "gate.yml"
    playbook.write_text(json.dumps([{
        "name": "Gate", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [
            {"name": "Ask", "opsbook.runbooks.http_check": {
                "endpoints": [{"name": "api", "url": f"{site.url}/health"}]}, "register": "health"},
            {"name": "Stop unless healthy", "ansible.builtin.assert": {"that": "health.verdict == 'healthy'"}},
        ]}]))
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {hosts: {localhost: {ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "--check", "-i", str(inventory), str(playbook)],
        capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 2, done.stdout + done.stderr
    assert "Assertion failed" in done.stdout
    assert len(site.requests) == 1


def test_one_wrong_endpoint_hides_no_other(site: Site) -> None:
    result = run_module("http_check", {"endpoints": [
        {"name": "gone", "url": "http://127.0.0.1:1/health"}, {"name": "api", "url": f"{site.url}/health"},
        {"name": "closed", "url": site.serve("/closed", Page(401))},
        {"name": "reachable", "url": f"{site.url}/closed", "status": [200, 401]}]})

    assert result["verdict"] == "unhealthy"
    assert [(item["resource"], item["ok"]) for item in result["evidence"]] == [
        ("endpoint:gone", False), ("endpoint:api", True), ("endpoint:closed", False), ("endpoint:reachable", True)]
    assert result["endpoints"][0]["error"] == "ConnectionRefusedError: Connection refused"


@pytest.mark.parametrize(("attempts", "verdict", "asked"), [(1, "unhealthy", 1), (2, "unhealthy", 2), (5, "healthy", 3)])
def test_is_right_when_one_attempt_is(site: Site, attempts: int, verdict: str, asked: int) -> None:
    url = site.serve("/slow", Page(503), Page(503), Page())
    result = check(url, options={"attempts": attempts, "delay": 0.01})

    assert (result["verdict"], result["endpoints"][0]["attempts"], len(site.requests)) == (verdict, asked, asked)


def test_follows_redirects_and_reports_them(site: Site) -> None:
    url = site.serve("/old", Page(301, headers={"Location": "/health?session=hush"}))
    result = check(url, json={"status": "ok"})

    assert result["verdict"] == "healthy"
    assert result["endpoints"][0]["redirects"] == [f"{site.url.removeprefix('http://')}/health"]


def test_secrets_stay_out_of_everything(site: Site) -> None:
    site.serve("/echo", Page(500, b'{"seen": "canary-header, canary-query, canary-password"}'))
    url = f"{site.url}/echo?token=canary-query".replace("//", "//me:canary-password@")
    given = {"name": "api", "url": url, "headers": {"X-Token": "canary-header"}, "json": {"seen": "nothing"}}
    result = run_module("http_check", {"endpoints": [given]})
    refused = run_module("http_check", {"endpoints": [{**given, "headers": {"X-Token": "canary-header\r\nA: b"}}]})
    bad = run_module("http_check", {"endpoints": [{**given, "url": url.replace("http:", "gopher:")}]})

    assert site.requests[0][2]["x-token"] == "canary-header"
    assert site.requests[0][1] == "/echo?token=canary-query"
    assert wrong(result)[0] == ("status", 500)
    assert refused["verdict"] == "unknown"
    assert bad["failed"] is True
    assert "canary" not in str([result, refused, bad])


def test_arguments_are_hidden_where_ansible_shows_them(site: Site) -> None:
    url = f"{site.url}/health?token=canary-query"
    arguments = json.dumps({"endpoints": [{"name": "api", "url": url, "headers": {"X-Token": "canary-header"}}]})
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible")), "localhost", "-i", "localhost,", "-c", "local", "-vvv",
         "-m", "opsbook.runbooks.http_check", "-a", arguments], capture_output=True, text=True, timeout=120, check=False)

    assert re.search(r"verdict\W+healthy", done.stdout), done.stdout
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("days", "least", "verdict", "faults"),
    [
        pytest.param(90, 14, "healthy", [], id="long_enough"),
        pytest.param(10, 14, "unhealthy", ["TLS days left"], id="not_long_enough"),
        pytest.param(10, 7, "healthy", [], id="long_enough_for_us"),
        pytest.param(-2, 14, "unhealthy", ["certificate", "TLS days left"], id="expired"),
    ],
)
def test_counts_the_days_a_trusted_certificate_has_left(
    tmp_path: Path, days: float, least: float, verdict: str, faults: list[str]
) -> None:
    certificate = certificate_for("127.0.0.1", days, tmp_path)
    with serving(server_context(certificate)) as site:
        result = check(site.serve("/health", Page()), options={"ca_path": str(certificate)}, min_tls_days=least)

    assert result["verdict"] == verdict
    assert [name for name, _actual in wrong(result)] == faults
    assert result["endpoints"][0]["tls_days_left"] == pytest.approx(days, abs=0.2)


@pytest.mark.parametrize(
    ("host", "reason"),
    [("127.0.0.1", "self-signed certificate"), ("shop.example", "IP address mismatch")],
)
def test_an_untrusted_certificate_is_evidence_and_nothing_is_sent(tmp_path: Path, host: str, reason: str) -> None:
    certificate = certificate_for(host, 90, tmp_path)
    options = {"ca_path": str(certificate)} if host == "shop.example" else {}
    with serving(server_context(certificate)) as site:
        result = check(site.serve("/health", Page()), options=options, headers={"X-Token": "canary"})

    assert result["verdict"] == "unhealthy"
    assert reason in result["endpoints"][0]["error"].replace("self signed", "self-signed")
    assert result["endpoints"][0]["tls_days_left"] == pytest.approx(90, abs=0.2)
    assert site.requests == []


def test_without_verification_the_days_still_count(tmp_path: Path) -> None:
    with serving(server_context(certificate_for("shop.example", 3, tmp_path))) as site:
        result = check(site.serve("/health", Page()), options={"validate_certs": False})

    assert result["endpoints"][0]["status"] == 200
    assert wrong(result) == [("TLS days left", pytest.approx(3, abs=0.2))]


@pytest.mark.parametrize(("days", "wrongs"), [(90, []), (3, ["TLS days left"]), (-2, ["TLS days left"])])
def test_an_endpoint_may_have_an_authority_that_nobody_here_knows(tmp_path: Path, days: float, wrongs: list[str]) -> None:
    with serving(server_context(certificate_for("shop.example", days, tmp_path))) as site:
        result = check(site.serve("/health", Page()), validate_certs=False)
        trusted = check(site.serve("/health", Page()))

    assert [name for name, _actual in wrong(result)] == wrongs
    assert "certificate" in [name for name, _actual in wrong(trusted)]


def test_only_methods_that_change_nothing(site: Site) -> None:
    result = check(f"{site.url}/health", method="POST")

    assert result["failed"] is True
    assert site.requests == []
