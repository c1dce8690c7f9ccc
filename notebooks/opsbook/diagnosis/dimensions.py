"""Which property the additional failures have in common: a route, a version, a zone, a client, or two of them together.

Failures and requests are counted for each value of each dimension and of each pair in one query (GROUPING SETS). A group's
additional failures are those beyond its own rate before; their share of all additional failures says what it explains. One
that all requests belong to explains everything and tells nothing, so what ranks groups is by how much its share of the
additional failures exceeds its share of the requests (as Youden's J, 1950): 1 is a group that holds all of them and nothing
else, 0 one that is hit like everybody. The same works for latency, with milliseconds in the place of failures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import duckdb

EXPLAINS = 0.5
"""A group that holds less than half of what was added leaves more to be explained than it explains."""
POINTED = 0.3
"""The least J of an answer: below, the group is hit little more than everybody, or is nearly everybody. It is everywhere."""
BETTER = 0.1
"""What a pair of dimensions must add to the better of its two: the shorter answer is the better one (Occam)."""
SURE = 3.0
"""Standard deviations (Poisson) by which a group's failures exceed what was expected: no group of three requests wins."""
LEAST_RATE_WEIGHT = 20.0
"""Requests' worth of the whole's rate that a group's own rate before is mixed with: five requests before are no history."""


@dataclass(frozen=True)
class Tally:
    """Requests alike in all dimensions, in one of both stretches.

    :param dims: value by dimension; a dimension that is missing counts as ""
    :param amount: how many of them failed, or the sum of their milliseconds
    :param of: how many there were
    :param later: whether they are of the later stretch
    """

    dims: Mapping[str, str]
    amount: float
    of: float
    later: bool


@dataclass(frozen=True)
class Explanation:
    """A group of requests that would explain what was added.

    :param group: value by dimension, one or two of them
    :param share: of what was added, 0 to 1 (more than 1 where others fell)
    :param of_traffic: its share of the later stretch's requests
    :param pointed: Youden's J, see above
    :param before, after: its amount by request
    :param elsewhere: the amount by request of everybody else, after
    :param lift: `after` by `elsewhere`; None where nothing happens elsewhere
    """

    group: Mapping[str, str]
    share: float
    of_traffic: float
    pointed: float
    before: float
    after: float
    elsewhere: float
    lift: float | None

    def __str__(self) -> str:
        named = " and ".join(f"{name} {value or '(none)'}" for name, value in self.group.items())
        return f"{named}: {self.share:.0%} of what was added in {self.of_traffic:.0%} of the requests"


@dataclass(frozen=True)
class Explained:
    """What a jump has in common.

    :param added: failures (or milliseconds) beyond what the earlier rate would have brought
    :param explanations: groups that point somewhere, the best first; none where it is everywhere
    :param everywhere: whether there is a jump, and no group stands out
    :param jumped: whether there is anything to explain
    """

    added: float
    explanations: tuple[Explanation, ...]
    everywhere: bool
    jumped: bool


@dataclass(frozen=True)
class _Group:
    """Counts of a group: amounts and requests, before and after."""

    values: tuple[tuple[str, str], ...]
    before: float
    of_before: float
    after: float
    of_after: float


def explain(tallies: Iterable[Tally], dims: Sequence[str], counted: bool = True, most: int = 5) -> Explained:
    """What the additional failures of the later stretch have in common.

    :param dims: the dimensions to look at, at most twelve (pairs grow with the square)
    :param counted: amounts are counts of requests; False for milliseconds, whose scatter is not that of a count
    :param most: so many explanations
    :raises ValueError: for more dimensions, or none
    """
    if not 1 <= len(dims) <= 12 or len(set(dims)) != len(dims):
        raise ValueError("give one to twelve dimensions, each once")
    whole, groups = _counted(list(tallies), dims)
    rate = whole.before / whole.of_before if whole.of_before else 0.0
    added = whole.after - whole.of_after * rate
    if not whole.of_after or not whole.of_before or added <= 0 or (counted and not _sure(added, whole.after)):
        return Explained(max(added, 0.0), (), False, False)
    found = [one for group in groups if (one := _explanation(group, whole, rate, added, counted))]
    chosen = _shortest(found)
    return Explained(added, tuple(chosen[:most]), not chosen, True)


def _counted(tallies: Sequence[Tally], dims: Sequence[str]) -> tuple[_Group, list[_Group]]:
    """The sums of the whole, and of each value of each dimension and pair, in one query in memory.

    Names of dimensions are somebody else's text: the columns are numbered, and values are bound.
    """
    columns = [f"d{number}" for number in range(len(dims))]
    sets = ["()", *(f"({column})" for column in columns), *(f"({', '.join(pair)})" for pair in combinations(columns, 2))]
    selected = ", ".join([*columns, *(f"grouping({column}) AS g{column}" for column in columns)])
    bound = ", ".join(f"unnest(?) AS {column}" for column in (*columns, "amount", "requests", "later"))
    query = (
        f"SELECT {selected}, "
        "coalesce(sum(amount) FILTER (NOT later), 0), coalesce(sum(requests) FILTER (NOT later), 0), "
        "coalesce(sum(amount) FILTER (later), 0), coalesce(sum(requests) FILTER (later), 0) "
        f"FROM (SELECT {bound}) GROUP BY GROUPING SETS ({', '.join(sets)})"
    )
    values = [[str(tally.dims.get(dim, "")) for tally in tallies] for dim in dims]
    numbers = [[float(tally.amount) for tally in tallies], [float(tally.of) for tally in tallies],
               [tally.later for tally in tallies]]
    with duckdb.connect() as connection:
        rows = connection.execute(query, [*values, *numbers]).fetchall()
    groups = [_group(row, dims) for row in rows]
    whole = next((group for group in groups if not group.values), _Group((), 0.0, 0.0, 0.0, 0.0))
    return whole, [group for group in groups if group.values]


def _group(row: Sequence[object], dims: Sequence[str]) -> _Group:
    count = len(dims)
    named = zip(dims, row[:count], row[count:2 * count], strict=True)
    values = tuple((dim, str(value)) for dim, value, rolled in named if not rolled)
    before, of_before, after, of_after = (float(str(value)) for value in row[2 * count:])
    return _Group(values, before, of_before, after, of_after)


def _explanation(group: _Group, whole: _Group, rate: float, added: float, counted: bool) -> Explanation | None:
    """A group as an explanation; None where it is too small to tell, or does not point anywhere."""
    if not group.of_after:
        return None
    own = (group.before + LEAST_RATE_WEIGHT * rate) / (group.of_before + LEAST_RATE_WEIGHT)
    more = group.after - group.of_after * own
    others = whole.of_after - group.of_after
    elsewhere = (whole.after - group.after) / others if others else 0.0
    share, of_traffic = more / added, group.of_after / whole.of_after
    if share < EXPLAINS or share - of_traffic < POINTED or (counted and not _sure(more, group.after)):
        return None
    after = group.after / group.of_after
    return Explanation(dict(group.values), share, of_traffic, share - of_traffic, own, after, elsewhere,
                       after / elsewhere if elsewhere else None)


def _sure(more: float, after: float) -> bool:
    return more >= SURE * math.sqrt(after + 1)


def _shortest(found: Sequence[Explanation]) -> list[Explanation]:
    """The best first; a pair only where it says notably more than each of its two dimensions alone."""
    alone = {next(iter(one.group.items())): one.pointed for one in found if len(one.group) == 1}
    kept = [one for one in found if len(one.group) == 1
            or one.pointed >= BETTER + max(alone.get(item, 0.0) for item in one.group.items())]
    return sorted(kept, key=lambda one: (-round(one.pointed, 6), len(one.group), tuple(one.group.items())))
