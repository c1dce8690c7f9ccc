"""Log templates: what is new, gone or more frequent, whatever the messages hold."""

from __future__ import annotations

import random

import pytest

from opsbook.diagnosis.templates import (
    EXAMPLE,
    GONE,
    LESS,
    LONGEST,
    MORE,
    MOST_TEMPLATES,
    NEW,
    RARE,
    SAME,
    cleaned,
    compare_templates,
    masked,
)

HOUR = 3600.0


def orders(count: int) -> list[str]:
    return [f"order {number} of customer {number * 7} placed in {number % 90}ms" for number in range(count)]


def refused(count: int) -> list[str]:
    return [f"could not reach payment provider at 10.0.{number % 250}.7:443 after {number}ms" for number in range(count)]


def kinds(before: list[str], after: list[str], before_seconds: float = HOUR, after_seconds: float = HOUR) -> dict[str, str]:
    return {one.text: one.kind for one in compare_templates(before, after, before_seconds, after_seconds)}


@pytest.mark.parametrize(("message", "expected"), [
    ("user 12 paid 3.50 in 17ms", "user <NUM> paid <NUM> in <NUM>ms"),
    ("request 0f8fad5b-d9cb-469f-a165-70867728950e failed", "request <UUID> failed"),
    ("from 192.168.1.17:8080 to ada@example.org", "from <IP> to <EMAIL>"),
    ("at 2026-11-21T08:00:00.123Z: ready", "at <TIME>: ready"),
    ("trace 1a2b3c4d5e6f7a8b key 0xFF", "trace <HEX> key <HEX>"),
    ("session sess_9fKq2LmN8pQrS7tUvWx1 ended", "session <TOKEN> ended"),
    ("HTTP v2 of utf8 stays", "HTTP v2 of utf8 stays"),
    ("", ""),
])
def test_what_varies_is_masked_and_what_it_says_stays(message: str, expected: str) -> None:
    assert masked(message) == expected


def test_a_new_kind_of_message_comes_first_with_an_example() -> None:
    found = compare_templates(orders(200), [*orders(200), *refused(20)], HOUR, HOUR)
    first = found[0]
    assert (first.kind, first.before, first.after) == (NEW, 0, 20)
    assert "could not reach payment provider" in first.text
    assert first.example == refused(1)[0]
    assert found[1].kind == SAME


@pytest.mark.parametrize(("before", "after", "before_seconds", "kind"), [
    pytest.param(10, 60, HOUR, MORE, id="six times as often"),
    pytest.param(60, 10, HOUR, LESS, id="a sixth"),
    pytest.param(60, 0, HOUR, GONE, id="not any more"),
    pytest.param(180, 60, 3 * HOUR, SAME, id="as often, of a baseline three times as long"),
    pytest.param(60, 60, 3 * HOUR, MORE, id="as many in a third of the time"),
    pytest.param(1000, 1200, HOUR, SAME, id="a fifth more, though many"),
    pytest.param(1, 4, HOUR, SAME, id="four where there was one"),
    pytest.param(0, 2, HOUR, SAME, id="two where there was none"),
    pytest.param(0, 3, HOUR, NEW, id="three where there was none"),
    pytest.param(2, 0, HOUR, SAME, id="two that did not come again"),
])
def test_counts_are_compared_by_the_length_of_their_stretches(
    before: int, after: int, before_seconds: float, kind: str
) -> None:
    assert set(kinds(refused(before), refused(after), before_seconds).values()) == {kind}


def test_the_same_messages_give_the_same_answer() -> None:
    before, after = [*orders(50), *refused(3)], [*refused(40), *orders(70)]
    assert compare_templates(before, after, HOUR, HOUR) == compare_templates(before, after, HOUR, HOUR)


@pytest.mark.parametrize("length", [0, -1])
def test_a_stretch_of_no_length_has_no_frequencies(length: float) -> None:
    with pytest.raises(ValueError, match="without length"):
        compare_templates([], [], length, HOUR)


HOSTILE = [
    "<script>alert(1)</script> {0} %s ${x} \\1 (?P<a>.*)+$ [[[",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x00\x9b31m bell\x07",
    "<*> <NUM> <:*:> <*>",
    "\ud800 lone surrogate \u202e turned",
    "a" * 10_000_000,
    "1a-" * 3_000_000,
    " ".join(["x@y"] * 1_000_000),
    "a.b@" * 1_000_000,
    "",
    "\n\n\r\n\t",
]


def test_hostile_messages_are_counted_cut_and_defused() -> None:
    found = compare_templates(HOSTILE, [message for message in HOSTILE for _time in range(3)], HOUR, HOUR)
    assert sum(one.before for one in found) == len(HOSTILE)
    assert sum(one.after for one in found) == 3 * len(HOSTILE)
    for one in found:
        assert len(one.example) <= EXAMPLE
        assert len(one.text) <= 2 * LONGEST
        assert one.example.isprintable() or "\u202e" in one.example
        assert "\x1b" not in one.example


def test_terminal_sequences_and_lines_do_not_survive() -> None:
    assert cleaned("\x1b[31mred\x1b[0m\r\nnext\x07") == "red next"


def test_messages_that_are_all_different_end_in_a_bounded_number_of_templates() -> None:
    drawn = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    lines = [" ".join("".join(drawn.choices(letters, k=6)) for _word in range(20)) for _line in range(4 * MOST_TEMPLATES)]
    found = compare_templates([], lines, HOUR, HOUR)
    assert len(found) <= 2 * MOST_TEMPLATES + 1
    assert sum(one.after for one in found) == len(lines)
    assert RARE in {one.text for one in found}
