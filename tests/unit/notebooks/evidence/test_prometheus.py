"""Metrics pages: strict reading, rates of counters, resets, and pages that mean harm."""

from __future__ import annotations

import pytest

from opsbook.evidence.prometheus import parse_samples, rates_between

PAGE = """# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{route="/a",status="200"} 100
http_requests_total{route="/a",status="500"} 3 1395066363000
# TYPE up gauge
up 1
# TYPE seconds histogram
seconds_bucket{le="+Inf"} 103
seconds_sum 5.5
seconds_count 103
"""


def test_reads_names_labels_values_and_types() -> None:
    samples = parse_samples(PAGE)
    assert samples.values["http_requests_total", (("route", "/a"), ("status", "500"))] == 3
    assert samples.values["up", ()] == 1
    assert samples.refused == 0
    assert [samples.counts(name) for name in ("http_requests_total", "up", "seconds_sum", "seconds_bucket")] == [
        True, False, True, True]


def test_counters_become_rates_and_gauges_stay() -> None:
    later = PAGE.replace("} 100", "} 160").replace("up 1", "up 0")
    rates = rates_between(parse_samples(PAGE), parse_samples(later), 10.0)
    assert rates.total("http_requests_total", status="200") == 6.0
    assert rates.total("http_requests_total") == 6.0
    assert rates.gauges["up", ()] == 0
    assert rates.reset == ()
    assert rates.total("unheard_of") is None


def test_a_counter_that_went_down_was_reset_and_counts_from_zero() -> None:
    rates = rates_between(parse_samples(PAGE), parse_samples(PAGE.replace("} 100", "} 20")), 10.0)
    assert rates.total("http_requests_total", status="200") == 2.0
    assert rates.reset == (("http_requests_total", (("route", "/a"), ("status", "200"))),)


def test_a_counter_that_is_new_says_nothing_yet() -> None:
    rates = rates_between(parse_samples(""), parse_samples(PAGE), 10.0)
    assert rates.per_second == {}


@pytest.mark.parametrize("line", [
    "no_value", 'a{b="c" 1', 'a{b="c"} one', "a 1 2 3", 'a{b="1",b="2"} 1', "1a 1", 'a{b=c} 1', "<script>alert(1)</script>",
    'a{b="' + "x" * 20_000 + '"} 1', "a{" + ",".join(f'l{number}="v"' for number in range(100)) + "} 1",
    "a " + "1" * 10_000 + "x",
    "a 0x1F", "a 1_000", "\x1b[31m 1",
])
def test_what_is_no_sample_is_counted_and_not_guessed_at(line: str) -> None:
    samples = parse_samples(f"good 1\n{line}\n")
    assert samples.values == {("good", ()): 1.0}
    assert samples.refused == 1
    assert len(samples.example) <= 120


@pytest.mark.parametrize(("line", "value"), [
    ('a{b="say \\"hi\\"\\n\\\\"} 1', 'say "hi"\n\\'), ('a{ b = "c" , } 1', "c"), ('a{b="}"} 1', "}"), ('a{b=""} 1', ""),
])
def test_labels_are_unescaped(line: str, value: str) -> None:
    [(_name, labels)] = parse_samples(line).values
    assert labels == (("b", value),)


def test_a_sample_that_is_there_twice_counts_once() -> None:
    samples = parse_samples("a 1\na 2\n")
    assert (samples.values["a", ()], samples.refused) == (1.0, 1)


def test_the_last_line_of_a_page_that_was_cut_is_left_out() -> None:
    assert parse_samples("a 1\nb 12", truncated=True).values == {("a", ()): 1.0}
