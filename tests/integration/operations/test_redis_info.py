"""redis_info on a real server: what it tells of a healthy and a troubled one, and what could not be read."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from ansible_collections.opsbook.runbooks.plugins.module_utils.redis import connection
from tests.support.databases import Valkey, running_valkey
from tests.support.modules import run_module
from tests.support.web import certificate_for, server_context, serving

PASSWORD = "canary-password-of-the-cache"
VALUE = "canary-in-a-value"
Look = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with running_valkey(tmp_path_factory.mktemp("valkey"), PASSWORD) as server:
        yield server


@pytest.fixture
def valkey(shared: Valkey) -> Iterator[Valkey]:
    """The same server, put back after each test."""
    client = shared.client()
    before = client.config_get("maxmemory*") | client.config_get("maxclients")
    client.config_resetstat()
    yield shared
    for name in ("maxmemory", "maxmemory-policy", "maxclients"):
        client.config_set(name, before[name])
    client.flushall()
    client.acl_load()
    client.close()


@pytest.fixture
def look(valkey: Valkey) -> Look:
    def run(limits: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        return run_module("redis_info", {**valkey.options(), "limits": limits or {}, **options})

    return run


def verdicts(result: dict[str, Any]) -> dict[str, bool | None]:
    return {item["check"]: item["ok"] for item in result["evidence"]}


def test_a_server_in_order_is_healthy_and_no_value_is_read(valkey: Valkey, look: Look) -> None:
    client = valkey.client(db=1)
    client.set("a", VALUE, ex=600)
    client.set("b", VALUE)
    client.mget("a", "b", "c", "d")
    result = look({"minimum_hit_rate_percent": 50, "maximum_latency_ms": 500})
    assert result["verdict"] == "healthy", result
    assert verdicts(result) == dict.fromkeys(("connection", "latency", "memory", "clients", "hit rate", "persistence"), True)
    assert result["databases"] == [{"database": 1, "keys": 2, "expiring": 1}]
    assert (result["hit_rate"]["percent"], result["hit_rate"]["basis"]) == (50.0, "since start")
    assert (result["memory"]["limit_bytes"], result["memory"]["policy"]) == (64 << 20, "volatile-lru")
    assert result["role"] == "master"
    assert (result["replication"], result["changed"]) == ({"replicas": 0, "link": None}, False)
    assert "canary" not in str(result)


def test_the_session_carries_our_name(valkey: Valkey) -> None:
    client = connection.connector(valkey.options())()
    assert "opsbook" in {entry["name"] for entry in valkey.client().client_list()}
    client.close()


def test_too_few_hits_are_unhealthy_and_none_at_all_is_unknown(valkey: Valkey, look: Look) -> None:
    assert look({"minimum_hit_rate_percent": 50})["verdict"] == "unknown"
    valkey.client().get("nothing")
    result = look({"minimum_hit_rate_percent": 50})
    assert (result["verdict"], result["hit_rate"]["percent"]) == ("unhealthy", 0.0)


def test_a_measured_interval_counts_what_happens_in_it(valkey: Valkey, look: Look) -> None:
    client = valkey.client()
    client.set("a", 1)
    client.get("missing")
    ended = threading.Event()

    def read() -> None:
        while not ended.wait(0.005):
            client.get("a")

    reader = threading.Thread(target=read)
    reader.start()
    result = look({"minimum_hit_rate_percent": 100}, interval=0.3)
    ended.set()
    reader.join()
    assert (result["hit_rate"]["percent"], result["hit_rate"]["basis"]) == (100.0, "interval")
    assert 0.3 <= result["hit_rate"]["seconds"] < 5


def test_evictions_of_this_very_second_are_counted(valkey: Valkey, look: Look) -> None:
    client = valkey.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 200_000)
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            client.set(f"k{number}", "x" * 5000)

    writer = threading.Thread(target=write)
    writer.start()
    result = look({"maximum_evictions_per_second": 1, "maximum_memory_percent": 100})
    ended.set()
    writer.join()
    assert result["verdict"] == "unhealthy"
    assert verdicts(result)["evictions"] is False
    assert result["evictions"]["per_second"] > 1
    assert (result["evictions"]["basis"], result["hit_rate"]["basis"]) == ("interval", "since start")
    assert look({"maximum_evictions_per_second": 1, "maximum_memory_percent": 200})["verdict"] == "healthy"


def test_memory_beyond_its_limit_is_unhealthy(valkey: Valkey, look: Look) -> None:
    client = valkey.client()
    client.set("a", "x" * 3_000_000)
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 4_000_000)
    result = look()
    assert result["verdict"] == "unhealthy"
    assert verdicts(result)["memory"] is False
    assert result["memory"]["percent"] > 90


def test_without_a_limit_memory_is_held_against_the_machine(valkey: Valkey, look: Look) -> None:
    valkey.client().config_set("maxmemory", 0)
    result = look()
    assert (result["verdict"], result["memory"]["limit"]) == ("healthy", "machine")
    assert result["memory"]["limit_bytes"] > 64 << 20


def test_too_many_clients_are_unhealthy_and_no_place_left_is_too(valkey: Valkey, look: Look) -> None:
    client = valkey.client()
    waiting = [socket.create_connection(("127.0.0.1", valkey.port)) for _number in range(8)]
    held = len(client.client_list())
    client.config_set("maxclients", held + 1)
    result = look({"maximum_clients_percent": 90})
    assert (result["verdict"], verdicts(result)["clients"]) == ("unhealthy", False)
    client.config_set("maxclients", held)
    full = look()
    for one in waiting:
        one.close()
    assert (full["verdict"], full["evidence"][0]["ok"]) == ("unhealthy", False)
    assert "max number of clients reached" in full["evidence"][0]["actual"]
    deadline = time.monotonic() + 10
    while len(client.client_list()) > held - len(waiting):
        assert time.monotonic() < deadline


def without_maxclients(monkeypatch: pytest.MonkeyPatch) -> None:
    """INFO as older and managed servers give it."""
    info = redis.Redis.info

    def shorter(client: redis.Redis) -> dict[str, Any]:
        return {name: value for name, value in info(client).items() if name != "maxclients"}

    monkeypatch.setattr(redis.Redis, "info", shorter)


def test_where_info_does_not_tell_maxclients_the_configuration_is_asked(
    valkey: Valkey, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_maxclients(monkeypatch)
    valkey.client().config_set("maxclients", 1234)
    result = look()
    assert (result["verdict"], result["clients"]["maximum"]) == ("healthy", 1234)
    assert verdicts(result)["clients"] is True


@pytest.mark.parametrize(("limits", "verdict"), [({}, "healthy"), ({"maximum_clients_percent": 80}, "unknown")])
def test_where_nothing_tells_maxclients_clients_are_not_looked_at_unless_asked_for(
    valkey: Valkey, look: Look, monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any], verdict: str
) -> None:
    without_maxclients(monkeypatch)
    valkey.client().execute_command("ACL", "SETUSER", "narrow", "on", f">{PASSWORD}", "~*", "+@all", "-config")
    result = look(limits, login_user="narrow")
    assert (result["verdict"], result["clients"]["maximum"]) == (verdict, None)
    assert verdicts(result).get("clients", "not looked at") == (None if limits else "not looked at")
    (gap,) = result["coverage"]["missing" if limits else "left_out"]
    assert gap["resource"] == f"redis:127.0.0.1:{valkey.port} maxclients"
    assert "no permissions" in gap["reason"].lower()


@pytest.mark.parametrize(
    ("rules", "gap"),
    [("+@all -info", "INFO"), ("-@all +ping +client|setinfo", "INFO"), ("+@all -ping", "PING")],
    ids=["info", "nearly_everything", "ping"],
)
def test_what_the_acl_forbids_is_unknown_and_never_healthy(valkey: Valkey, look: Look, rules: str, gap: str) -> None:
    valkey.client().execute_command("ACL", "SETUSER", "narrow", "on", f">{PASSWORD}", "~*", *rules.split())
    result = look({"maximum_latency_ms": 500}, login_user="narrow")
    assert result["verdict"] == "unknown"
    missing = result["coverage"]["missing"]
    assert [entry["resource"] for entry in missing] == [f"redis:127.0.0.1:{valkey.port} {gap}"]
    assert "no permissions" in missing[0]["reason"].lower()
    assert "canary" not in str(result)


def test_a_user_that_may_do_little_but_read_the_state_is_enough(valkey: Valkey, look: Look) -> None:
    valkey.client().execute_command("ACL", "SETUSER", "watcher", "on", f">{PASSWORD}", "-@all", "+info", "+ping")
    assert look({"maximum_latency_ms": 500}, login_user="watcher")["verdict"] == "healthy"


def test_a_server_that_is_down_is_unhealthy_with_the_reason(look: Look) -> None:
    result = look(login_port=9)
    assert result["verdict"] == "unhealthy"
    assert "refused" in result["evidence"][0]["actual"]
    assert (result["server"], result["memory"], result["databases"]) == (None, None, [])


def test_a_frozen_server_is_unhealthy_after_the_time_out(
    valkey: Valkey, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT", 0.5)
    with valkey.frozen():
        result = look()
    assert (result["verdict"], verdicts(result)) == ("unhealthy", {"connection": False})


@pytest.mark.parametrize("password", ["canary-wrong-password", None], ids=["wrong", "none"])
def test_a_refused_login_fails_and_the_password_is_not_told(look: Look, password: str | None) -> None:
    result = look(login_password=password)
    assert result["failed"] is True
    assert "login_password" in result["msg"]
    assert "canary" not in str(result)


@pytest.mark.parametrize(
    ("named", "authority", "reason"),
    [("127.0.0.1", "other", "CERTIFICATE_VERIFY_FAILED"), ("elsewhere.example", "own", "not valid for"),
     ("127.0.0.1", "none", "No such file")],
)
def test_a_certificate_that_does_not_fit_is_a_failure_with_advice(
    look: Look, tmp_path: Path, named: str, authority: str, reason: str
) -> None:
    own = certificate_for(named, 30, tmp_path)
    files = {"own": own, "other": certificate_for(named, 31, tmp_path), "none": tmp_path / "absent.pem"}
    with serving(server_context(own)) as site:
        port = int(site.url.rpartition(":")[2])
        result = look(login_port=port, tls=True, ca_certs=str(files[authority]))
    assert result["failed"] is True
    assert reason in result["msg"]
    assert "the endpoint's own" in result["msg"]
    assert "canary" not in str(result)


def test_encryption_is_asked_for_unless_told_otherwise_and_nothing_is_said_without_it(valkey: Valkey) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard: list[bytes] = []

        def listen() -> None:
            with listener.accept()[0] as caller:
                heard.append(caller.recv(65536))

        ear = threading.Thread(target=listen)
        ear.start()
        options = {**valkey.options(login_port=listener.getsockname()[1])}
        del options["tls"]
        result = run_module("redis_info", options)
        ear.join()
    assert result["verdict"] == "unhealthy"
    assert heard[0][0] == 0x16, "a TLS handshake"
    assert PASSWORD.encode() not in heard[0]


def test_a_rate_that_is_none_is_refused(look: Look) -> None:
    result = look({"minimum_hit_rate_percent": 101})
    assert result["failed"] is True
    assert "minimum_hit_rate_percent" in result["msg"]


