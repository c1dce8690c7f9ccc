"""What an answer shows: status, fields, text, latency, certificate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.check import (
    ABSENT,
    Endpoint,
    endpoints_of,
    judge,
    same,
    value_at,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.exchange import Answer, Request

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
BODY = b'{"status": "ok", "checks": {"queue": "ok", "redis": 1}, "items": [{"id": 7}]}'


def endpoint(status: int = 200, fields: Mapping[str, Any] | None = None, **rest: Any) -> Endpoint:
    request = Request("GET", "https://me:secret@shop.example/a?token=hush", {"X-Token": "canary"}, 10, frozenset({status}))
    return Endpoint("api", request, fields or {}, **rest)


def judged(asked: Endpoint, answer: Answer) -> list[tuple[str, Any, bool | None]]:
    return [(item.check, item.actual, item.ok) for item in judge(asked, answer, NOW)]


@pytest.mark.parametrize(
    ("expected", "status", "ok"),
    [(200, 200, True), (200, 503, False), (200, 401, False), (401, 401, True), (400, 400, True), (403, 200, False)],
)
def test_a_status_is_exactly_what_it_is(expected: int, status: int, ok: bool) -> None:
    assert judged(endpoint(expected), Answer(status)) == [("status", status, ok)]


def test_each_field_is_its_own_evidence() -> None:
    fields = {"status": "ok", "checks.queue": "down", "checks.redis": 1, "items.0.id": 7, "checks.dynamodb": "ok"}

    assert judged(endpoint(fields=fields), Answer(200, BODY))[1:] == [
        ("json status", "ok", True), ("json checks.queue", "ok", False), ("json checks.redis", 1, True),
        ("json items.0.id", 7, True), ("json checks.dynamodb", ABSENT, False)]


@pytest.mark.parametrize(
    ("answer", "actual", "ok"),
    [
        pytest.param(Answer(200, b"<html>ok</html>"), "the body is not JSON", False, id="not_json"),
        pytest.param(Answer(200, b""), "the body is not JSON", False, id="no_body"),
        pytest.param(Answer(200, b"[1]"), ABSENT, False, id="another_shape"),
        pytest.param(Answer(200, b'{"status"', truncated=True), "the body is longer than 1048576 bytes and was not read "
                     "whole", None, id="not_read_whole_is_unknown"),
    ],
)
def test_a_field_that_is_not_there(answer: Answer, actual: str, ok: bool | None) -> None:
    assert judged(endpoint(fields={"status": "ok"}), answer)[1] == ("json status", actual, ok)


@pytest.mark.parametrize(
    ("answer", "ok"),
    [
        (Answer(200, b"all systems go"), True),
        (Answer(200, "grün".encode("latin-1") + b" systems go", "latin-1"), True),
        (Answer(200, b"down", "no-such-charset"), False),
        (Answer(200, b"x" * 10, truncated=True), None),
    ],
)
def test_looks_for_text(answer: Answer, ok: bool | None) -> None:
    assert judged(endpoint(contains="systems go"), answer)[1][2] is ok


@pytest.mark.parametrize(("most", "ok"), [(250, True), (249.9, False)])
def test_judges_latency(most: float, ok: bool) -> None:
    assert judged(endpoint(max_latency_ms=most), Answer(200, latency_ms=250))[1] == ("latency", "250 ms", ok)


@pytest.mark.parametrize(("days", "ok"), [(14, True), (13, False), (-1, False)])
def test_judges_the_days_a_certificate_is_still_valid(days: int, ok: bool) -> None:
    answer = Answer(200, expiry=NOW + timedelta(days=days))

    assert judged(endpoint(), answer)[1] == ("TLS days left", float(days), ok)


def test_a_failed_connection_and_an_untrusted_certificate_are_evidence() -> None:
    assert judged(endpoint(), Answer(failure="refused")) == [("answer", "refused", False)]
    assert judged(endpoint(), Answer(untrusted="expired", expiry=NOW - timedelta(days=2))) == [
        ("certificate", "expired", False), ("TLS days left", -2.0, False)]


def test_what_the_server_sends_back_of_our_secrets_is_hidden() -> None:
    body = b'{"seen": {"token": "canary"}, "who": "me:secret", "query": "token=hush", "long": "' + b"x" * 999 + b'"}'
    fields = {"seen": "", "who": "", "query": "", "long": ""}
    seen = [actual for _check, actual, _ok in judged(endpoint(fields=fields), Answer(200, body))[1:]]

    assert seen[:3] == ['{"token": "***"}', "me:***", "***"]
    assert seen[3].endswith("... (999 characters)")
    assert len(seen[3]) < 250


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1, True), (1, 1.0, True), (1, "1", False), (True, True, True), (True, 1, False), (0, False, False),
        (None, None, True), (None, False, False), ([1, True], [1, True], True), ([1], [True], False),
        ({"a": 1}, {"a": 1}, True), ({"a": 1}, {"a": True}, False), ({"a": 1}, {"a": 1, "b": 2}, False),
    ],
)
def test_compares_values_with_their_types(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal


@pytest.mark.parametrize(("path", "value"), [("a.b", 1), ("c.1", 3), ("c.2", ABSENT), ("a.b.c", ABSENT), ("x", ABSENT)])
def test_walks_a_dotted_path(path: str, value: Any) -> None:
    assert value_at({"a": {"b": 1}, "c": [2, 3]}, path) == value


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param([{"name": "a", "url": "ftp://h/?token=hush"}], "no http or https", id="another_scheme"),
        pytest.param([{"name": "a", "url": "https:///path?token=hush"}], "no http or https", id="no_host"),
        pytest.param([{"name": "a", "url": "http://h:99999/?token=hush"}], "no http or https", id="no_port"),
        pytest.param([{"name": "a", "url": "http://h/", "method": "HEAD", "json": {"a": 1}}], "no body", id="head"),
        pytest.param([{"name": "a", "url": "http://h/"}] * 2, "more than once", id="same_name"),
    ],
)
def test_refuses_what_cannot_be_asked(given: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        endpoints_of(given)
    assert "hush" not in str(refused.value)
