"""What logs say now and did not say before: messages reduced to their templates, and counted per stretch of time.

The templates are those of Drain (He et al., 2017; package drain3-improved) over messages in which what varies was masked.
Messages are somebody else's text: only patterns written here are matched against them, none is made of them, each is cut
before anything looks at it, and what varies without end (a random word a line) ends in a bounded number of templates.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from drain3.drain import Drain

LONGEST = 600
"""Characters of a message that are looked at: what tells one kind from another is at its beginning; a stack follows it."""
EXAMPLE = 300
"""Characters of an example that are kept."""
MOST_TEMPLATES = 500
"""Templates that are kept apart, since each message is held against many; an application has fewer. The least recently seen
give way to more and are counted together as `RARE`; seen again, they are taken for others."""
RARE = "(messages of kinds that were too many to keep apart)"
NEW, GONE, MORE, LESS, SAME = "new", "gone", "more", "less", "same"
KINDS = (NEW, MORE, GONE, LESS, SAME)
THRESHOLD = 3.0
"""Standard deviations of a count (Poisson) from which it is another."""
TIMES = 2.0
"""And at least twice as often: with many lines each wave is significant."""
LEAST = 3
"""A template seen once or twice is an accident of sampling."""

_MASKS = tuple((re.compile(pattern), f"<{name}>") for name, pattern in (
    ("EMAIL", r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"),
    ("UUID", r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"),
    ("TIME", r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"),
    ("IP", r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{1,5})?\b"),
    ("HEX", r"\b0x[0-9a-fA-F]{1,32}\b|\b(?=[0-9a-fA-F]{0,63}\d)(?=[0-9a-fA-F]{0,63}[a-fA-F])[0-9a-fA-F]{8,64}\b"),
    ("TOKEN", r"\b(?=[\w-]{0,200}\d)(?=[\w-]{0,200}[A-Za-z])[\w-]{20,200}\b"),
    ("NUM", r"(?<![\w.])-?\d{1,30}(?:\.\d{1,30})?(?=(?:ms|s|us|kB|KB|MB|GB|%)?(?:\W|$))"),
))
_ANSI = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|\x1b[@-Z\\-_]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Template:
    """A kind of message, before and after.

    :param text: what its messages have in common
    :param kind: new, more, gone, less, or same
    :param before, after: how often it was seen
    :param expected: how often it would have been seen after, had nothing changed
    :param surprise: what `after` is beyond that, in standard deviations
    :param example: the first message of it, of the later stretch where there is one; cut and without control characters
    """

    text: str
    kind: str
    before: int
    after: int
    expected: float
    surprise: float
    example: str


@dataclass
class _Miner:
    """Drain with what is counted of each of its clusters."""

    drain: Drain = field(default_factory=lambda: Drain(max_clusters=MOST_TEMPLATES))
    counts: dict[int, Counter[bool]] = field(default_factory=dict)
    examples: dict[int, tuple[bool, str]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)

    def add(self, message: str, later: bool) -> None:
        """Count a message."""
        cluster, _change = self.drain.add_log_message(masked(message))
        number = int(cluster.cluster_id)
        self.counts.setdefault(number, Counter())[later] += 1
        self.texts[number] = str(cluster.get_template())
        known = self.examples.get(number)
        if known is None or (later and not known[0]):
            self.examples[number] = (later, cleaned(message)[:EXAMPLE])
        if len(self.counts) > 2 * MOST_TEMPLATES:
            self.forget()

    def forget(self) -> None:
        """Count what Drain let go of together."""
        for number in [number for number in self.counts if number and number not in self.drain.id_to_cluster]:
            self.counts.setdefault(0, Counter()).update(self.counts.pop(number))
            self.texts[0], self.examples[0] = RARE, self.examples.pop(number)
            del self.texts[number]


def cleaned(message: str) -> str:
    """A message's beginning as it can be shown: no terminal sequences, no control characters, one line."""
    return " ".join(_CONTROL.sub(" ", _ANSI.sub("", message[:4 * LONGEST])).split())[:LONGEST]


def masked(message: str) -> str:
    """A message's beginning with numbers, addresses, identifiers and times replaced by what they are."""
    text = cleaned(message)
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return text


def compare_templates(
    before: Iterable[str], after: Iterable[str], before_seconds: float, after_seconds: float
) -> tuple[Template, ...]:
    """The kinds of messages of two stretches, what is new or more frequent first.

    :param before, after: messages in time order; the order decides which template a message joins, so it has to be the same
        each time for the same answer
    :param before_seconds, after_seconds: how long the stretches are that they were read over
    :raises ValueError: for a stretch of no length
    """
    if before_seconds <= 0 or after_seconds <= 0:
        raise ValueError("a stretch without length has no frequency")
    miner = _Miner()
    for message in before:
        miner.add(message, False)
    for message in after:
        miner.add(message, True)
    return judged(_merged(miner), after_seconds / before_seconds)


def judged(counts: Mapping[str, tuple[int, int, str]], ratio: float) -> tuple[Template, ...]:
    """Counts of templates as what they mean, the most surprising first.

    :param counts: before, after and an example by template
    :param ratio: the later stretch's length by the earlier one's
    """
    found = [_judged(text, before, after, example, ratio) for text, (before, after, example) in counts.items()]
    return tuple(sorted(found, key=lambda one: (KINDS.index(one.kind), -abs(one.surprise), one.text)))


def _judged(text: str, before: int, after: int, example: str, ratio: float) -> Template:
    """The counts of both stretches scatter as independent events do; each gets one more, so that 0 is not certain."""
    expected = before * ratio
    surprise = (after - expected) / math.sqrt(after + 1 + (before + 1) * ratio * ratio)
    kind = SAME
    if after >= LEAST and not before:
        kind = NEW
    elif before >= LEAST and not after and expected >= LEAST:
        kind = GONE
    elif abs(surprise) >= THRESHOLD and after >= TIMES * expected:
        kind = MORE
    elif abs(surprise) >= THRESHOLD and expected >= TIMES * after:
        kind = LESS
    return Template(text, kind, before, after, expected, surprise, example)


def _merged(miner: _Miner) -> dict[str, tuple[int, int, str]]:
    """Counts by template: clusters that grew into the same text are one."""
    merged: dict[str, tuple[int, int, str]] = {}
    for number, counted in miner.counts.items():
        text, (later, example) = miner.texts[number], miner.examples[number]
        before, after, known = merged.get(text, (0, 0, example))
        merged[text] = (before + counted[False], after + counted[True], example if later and not after else known)
    return merged
