"""dns_check against the lab's name server, and one that never answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from lab.web.dns import NameBook, start_name_server
from lab.web.systems import ADDRESSES, ALIASES
from tests.support.modules import run_module

API, WWW = "api.tiktokcommerce.com", "www.tiktokcommerce.com"


class Server:
    """A running name server whose names can be made to fail."""

    def __init__(self) -> None:
        self._book = NameBook(ADDRESSES, ALIASES)
        self.address = f"127.0.0.1:{start_name_server(self._book)}"

    def fail(self, name: str, rcode: str) -> None:
        """Answer for a name with a failure."""
        self._book.change({"name": name, "rcode": rcode})

    def check(self, *names: dict[str, Any], **rest: Any) -> dict[str, Any]:
        """Run the module against this server."""
        return run_module("dns_check", {"names": list(names), "server": self.address, **rest})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def silence() -> Iterator[str]:
    """The address of a server that takes questions and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{deaf.getsockname()[1]}"


@pytest.mark.parametrize(
    ("given", "records"),
    [
        pytest.param({"name": API}, ["127.0.0.1"], id="an_address"),
        pytest.param({"name": API, "expect": ["127.0.0.1"]}, ["127.0.0.1"], id="the_address_expected"),
        pytest.param({"name": WWW}, ["127.0.0.1"], id="through_an_alias"),
        pytest.param({"name": WWW, "type": "CNAME", "expect": [f"{API.upper()}."]}, [API], id="the_alias_itself"),
    ],
)
def test_a_name_that_resolves_is_healthy(server: Server, given: dict[str, Any], records: list[str]) -> None:
    result = server.check(given)

    assert result["verdict"] == "healthy"
    assert result["changed"] is False
    assert result["names"][0] == {
        "name": given["name"], "type": given.get("type", "A"), "outcome": "answered", "records": records, "ttl": 60,
        "canonical_name": API if given.get("type") != "CNAME" else WWW}


@pytest.mark.parametrize(
    ("given", "actual"),
    [
        pytest.param({"name": "gone.tiktokcommerce.com"}, "NXDOMAIN", id="no_such_name"),
        pytest.param({"name": API, "type": "AAAA"}, "NoAnswer", id="no_records_of_that_type"),
        pytest.param({"name": API, "expect": ["192.0.2.1"]}, ["127.0.0.1"], id="another_address"),
    ],
)
def test_a_wrong_answer_is_unhealthy(server: Server, given: dict[str, Any], actual: Any) -> None:
    result = server.check(given)

    assert result["verdict"] == "unhealthy"
    assert [(item["actual"], item["ok"]) for item in result["evidence"]] == [(actual, False)]
    assert result["coverage"]["complete"] is True


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED"])
def test_a_server_that_fails_says_nothing_about_the_name(server: Server, rcode: str) -> None:
    server.fail(API, rcode)
    result = server.check({"name": API}, {"name": WWW})

    assert result["verdict"] == "unknown"
    [gap] = result["coverage"]["missing"]
    assert gap["resource"] == f"dns:{API}:A"
    assert rcode in gap["reason"]
    assert [item["ok"] for item in result["evidence"]] == [True]


def test_a_server_that_is_silent_is_unknown(server: Server, silence: str) -> None:
    result = run_module("dns_check", {"names": [{"name": API}], "server": silence, "timeout": 0.5})

    assert result["verdict"] == "unknown"
    assert result["coverage"]["missing"][0]["reason"] == "the name server did not answer within 0.5 s"


def test_asks_in_check_mode_too(server: Server) -> None:
    result = run_module("dns_check", {"names": [{"name": "gone.example"}], "server": server.address}, check_mode=True)

    assert result["verdict"] == "unhealthy"


def test_refuses_a_name_that_is_none(server: Server) -> None:
    result = server.check({"name": f"{'a' * 64}.example"})

    assert result["verdict"] == "unknown"
    assert "DNS label" in result["coverage"]["missing"][0]["reason"]


def test_refuses_a_server_that_is_a_name() -> None:
    result = run_module("dns_check", {"names": [{"name": API}], "server": "ns.example"})

    assert result["failed"] is True
    assert "not an IP address" in result["msg"]
