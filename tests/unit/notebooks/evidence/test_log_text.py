"""Lines of logs are an attacker's input: read by their fields, cut, and cleaned of what a terminal or a page would obey."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from opsbook.evidence.log_text import LONGEST, LogFields, clean, fields_of, is_request, json_of, line_of

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
FIELDS = LogFields()


def test_a_json_line_is_read_by_its_fields() -> None:
    text = json.dumps({"level": "error", "logger": "shop.cart", "message": "no stock", "exception": "KeyError",
                       "trace_id": "t1"})
    line = line_of(NOW, "shop", text, FIELDS)
    assert (line.level, line.logger, line.message, line.exception, line.trace) == (
        "ERROR", "shop.cart", "no stock", "KeyError", "t1")


def test_fields_may_have_other_names() -> None:
    line = line_of(NOW, "shop", '{"severity": "FATAL", "msg": "gone"}', LogFields(level="severity", message="msg"))
    assert (line.level, line.message) == ("FATAL", "gone")


@pytest.mark.parametrize(("text", "level"), [
    ("2026-11-21 20:00:00 UTC:media@media:ERROR:  deadlock detected", "ERROR"),
    ("2026-11-21T20:00:00Z 5e1f Task timed out after 3.00 seconds", ""),
    ("just words", ""),
    ("TypeError: no info in the log", ""),
    ("2026/11/21 20:00:00 [error] 7#7: no info", "ERROR"),
    ("[core:crit] gone", "CRITICAL"),
    ('time="x" level=warning msg="an ERROR was retried"', "WARNING"),
    ("LOG:  could not read INFO", "LOG"),
    ("error: gone", "ERROR"),
])
def test_a_plain_line_is_its_own_message(text: str, level: str) -> None:
    line = line_of(NOW, "db", text, FIELDS)
    assert (line.level, line.message) == (level, text)


@pytest.mark.parametrize("text", ["{", '{"a": ', "[1]", '"text"', "null", "", "{" * 100_000, '{"a":' * 5000])
def test_what_is_no_object_is_no_json_line(text: str) -> None:
    assert json_of(text) is None
    assert line_of(NOW, "x", text, FIELDS).component == "x"


@pytest.mark.parametrize(("text", "cleaned"), [
    ("\x1b[31mred\x1b[0m", "red"),
    ("\x1b]0;title\x07text", "text"),
    ("a\x00b\x08c\rd", "abcd"),
    ("line\nnext\tcolumn", "line\nnext\tcolumn"),
    ("evil\u202etxt.exe", "eviltxt.exe"),
    ("half \ud800 pair", "half ? pair"),
    ("<script>alert(1)</script>", "<script>alert(1)</script>"),
])
def test_control_characters_are_taken_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_line_of_megabytes_is_cut() -> None:
    line = line_of(NOW, "x", "E" * 10_000_000, FIELDS)
    assert len(line.message) == LONGEST + len("...")


def test_a_long_field_is_cut_too() -> None:
    line = line_of(NOW, "x", json.dumps({"message": "m" * 100_000}), FIELDS)
    assert len(line.message) == LONGEST + len("...")


@pytest.mark.parametrize(("text", "is_one"), [
    ('{"status": 500, "duration_ms": 3}', True), ('{"status": 500}', False), ("status 500 duration_ms 3", False),
])
def test_lines_of_requests_are_told_from_others(text: str, is_one: bool) -> None:
    assert is_request(text, FIELDS) is is_one


@pytest.mark.parametrize(("said", "level"), [
    ({"level": 50}, "ERROR"), ({"level": 60}, "FATAL"), ({"level": 40}, "WARN"), ({"level": 30}, "INFO"), ({"level": 3}, ""),
    ({"severity": "EMERGENCY"}, "PANIC"), ({"log": {"level": "err"}}, "ERROR"), ({"log.level": "crit"}, "CRITICAL"),
    ({"@l": "Error"}, "ERROR"), ({"level": {}}, ""), ({"level": "9" * 999}, None),
])
def test_levels_are_called_alike(said: dict[str, object], level: str | None) -> None:
    found = line_of(NOW, "shop", json.dumps(said), FIELDS).level
    assert found == level if level is not None else set(found) == {"9"}


@pytest.mark.parametrize(("said", "message", "exception"), [
    ({"msg": "no stock", "err": {"type": "TypeError", "message": "x"}}, "no stock", "TypeError"),
    ({"message": "no stock", "error": "refused"}, "no stock", "refused"),
    ({"message": "no stock", "error": None}, "no stock", ""),
    ({"message": "no stock", "error": {"name": "KeyError"}}, "no stock", "KeyError"),
    ({"message": "no stock", "exc_info": "Traceback"}, "no stock", "Traceback"),
])
def test_messages_and_exceptions_are_found_under_the_names_of_common_loggers(
    said: dict[str, object], message: str, exception: str
) -> None:
    line = line_of(NOW, "shop", json.dumps(said), FIELDS)
    assert (line.message, line.exception) == (message, exception)


def test_the_inventory_says_what_fields_are_called() -> None:
    fields = fields_of({"log_fields": {"status": "res.statusCode", "duration": "responseTime"}})
    assert fields == LogFields(status="res.statusCode", duration="responseTime")
    assert is_request('{"res": {"statusCode": 200}, "responseTime": 7}', fields)
    assert fields_of({}) == LogFields()


@pytest.mark.parametrize("given", [{"colour": "c"}, {"status": "a b"}, {"status": "x | stats count(*)"}])
def test_fields_that_are_none_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(Refused):
        fields_of({"log_fields": given})
