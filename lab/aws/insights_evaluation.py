"""Carries out the commands of a Logs Insights query on events."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import pairwise
from zlib import crc32

from lab.aws.insights_expressions import Row, true
from lab.aws.insights_grammar import Command, Named
from lab.aws.insights_tokens import MalformedQuery
from lab.aws.insights_values import Value, compare, number, text

MOST_ROWS = 10_000
_POINTER = "@ptr"


@dataclass(frozen=True)
class Result:
    """What a query found: rows of fields in the order of the columns, and how many events its filters let pass."""

    rows: list[list[tuple[str, str]]]
    matched: int


def evaluate(commands: Sequence[Command], events: Iterable[Row]) -> Result:
    """The result of the commands on events, each of which has @timestamp, @message and @ptr; raises MalformedQuery."""
    _check(commands)
    rows, matched = list(events), 0
    grouped, ordered, limit = False, False, MOST_ROWS
    for command in commands:
        if command.verb == "stats":
            matched, grouped, ordered = matched if grouped else len(rows), True, False
        rows = _DO[command.verb](command, rows)
        ordered = ordered or command.verb == "sort"
        if command.verb == "limit":
            limit = min(limit, command.number)
    matched = matched if grouped else len(rows)
    if not grouped and not ordered:
        rows.sort(key=lambda row: text(row.get("@timestamp")), reverse=True)
    columns = _columns(commands)
    shown = [*columns, *(() if grouped else (_POINTER,))]
    return Result([_shown(row, shown) for row in rows[:limit]], matched)


def _check(commands: Sequence[Command]) -> None:
    """A limit is the last word but for what is displayed: AWS refuses what would follow it."""
    for earlier, later in pairwise(commands):
        if earlier.verb == "limit" and later.verb not in ("display", "limit"):
            raise MalformedQuery(f"{later.verb} cannot follow limit")
    if any(command.number > MOST_ROWS for command in commands):
        raise MalformedQuery(f"a limit is at most {MOST_ROWS}")


def _shown(row: Row, columns: Sequence[str]) -> list[tuple[str, str]]:
    """A row as results have it: what an event lacks is left out."""
    return [(name, text(value)) for name in columns if (value := row.get(name)) is not None]


def _columns(commands: Sequence[Command]) -> list[str]:
    shown: list[str] = []
    for command in commands:
        names = [item.name for item in command.items]
        if command.verb == "display":
            return names
        if command.verb == "stats":
            shown = [*(item.name for item in command.by), *names]
        elif command.verb == "fields":
            shown += names
        elif command.verb == "parse" and any(each.verb == "fields" for each in commands):
            shown += command.names
    return list(dict.fromkeys(shown)) or ["@timestamp", "@message"]


# --- commands --------------------------------------------------------------------------------------------------------


def _fields(command: Command, rows: list[Row]) -> list[Row]:
    for row in rows:
        found = {item.name: item.value(row) for item in command.items}
        row.update({name: value for name, value in found.items() if value is not None})
    return rows


def _filter(command: Command, rows: list[Row]) -> list[Row]:
    return [row for row in rows if true(command.items[0].value(row))]


def _parse(command: Command, rows: list[Row]) -> list[Row]:
    for row in rows:
        source = command.items[0].value(row)
        match = command.pattern.search(text(source)) if command.pattern and source is not None else None
        if match:
            row.update(zip(command.names, map(_typed, match.groups()), strict=True))
    return rows


def _typed(value: str | None) -> Value:
    """A part of a text: a number where it looks like one."""
    found = number(value)
    return value if found is None or value is None or not value.strip() else found


def _sort(command: Command, rows: list[Row]) -> list[Row]:
    def order(first: Row, second: Row) -> int:
        for item, down in zip(command.items, command.descending, strict=True):
            left, right = item.value(first), item.value(second)
            if left is None or right is None:
                # What lacks the field comes last, either way.
                if (left is None) != (right is None):
                    return 1 if left is None else -1
            elif not compare(left, "=", right):
                return (-1 if compare(left, "<", right) else 1) * (-1 if down else 1)
        return 0

    return sorted(rows, key=cmp_to_key(order))


def _dedup(command: Command, rows: list[Row]) -> list[Row]:
    """The first row of each combination; rows that lack one of the fields are all kept."""
    newest = sorted(rows, key=lambda row: text(row.get("@timestamp")), reverse=True)
    seen: set[tuple[str, ...]] = set()
    kept = []
    for row in newest:
        values = [item.value(row) for item in command.items]
        key = tuple(map(text, values))
        if None in values or key not in seen:
            kept.append(row)
            seen.add(key)
    return kept


def _stats(command: Command, rows: list[Row]) -> list[Row]:
    groups: dict[tuple[Value, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(item.value(row) for item in command.by), []).append(row)
    if not groups and not command.by:
        groups[()] = []
    found = []
    for key, members in groups.items():
        grouped: Row = {item.name: value for item, value in zip(command.by, key, strict=True) if value is not None}
        for item in command.items:
            grouped[item.name] = _aggregated(item, members)
        found.append(grouped)
    # AWS gives groups in no particular order; a client that relies on one must fail here as well.
    return sorted(found, key=lambda row: crc32(repr(row).encode()))


# --- aggregates ------------------------------------------------------------------------------------------------------


def _aggregated(item: Named, rows: Sequence[Row]) -> Value:
    values = [item.value(row) for row in rows]
    present = [value for value in values if value is not None]
    if item.aggregate == "count":
        return float(len(present))
    if item.aggregate == "count_distinct":
        return float(len({text(value) for value in present}))
    if item.aggregate in ("earliest", "latest"):
        timed = [(text(row.get("@timestamp")), value) for row, value in zip(rows, values, strict=True) if value is not None]
        pick = min if item.aggregate == "earliest" else max
        return pick(timed, key=lambda pair: pair[0])[1] if timed else None
    if item.aggregate in ("sortsfirst", "sortslast"):
        return (min if item.aggregate == "sortsfirst" else max)(map(text, present), default=None)
    numbers = [each for each in map(number, present) if each is not None]
    if not numbers and item.aggregate in ("min", "max"):
        return (min if item.aggregate == "min" else max)(map(text, present), default=None)
    return _of_numbers(item, numbers)


def _of_numbers(item: Named, numbers: list[float]) -> Value:
    if item.aggregate == "sum":
        return math.fsum(numbers)
    if not numbers:
        return None
    if item.aggregate in ("pct", "percentile"):
        return _percentile(numbers, item.rank)
    return float(_NUMERIC[item.aggregate](numbers))


_NUMERIC: Mapping[str, Callable[[list[float]], float]] = {
    "avg": statistics.fmean, "max": max, "median": statistics.median, "min": min, "stddev": statistics.pstdev,
}  # fmt: skip


def _percentile(numbers: list[float], rank: float) -> float:
    """By nearest rank; AWS does not say how it interpolates."""
    ordered = sorted(numbers)
    return ordered[max(0, math.ceil(rank / 100 * len(ordered)) - 1)]


_DO: Mapping[str, Callable[[Command, list[Row]], list[Row]]] = {
    "dedup": _dedup, "display": _fields, "fields": _fields, "filter": _filter, "limit": lambda command, rows: rows,
    "parse": _parse, "sort": _sort, "stats": _stats,
}  # fmt: skip
