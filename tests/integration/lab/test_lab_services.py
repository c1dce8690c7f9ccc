"""What runs beside AWS is real, or answers as the real one does."""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rcode
import psycopg2
import pytest
import redis

from tests.support.short_lived_labs import CHECKOUT, EMPTY, ask, running_lab


@pytest.fixture(scope="module")
def status(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with running_lab(tmp_path_factory.mktemp("services") / "lab", *EMPTY) as status:
        yield status


@pytest.fixture
def web(status: dict[str, Any]) -> Iterator[str]:
    yield status["endpoints"]["web"]
    assert ask(f"{status['endpoints']['web']}/lab/reset", {})[0] == 200


def received(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(status["folder"]) / "received.jsonl").read_text().splitlines()]


def test_postgres_is_real(status: dict[str, Any]) -> None:
    connection = psycopg2.connect(status["endpoints"]["postgres"])
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION pg_stat_statements; SELECT count(*) FROM pg_stat_statements")
        assert cursor.fetchone()[0] >= 0
        cursor.execute("SHOW shared_preload_libraries")
        assert cursor.fetchone() == ("pg_stat_statements",)
    connection.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_postgres_runs_as_nobody_where_namespaces_are_forbidden(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
import psycopg2
from lab import folders, postgres
from lab.identity import nobody
from lab.processes import stop_children

folder = Path(sys.argv[1])
lifeline = folders.take_lock(folder / folders.CHILDREN_LOCK)
child, port = postgres.start_postgres(folder, lifeline, nobody())
owner = Path(f"/proc/{child.process.pid}").stat().st_uid
version = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres").server_version
stop_children([child])
outside = Path(folders.read_json(folder / folders.OUTSIDE)[0])
assert outside.is_dir()
(folder / folders.SUPERVISOR_LOCK).touch()
__import__("os").close(lifeline)
folders.remove_folder(folder)
print(owner, version > 130000, outside.exists(), folder.exists())
"""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    result = subprocess.run(
        [sys.executable, "-c", script, str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert result.stdout.split() == ["65534", "True", "False", "False"], result.stderr


def test_valkey_is_real(status: dict[str, Any]) -> None:
    store = redis.Redis.from_url(status["endpoints"]["redis"])
    assert store.ping()
    assert store.config_set("maxmemory-policy", "allkeys-lru")
    assert store.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}


def test_health_and_smoke_pages_answer(web: str) -> None:
    for endpoint in ("api", "products"):
        code, body = ask(f"{web}/commerce/{endpoint}/health")
        assert (code, body["status"]) == (200, "ok")
        assert body["checks"] == {"dynamodb": "ok", "redis": "ok", "queue": "ok"}
    assert ask(f"{web}/commerce/api/links/demo") == (200, {"id": "demo", "url": "https://example.org/video/demo"})
    assert ask(f"{web}/commerce/products/products/demo") == (200, {"id": "demo", "available": True})
    assert ask(f"{web}/commerce/products/products/nothing")[0] == 404


def test_health_changes_when_told_after_the_requests_it_was_told(web: str) -> None:
    change = {"system": "commerce", "endpoint": "api", "status": "degraded", "code": 503, "after": 2}
    assert ask(f"{web}/lab/health", change)[0] == 200
    codes = [ask(f"{web}/commerce/api/health")[0] for _ in range(4)]
    assert codes == [200, 200, 503, 503]
    assert ask(f"{web}/commerce/api/health")[1]["status"] == "degraded"
    assert ask(f"{web}/commerce/products/health")[0] == 200
    ask(f"{web}/lab/health", {"reset": True})
    assert ask(f"{web}/commerce/api/health")[0] == 200


def test_queue_depths_and_the_scheduler_change_when_told(web: str) -> None:
    assert ask(f"{web}/lab/health", {"system": "media", "queues": {"media-processing": 1500}})[0] == 200
    assert ask(f"{web}/lab/health", {"system": "analytics", "scheduler": "stopped"})[0] == 200
    stats = ask(f"{web}/media/api/admin/queues/stats")[1]
    assert (stats["status"], stats["queues"]["media-processing"]["waiting"]) == ("overloaded", 1500)
    assert ask(f"{web}/analytics/health/ready")[1]["checks"]["scheduler"] == "stopped"
    assert ask(f"{web}/analytics/api/jobs")[1]["status"] == "degraded"


def test_the_site_says_that_it_comes_from_a_cache(web: str) -> None:
    with urllib.request.urlopen(f"{web}/reviews/", timeout=10) as response:
        assert response.headers["x-cache"] == "Hit from cloudfront"
        assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("health", {"system": "commerce", "endpoint": "unknown", "status": "degraded"}),
        ("health", {"system": "commerce", "endpoint": "api"}),
        ("health", {"system": "commerce", "endpoint": "api", "status": "degraded", "cod": 500}),
        ("health", {"system": "media", "queues": {"unknown": 5}}),
        ("receivers", {"receiver": "teams", "status": 500}),
        ("dns", {"name": "api.tiktokcommerce.com", "rcode": "BROKEN"}),
        ("unknown", {}),
    ],
)
def test_a_control_request_that_means_nothing_is_refused(web: str, route: str, body: dict[str, Any]) -> None:
    code, answer = ask(f"{web}/lab/{route}", body)
    assert code == 400
    assert answer["error"]


def test_slack_takes_a_message_and_its_token_is_not_kept(web: str, status: dict[str, Any]) -> None:
    token = status["receivers"]["slack"]
    assert ask(f"{web}/receivers/slack/{token}", {"text": "maintenance begins"}) == (200, "ok")
    entry = received(status)[-1]
    assert (entry["receiver"], entry["body"], entry["status"]) == ("slack", {"text": "maintenance begins"}, 200)
    assert token not in json.dumps(entry)


def test_slack_refuses_an_unknown_token_and_an_empty_message(web: str, status: dict[str, Any]) -> None:
    assert ask(f"{web}/receivers/slack/of/somebody/else", {"text": "hello"}) == (403, "invalid_token")
    assert ask(f"{web}/receivers/slack/{status['receivers']['slack']}", {}) == (400, "no_text")
    assert "somebody" not in json.dumps(received(status))


def test_pagerduty_takes_an_event_and_gives_its_key_back(web: str, status: dict[str, Any]) -> None:
    event = {
        "routing_key": status["receivers"]["pagerduty"],
        "event_action": "trigger",
        "dedup_key": "run-1",
        "payload": {"summary": "failed", "source": "commerce", "severity": "error"},
    }
    code, answer = ask(f"{web}/receivers/pagerduty/v2/enqueue", event)
    assert (code, answer["status"], answer["dedup_key"]) == (202, "success", "run-1")
    assert event["routing_key"] not in json.dumps(received(status))
    assert ask(f"{web}/receivers/pagerduty/v2/enqueue", {**event, "routing_key": "other"})[0] == 403
    assert ask(f"{web}/receivers/pagerduty/v2/enqueue", {**event, "payload": {}})[0] == 400


def test_statuspage_takes_an_incident(web: str, status: dict[str, Any]) -> None:
    url = f"{web}/receivers/statuspage/v1/pages/p1/incidents"
    headers = {"Authorization": f"OAuth {status['receivers']['statuspage']}"}
    code, incident = ask(url, {"incident": {"name": "Slow", "status": "investigating"}}, headers=headers)
    assert (code, incident["page_id"]) == (201, "p1")
    update = {"incident": {"status": "resolved"}}
    assert ask(f"{url}/{incident['id']}", update, "PATCH", headers)[1]["status"] == "resolved"
    assert ask(url, {"incident": {"name": "Slow"}}, headers={"Authorization": "OAuth other"})[0] == 403


def test_a_receiver_fails_when_told_and_heals(web: str, status: dict[str, Any]) -> None:
    url = f"{web}/receivers/slack/{status['receivers']['slack']}"
    ask(f"{web}/lab/receivers", {"receiver": "slack", "status": 500})
    assert ask(url, {"text": "hello"})[0] == 500
    assert received(status)[-1]["status"] == 500
    ask(f"{web}/lab/receivers", {"receiver": "slack", "status": None})
    assert ask(url, {"text": "hello"})[0] == 200


def test_mail_arrives(web: str, status: dict[str, Any]) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Wöchentlich", "ops@example.org", "team@example.org"
    message.set_content("all done")
    host, port = status["endpoints"]["smtp"].split(":")
    with smtplib.SMTP(host, int(port), timeout=10) as server:
        server.send_message(message)
        ask(f"{web}/lab/receivers", {"receiver": "smtp", "status": 451})
        with pytest.raises(smtplib.SMTPDataError):
            server.send_message(message)
    first, second = received(status)[-2:]
    assert (first["receiver"], first["status"], second["status"]) == ("smtp", 250, 451)
    assert first["body"]["to"] == ["team@example.org"]
    assert (first["body"]["subject"], first["body"]["text"].strip()) == ("Wöchentlich", "all done")


def resolve(status: dict[str, Any], name: str, kind: str = "A") -> dns.message.Message:
    host, port = status["endpoints"]["dns"].split(":")
    return dns.query.udp(dns.message.make_query(name, kind), host, timeout=5, port=int(port))


def test_names_resolve_and_fail_when_told(web: str, status: dict[str, Any]) -> None:
    assert [str(item) for item in resolve(status, "API.tiktokcommerce.com").answer[0]] == ["127.0.0.1"]
    assert [str(item) for rrset in resolve(status, "www.tiktokcommerce.com").answer for item in rrset] == [
        "api.tiktokcommerce.com.",
        "127.0.0.1",
    ]
    assert resolve(status, "api.tiktokcommerce.com", "AAAA").answer == []
    assert resolve(status, "unknown.tiktokcommerce.com").rcode() == dns.rcode.NXDOMAIN
    for name in ("api.social-analytics", "usage.ioanyt", "media-search", "api.reviews", "reviews"):
        assert str(resolve(status, f"{name}.example.com").answer[-1][0]) == "127.0.0.1"
    ask(f"{web}/lab/dns", {"name": "api.tiktokcommerce.com", "rcode": "SERVFAIL"})
    assert resolve(status, "api.tiktokcommerce.com").rcode() == dns.rcode.SERVFAIL
    ask(f"{web}/lab/dns", {"name": "api.tiktokcommerce.com", "rcode": None})
    assert resolve(status, "api.tiktokcommerce.com").rcode() == dns.rcode.NOERROR


def test_the_inventory_names_systems_that_the_running_lab_lacks_without_harm(status: dict[str, Any]) -> None:
    environment = {**os.environ, "OPSBOOK_LAB_FOLDER": status["folder"]}
    playbook = next(iter(sorted((CHECKOUT / "playbooks").glob("*.yml"))))
    questions = (["inventory", "--list"], ["inventory", "--host", "metering"], ["playbook", "--syntax-check", str(playbook)])
    for program, *rest in questions:
        done = subprocess.run(
            [sys.executable, "-m", "ansible", program, "-i", str(CHECKOUT / "inventory" / "lab"), *rest],
            capture_output=True, text=True, check=False, cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
