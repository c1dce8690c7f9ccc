"""From a Logs Insights query to commands: each expression becomes a function of a row.

Understood: fields, display, filter, parse, stats, sort, limit and dedup, with the functions of insights_values. What is not
understood is malformed: a query that the lab cannot evaluate must not look as if it found nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lab.aws.insights_expressions import Expression, Expressions
from lab.aws.insights_tokens import MalformedQuery

AGGREGATES: Mapping[str, tuple[int, int]] = {
    "avg": (1, 1), "count": (0, 1), "count_distinct": (1, 1), "earliest": (1, 1), "latest": (1, 1), "max": (1, 1),
    "median": (1, 1), "min": (1, 1), "pct": (2, 2), "percentile": (2, 2), "stddev": (1, 1), "sum": (1, 1),
    "sortsfirst": (1, 1), "sortslast": (1, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Named:
    """An expression and what its result is called; `aggregate` names the function of `stats`, if it is one."""

    name: str
    value: Expression
    aggregate: str = ""
    rank: float = 0.0


@dataclass(frozen=True)
class Command:
    """One command between two bars: what it is called, its expressions, and what else it says."""

    verb: str
    items: tuple[Named, ...] = ()
    by: tuple[Named, ...] = ()
    descending: tuple[bool, ...] = ()
    number: int = 0
    pattern: re.Pattern[str] | None = None
    names: tuple[str, ...] = ()


class Grammar(Expressions):
    """Reads the commands of one query."""

    def commands(self) -> list[Command]:
        """All commands; raises MalformedQuery."""
        found = [self._command()]
        while self._take("|"):
            found.append(self._command())
        if self._next.kind != "end":
            raise self._unexpected()
        return found

    # --- commands ----------------------------------------------------------------------------------------------------

    def _command(self) -> Command:
        verb = self._next.value.lower()
        read = {
            "dedup": self._dedup, "display": self._fields, "fields": self._fields, "filter": self._filter,
            "limit": self._limit, "head": self._limit, "parse": self._parse, "sort": self._sort, "stats": self._stats,
        }.get(verb)  # fmt: skip
        if read is None or self._next.kind != "name":
            raise self._unexpected()
        self._position += 1
        return read(verb)

    def _fields(self, verb: str) -> Command:
        return Command(verb, tuple(self._list(self._named)))

    def _dedup(self, verb: str) -> Command:
        return Command(verb, tuple(self._list(self._named)))

    def _filter(self, verb: str) -> Command:
        return Command(verb, (Named("", self._either()),))

    def _limit(self, verb: str) -> Command:
        if self._next.kind != "number" or "." in self._next.value:
            raise self._unexpected()
        return Command("limit", number=int(self._advance().value))

    def _sort(self, verb: str) -> Command:
        items: list[Named] = []
        down: list[bool] = []
        while True:
            items.append(self._named())
            word = self._next.value.lower() if self._next.kind == "name" else ""
            if word in ("asc", "desc"):
                self._position += 1
            down.append(word == "desc")
            if not self._take(","):
                return Command("sort", tuple(items), descending=tuple(down))

    def _stats(self, verb: str) -> Command:
        items = tuple(self._list(self._aggregate))
        by: tuple[Named, ...] = ()
        if self._word("by"):
            by = tuple(self._list(self._named))
        return Command("stats", items, by)

    def _parse(self, verb: str) -> Command:
        source = Named("", (lambda row: row.get("@message")))
        if self._next.kind not in ("text", "regex"):
            source = Named("", self._primary())
        pattern = self._advance()
        if pattern.kind == "regex":
            compiled = self._compiled(pattern)
            return Command("parse", (source,), pattern=compiled, names=tuple(compiled.groupindex))
        if pattern.kind != "text":
            raise self._unexpected(pattern)
        self._expect_word("as")
        names = tuple(self._list(self._alias))
        if len(names) != pattern.value.count("*"):
            raise MalformedQuery(f"parse has {pattern.value.count('*')} wildcards and {len(names)} names", pattern.start)
        return Command("parse", (source,), pattern=glob(pattern.value), names=names)

    # --- lists and names ---------------------------------------------------------------------------------------------

    def _named(self) -> Named:
        start = self._next.start
        value = self._either()
        name = self._said(start)
        return Named(self._alias() if self._word("as") else name, value)

    def _aggregate(self) -> Named:
        start, function = self._next.start, self._next.value.lower()
        if self._next.kind != "name" or function not in AGGREGATES:
            raise self._unexpected()
        self._position += 1
        arguments = self._arguments(function)
        low, high = AGGREGATES[function]
        if not low <= len(arguments) <= high:
            raise MalformedQuery(f"invalid number of arguments for function {function}", start)
        name = self._said(start)
        alias = self._alias() if self._word("as") else name
        rank = float(arguments[1]({}) or 0) if len(arguments) > 1 else 0.0
        return Named(alias, arguments[0] if arguments else (lambda row: True), function, rank)

    def _alias(self) -> str:
        if self._next.kind not in ("name", "quoted"):
            raise self._unexpected()
        return self._advance().value

    def _said(self, start: int) -> str:
        """The words of the query from a place to here: what a result is called unless it is given a name."""
        return " ".join(self._query[start : self._tokens[self._position - 1].end].split()).strip("`")


def glob(pattern: str) -> re.Pattern[str]:
    """A pattern of `parse` with wildcards: each takes as little as it can, the last one at the end all that is left."""
    parts = [re.escape(part) for part in pattern.split("*")]
    text_of = "(.*?)".join(parts)
    return re.compile(re.sub(r"\(\.\*\?\)$", "(.*)", text_of), re.DOTALL)
