"""Metrics pages in Prometheus' text format: read strictly, and counters of two looks turned into rates.

Source: Prometheus, Exposition formats (text-based format). What is no sample is counted and told, never guessed at; a page
is somebody else's text, so that lines, labels and numbers are bounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LONGEST_LINE = 16_384
MOST_SAMPLES = 50_000
MOST_LABELS = 64

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|(?=}))')
_TYPE = re.compile(r"#\s*TYPE\s+([a-zA-Z_:][a-zA-Z0-9_:]*)\s+(counter|gauge|histogram|summary|untyped)\s*$")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|Inf|NaN)", re.IGNORECASE)
_UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}

Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Samples:
    """What a page holds.

    :param values: by name and sorted labels
    :param types: by the name of the family
    :param refused: how many lines are no samples, or are there twice
    :param example: the first of them, cut
    """

    values: Mapping[Key, float]
    types: Mapping[str, str] = field(default_factory=dict)
    refused: int = 0
    example: str = ""

    def counts(self, name: str) -> bool:
        """Whether a sample only ever grows: a counter, or the sum, count and buckets of a histogram or summary."""
        if name in self.types:
            return self.types[name] == "counter"
        family, _, part = name.rpartition("_")
        kind = self.types.get(family, "")
        return kind in ("histogram", "summary") and part in ("sum", "count", "bucket")


@dataclass(frozen=True)
class Rates:
    """What two looks at a page show.

    :param seconds: between them
    :param per_second: counters by name and labels
    :param gauges: the others, as they were at the second look
    :param reset: counters that went down in between: their process was started again
    """

    seconds: float
    per_second: Mapping[Key, float]
    gauges: Mapping[Key, float]
    reset: tuple[Key, ...] = ()

    def total(self, name: str, **labels: str) -> float | None:
        """The rate of a counter over all its series with these labels; None where there is none."""
        found = [value for (one, known), value in self.per_second.items()
                 if one == name and set(labels.items()) <= set(known)]
        return sum(found) if found else None


def parse_samples(text: str, truncated: bool = False) -> Samples:
    """Read a page.

    :param truncated: whether its end was cut off: then its last line is no sample
    """
    values: dict[Key, float] = {}
    types: dict[str, str] = {}
    refused, example = 0, ""
    lines = text.split("\n")
    for line in lines[:-1] if truncated else lines:
        stripped = line.strip()
        if stripped.startswith("#"):
            found = _TYPE.match(stripped[:LONGEST_LINE])
            types.update({found[1]: found[2]} if found else {})
        elif stripped:
            sample = _sample(stripped)
            if sample is None or sample[0] in values or len(values) >= MOST_SAMPLES:
                refused, example = refused + 1, example or stripped[:120]
            else:
                values[sample[0]] = sample[1]
    return Samples(values, types, refused, example)


def rates_between(first: Samples, second: Samples, seconds: float) -> Rates:
    """Counters as rates: one that went down was reset, and counts from 0 again; one that is new says nothing yet."""
    per_second: dict[Key, float] = {}
    gauges: dict[Key, float] = {}
    reset: list[Key] = []
    for key, value in second.values.items():
        if not second.counts(key[0]):
            gauges[key] = value
        elif key in first.values and seconds > 0 and math.isfinite(value) and math.isfinite(first.values[key]):
            grown = value - first.values[key]
            if grown < 0:
                reset.append(key)
                grown = value
            per_second[key] = grown / seconds
    return Rates(round(seconds, 3), per_second, gauges, tuple(reset))


def _sample(line: str) -> tuple[Key, float] | None:
    """Name with labels, and value; None for what is no sample."""
    name = _NAME.match(line[:LONGEST_LINE])
    if not name or len(line) > LONGEST_LINE:
        return None
    at = name.end()
    labels: tuple[tuple[str, str], ...] = ()
    if line[at:at + 1] == "{":
        found = _labels(line, at + 1)
        if found is None:
            return None
        labels, at = found
    words = line[at:].split()
    # A timestamp may follow, in milliseconds.
    if not 1 <= len(words) <= 2 or not all(_NUMBER.fullmatch(word) for word in words):
        return None
    return (name[0], labels), float(words[0])


def _labels(line: str, at: int) -> tuple[tuple[tuple[str, str], ...], int] | None:
    """The labels from behind the opening brace on, sorted, and where the closing one ends."""
    pairs: dict[str, str] = {}
    for found in _each_label(line, at):
        if found[1] in pairs or len(pairs) >= MOST_LABELS:
            return None
        pairs[found[1]] = re.sub(r'\\[\\"n]', lambda sign: _UNESCAPED[sign[0]], found[2])
        at = found.end()
    rest = line[at:].lstrip()
    if not rest.startswith("}"):
        return None
    return tuple(sorted(pairs.items())), len(line) - len(rest) + 1


def _each_label(line: str, at: int) -> Iterator[re.Match[str]]:
    while found := _LABEL.match(line, at):
        yield found
        at = found.end()
