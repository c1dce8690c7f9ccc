"""Filter patterns of FilterLogEvents."""

from __future__ import annotations

import pytest

from lab.aws.filter_patterns import BadPattern, pattern_of

ERROR = '{"level":"ERROR","status":500,"path":"/orders/1","user":{"id":7},"tags":["a"],"ok":false,"by":null}'
PLAIN = "2026-11-20 ERROR [main] order 42 failed: time-out"


@pytest.mark.parametrize(("pattern", "message", "matches"), [
    ("", PLAIN, True), ("ERROR", PLAIN, True), ("error", PLAIN, False), ("ERROR failed", PLAIN, True),
    ("ERROR served", PLAIN, False), ('"order 42"', PLAIN, True), ('"time-out"', PLAIN, True),
    ("ERROR -failed", PLAIN, False), ("-served", PLAIN, True), ("?served ?failed", PLAIN, True),
    ("?served ?sent", PLAIN, False),
    ("ERROR ?sent", PLAIN, True), ("%order [0-9]+ failed%", PLAIN, True), ("%^order%", PLAIN, False),
    ("{ $.status = 500 }", ERROR, True), ("{ $.status >= 400 && $.level = \"ERROR\" }", ERROR, True),
    ("{ $.status < 500 || $.user.id = 7 }", ERROR, True), ("{ $.status != 500 }", ERROR, False),
    ("{ ($.status = 404) || ($.level = WARN) }", ERROR, False), ("{ $.path = \"/orders/*\" }", ERROR, True),
    ("{ $.path = %orders/[0-9]$% }", ERROR, True), ("{ $.tags[0] = \"a\" }", ERROR, True),
    ("{ $.missing NOT EXISTS }", ERROR, True), ("{ $.missing = 1 }", ERROR, False), ("{ $.ok IS FALSE }", ERROR, True),
    ("{ $.by IS NULL }", ERROR, True), ("{ $.status = 500 }", PLAIN, False), ("{ $.missing != \"x\" }", ERROR, False),
])  # fmt: skip
def test_a_pattern_matches(pattern: str, message: str, matches: bool) -> None:
    assert pattern_of(pattern)(message) is matches


@pytest.mark.parametrize("pattern", [
    "[ip, user]", "time-out", "{ $.a }", "{ $.a = }", "{ ($.a = 1 }", "%(%", "{ $.a > \"x\" }", "{ a = 1 }", "{ $.a IS x }",
])  # fmt: skip
def test_what_is_not_understood_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        pattern_of(pattern)
