"""One request with its redirects, against a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.exchange import (
    LARGEST_BODY,
    Answer,
    Request,
    address_of,
    fetch,
    secrets_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.tls import context_of
from tests.support.web import Page, Site, serving

CONTEXT = context_of(True)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        yield running


def get(url: str, timeout: float = 5, final: int = 200, **headers: str) -> Answer:
    return fetch(Request("GET", url, headers, timeout, frozenset({final})), CONTEXT, time.monotonic)


def test_follows_redirects_and_reports_them(site: Site) -> None:
    site.serve("/a", Page(302, headers={"Location": "/b?token=hush"}))
    site.serve("/b", Page(301, headers={"Location": f"{site.url}/c"}))
    site.serve("/c", Page(body=b"there"))

    answer = get(f"{site.url}/a")
    host = site.url.removeprefix("http://")
    assert (answer.status, answer.body, answer.redirects) == (200, b"there", (f"{host}/b", f"{host}/c"))


def test_does_not_follow_a_redirect_that_is_expected(site: Site) -> None:
    answer = get(site.serve("/a", Page(301, headers={"Location": "/b"})), final=301)

    assert (answer.status, answer.redirects) == (301, ())


def test_gives_up_after_five_redirects(site: Site) -> None:
    answer = get(site.serve("/a", Page(302, headers={"Location": "/a"})))

    assert (answer.status, answer.failure) == (None, "it was redirected more than 5 times")
    assert len(site.requests) == 6


@pytest.mark.parametrize("location", ["ftp://127.0.0.1:21/a", "mailto:a@b", "http://[", "https://:99999/"])
def test_a_redirect_to_something_else_is_a_failure(site: Site, location: str) -> None:
    answer = get(site.serve("/a", Page(302, headers={"Location": location})))

    assert answer.failure == "it was redirected to what is no http or https address"


def test_secrets_stay_with_their_origin(site: Site) -> None:
    with serving() as other:
        site.serve("/a", Page(302, headers={"Location": "/b"}))
        site.serve("/b", Page(302, headers={"Location": other.serve("/c", Page())}))
        answer = get(site.url.replace("//", "//me:secret@") + "/a", **{"X-Token": "hush"})

    assert answer.status == 200
    sent = [headers for _method, _path, headers in site.requests]
    assert [(headers["authorization"], headers["x-token"]) for headers in sent] == [("Basic bWU6c2VjcmV0", "hush")] * 2
    assert {"authorization", "x-token"}.isdisjoint(other.requests[0][2])


def test_keeps_at_most_a_mebibyte(site: Site) -> None:
    exact = get(site.serve("/a", Page(body=b"x" * LARGEST_BODY)))
    more = get(site.serve("/b", Page(body=b"x" * (LARGEST_BODY + 1))))

    assert (len(exact.body), exact.truncated) == (LARGEST_BODY, False)
    assert (len(more.body), more.truncated) == (LARGEST_BODY, True)


def test_a_body_that_ends_too_early_is_a_failure(site: Site) -> None:
    answer = get(site.serve("/a", Page(body=b"half", cut=4)), timeout=2)

    assert answer.status is None
    assert "IncompleteRead" in answer.failure


def test_a_server_that_is_too_slow_is_a_failure(site: Site) -> None:
    waiting = threading.Event()
    answer = get(site.serve("/a", Page(wait=waiting)), timeout=0.2)
    waiting.set()

    assert answer.failure == "no answer within 0.2 s"
    assert 200 <= answer.latency_ms < 2000


def test_a_refused_connection_is_a_failure_with_its_reason() -> None:
    assert get("http://127.0.0.1:1/").failure == "ConnectionRefusedError: Connection refused"


def test_encodes_what_a_request_line_cannot_carry(site: Site) -> None:
    get(f"{site.url}/a b/%20ü?q=x y&z=1")

    assert site.requests[0][1] == "/a%20b/%20%C3%BC?q=x%20y&z=1"


def test_does_not_show_a_header_that_cannot_be_sent(site: Site) -> None:
    with pytest.raises(Refused) as refused:
        get(f"{site.url}/a?token=hush", **{"X-Token": "canary\r\nInjected: yes"})

    assert "canary" not in str(refused.value)
    assert "hush" not in str(refused.value)
    assert site.requests == []


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://me:secret@shop.example/health?token=hush#top", "shop.example:443/health"),
        ("http://shop.example", "shop.example:80/"),
        ("http://[::1]:8080/a", "[::1]:8080/a"),
    ],
)
def test_an_address_has_no_secrets(url: str, address: str) -> None:
    assert address_of(url) == address


def test_knows_what_is_secret() -> None:
    found = secrets_of("https://user:pass%21word@h/?token=hush%21&n=1", {"X-Token": "canary"})

    assert set(found) == {"user", "pass%21word", "pass!word", "token=hush%21&n=1", "token=hush!&n=1", "hush%21",
                          "hush!", "canary"}
