"""Secrets in every form that programs write them in."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from opsbook.runner.scrub import WITHHELD, Scrubber, declared_credentials, refuse_short

SECRETS = ["hunter2-canary", "with space+plus/slash=", "quote\"back\\slash'<&>", "größe-schlüssel-ß",
           "tab\tand\nline-two-is-long"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("write", [
    str, repr, json.dumps, lambda s: json.dumps(s, ensure_ascii=False), lambda s: json.dumps(json.dumps({"k": s})),
    html.escape, lambda s: html.escape(s, quote=False), quote, quote_plus, lambda s: quote(s, safe=""),
    lambda s: s.encode().hex(),
    lambda s: base64.b64encode(s.encode()).decode(), lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    lambda s: base64.b64encode(f"a:{s}:b".encode()).decode(), lambda s: base64.b64encode(f"us:{s}:b".encode()).decode(),
    lambda s: base64.b64encode(f"use:{s}".encode()).decode(),
], ids=["plain", "repr", "json", "json_utf8", "json_in_json", "html", "html_text", "url", "form", "url_all", "hex", "base64",
        "base64_url", "basic_2", "basic_3", "basic_4"])
def test_a_secret_is_found_in_every_form(secret: str, write: object) -> None:
    scrubber = Scrubber({"token": secret})
    written = f"before {write(secret)} after"  # type: ignore[operator]
    clean = scrubber.text(written)

    assert WITHHELD in clean
    assert clean.startswith("before ")
    assert scrubber.found_in(written.encode()) == ["token"]
    assert scrubber.found_in(clean.encode()) == []


def test_data_is_scrubbed_in_keys_numbers_and_deep_inside() -> None:
    scrubber = Scrubber({"pin": "123456", "word": "hunter2-canary"})

    assert scrubber.value({"hunter2-canary": [1, {"a": "x hunter2-canary"}], "n": 123456, "f": 0.123456, "t": True}) == {
        WITHHELD: [1, {"a": f"x {WITHHELD}"}], "n": WITHHELD, "f": WITHHELD, "t": True}


def test_a_secret_that_is_part_of_another_leaves_no_rest() -> None:
    assert Scrubber({"a": "hunter2", "b": "hunter2-canary"}).text("hunter2-canary") == WITHHELD


@pytest.mark.parametrize("spread", [
    "abcd\nEFGH\nijkl", "abcd EFGH ijkl", '"abcd",\n "EFGH",\n "ijkl"', "abcd\\nEFGH\\nijkl"])
def test_what_is_spread_over_lines_is_found_before_it_is_kept(spread: str) -> None:
    assert Scrubber({"token": "abcdEFGHijkl"}).found_in(spread.encode()) == ["token"]


def test_without_secrets_everything_stays() -> None:
    scrubber = Scrubber({})

    assert (scrubber.text("any"), scrubber.value({"a": 1}), scrubber.found_in(b"any"), scrubber.margin) == (
        "any", {"a": 1}, [], 0)


def test_bytes_that_are_no_text_are_searched_too() -> None:
    assert Scrubber({"token": "hunter2-canary"}).found_in(b"\xff\xfe\x00hunter2-canary\xff") == ["token"]


def test_credentials_of_an_inventory_are_known_by_their_names_and_addresses() -> None:
    declared = {
        "opsbook_aws": {"secret_key": "canary-1", "access_key": "AKEY-is-none", "session_token": "canary-2"},
        "opsbook_postgres": {"login_password": "canary-3", "login_user": "monitor"},
        "http_endpoints": [{"headers": {"Authorization": "canary-4", "X-Api-Key": "canary-5"}},
                           {"url": "https://user:canary-6@host/"}, {"url": "https://host/path"}],
        "rotated_secrets": ["shop/api-keys"], "short": {"password": "abc"}, "token_limit": 5,
    }
    assert sorted(declared_credentials(declared).values()) == [f"canary-{number}" for number in range(1, 7)]


def test_secrets_that_are_too_short_to_be_found_are_named() -> None:
    assert refuse_short({"a": "12345", "b": "123456", "c": "   x   "}) == ["a", "c"]
