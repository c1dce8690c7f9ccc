"""How records and name servers are written, and what an answer means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import MissingLibrary, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.http import dns
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.dns import (
    Question,
    Resolved,
    evaluate_names,
    normal,
    server_of,
)

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "record", "written"),
    [
        ("A", "192.0.2.1", "192.0.2.1"),
        ("AAAA", "2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("A", "no address", "no address"),
        ("CNAME", "API.shop.example.", "api.shop.example"),
        ("MX", "10  Mail.shop.example.", "10 mail.shop.example"),
        ("TXT", "V=spf1 -All", "V=spf1 -All"),
    ],
)
def test_writes_a_record_in_one_way(kind: str, record: str, written: str) -> None:
    assert normal(kind, record) == written


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("127.0.0.1", ("127.0.0.1", 53)), ("127.0.0.1:5353", ("127.0.0.1", 5353)), ("::1", ("::1", 53)),
        ("[::1]", ("::1", 53)), ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_reads_a_name_server(text: str, server: tuple[str, int]) -> None:
    assert server_of(text) == server


@pytest.mark.parametrize("text", ["ns.shop.example", "127.0.0.1:dns", "", "1.2.3"])
def test_refuses_a_name_server_that_is_no_address(text: str) -> None:
    with pytest.raises(Refused, match="not an IP address"):
        server_of(text)


@pytest.mark.parametrize(
    ("expect", "outcome", "records", "ok"),
    [
        pytest.param((), "answered", ("192.0.2.1",), True, id="any_record_will_do"),
        pytest.param(("192.0.2.2", "192.0.2.1"), "answered", ("192.0.2.1", "192.0.2.2"), True, id="in_any_order"),
        pytest.param(("192.0.2.1",), "answered", ("192.0.2.1", "192.0.2.2"), False, id="one_too_many"),
        pytest.param(("192.0.2.1", "192.0.2.2"), "answered", ("192.0.2.1",), False, id="one_too_few"),
        pytest.param((), "NXDOMAIN", (), False, id="no_such_name"),
        pytest.param((), "NoAnswer", (), False, id="no_such_records"),
    ],
)
def test_judges_an_answer(expect: tuple[str, ...], outcome: str, records: tuple[str, ...], ok: bool) -> None:
    state = (Resolved(Question("api.shop.example", "A", expect), outcome, records),)

    assert [item.ok for item in evaluate_names(Collected(state, NOW))] == [ok]


def test_says_which_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "HAS_DNSPYTHON", False)
    with pytest.raises(MissingLibrary, match="dnspython"):
        dns.collect_names(Run(), [])
