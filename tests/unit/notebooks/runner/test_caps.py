"""How much of a cell's output is kept."""

from __future__ import annotations

from typing import Any

import pytest

from opsbook.runner import caps
from opsbook.runner.caps import FINDINGS, Allowance, cut_data, cut_lines, plain
from opsbook.runner.kept import tidy
from opsbook.runner.scrub import Scrubber


def printed(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"msg_type": "stream", "content": {"name": name, "text": text}}


def shown(**data: Any) -> dict[str, Any]:
    return {"msg_type": "display_data", "content": {"data": data, "metadata": {}}}


def kept(messages: list[dict[str, Any]], secrets: dict[str, str] | None = None) -> list[Any]:
    scrubber = Scrubber(secrets or {})
    allowance, outputs = Allowance(scrubber.margin), []
    for message in messages:
        if allowance.takes(outputs, message):
            outputs.append({"output_type": message["msg_type"], **message["content"]})
    return tidy(outputs, allowance, scrubber)


@pytest.mark.parametrize(("text", "clean"), [
    ("\x1b[31mred\x1b[0m", "red"), ("\x1b]0;title\x07x", "x"), ("\x1b]8;;http://x\x1b\\link", "link"), ("a\rb", "a\nb"),
    ("a\r\nb", "a\nb"), ("\x00\x08", "\N{REPLACEMENT CHARACTER}" * 2), ("\x9b2J", "\N{REPLACEMENT CHARACTER}2J"),
    ("caf\udce9", "caf\N{REPLACEMENT CHARACTER}"), ("\x1b", ""), ("tab\tline\n", "tab\tline\n"), ("\x1bPdata\x1b\\x", "x"),
])
def test_nothing_that_moves_a_cursor_is_left(text: str, clean: str) -> None:
    assert plain(text) == clean


def test_streams_are_joined_and_cut_with_a_note() -> None:
    (output,) = kept([printed("x" * 1000 + "\n") for _n in range(200)])

    assert len(output["text"]) < caps.STREAM + 100
    assert output["text"].endswith(f"... {200 * 1001 - caps.STREAM:,} more characters are not kept\n")


def test_a_secret_in_the_seam_of_two_messages_or_in_colour_is_found() -> None:
    (output,) = kept([printed("hun"), printed("ter2-can"), printed("ary \x1b[31mhunter2\x1b[0m-canary")],
                     {"token": "hunter2-canary"})

    assert output["text"] == "[secret] [secret]"


@pytest.mark.parametrize("before", range(-16, 17))
def test_no_part_of_a_secret_is_left_where_text_is_cut(before: int) -> None:
    secret = "hunter2-canary-0123"
    (output,) = kept([printed("x" * (caps.STREAM + before)), printed(secret * 9)], {"token": secret})

    assert secret[:5] not in output["text"]


def test_long_lines_are_cut_and_short_ones_stay() -> None:
    assert cut_lines("short\n" + "x" * 5000).split("\n") == ["short", "x" * 4000 + " ... 1,000 more characters are not kept"]


def test_outputs_beyond_the_most_are_counted() -> None:
    outputs = kept([shown(**{"text/plain": str(number)}) for number in range(caps.OUTPUTS + 5)])

    assert len(outputs) == caps.OUTPUTS + 1
    assert "5 more outputs" in outputs[-1]["text"]


def test_the_conclusion_is_kept_however_much_was_put_out_before() -> None:
    outputs = kept([*(shown(**{"text/plain": "x"}) for _n in range(200)), shown(**{FINDINGS: {"verdict": "suspects"}})])

    assert any(FINDINGS in output.get("data", {}) for output in outputs)


def test_forms_that_no_reader_has_are_left_out() -> None:
    data = {"application/javascript": "alert()", "text/plain": "x" * 200_000, "text/html": "y" * 600_000}
    notes = cut_data(data)

    assert list(data) == ["text/plain"]
    assert len(data["text/plain"]) < 100_100
    assert notes == ["text/html of 600,000 characters is not kept; 500,000 are the most"]
