"""Expressions of Logs Insights: each becomes a function of a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from lab.aws.insights_tokens import MalformedQuery, Token, tokens_of
from lab.aws.insights_values import FUNCTIONS, Value, calculate, compare, period, text

Row = dict[str, Value]
Expression = Callable[[Row], Value]
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")


class Expressions:
    """Reads the expressions of one query, word by word."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = tokens_of(query)
        self._position = 0

    def _either(self) -> Expression:
        found = self._both()
        while self._word("or"):
            found = _or(found, self._both())
        return found

    def _both(self) -> Expression:
        found = self._negated()
        while self._word("and"):
            found = _and(found, self._negated())
        return found

    def _negated(self) -> Expression:
        if self._word("not"):
            inner = self._negated()
            return lambda row: not true(inner(row))
        return self._compared()

    def _compared(self) -> Expression:
        left = self._sum()
        if self._next.kind == "sign" and self._next.value in _COMPARISONS:
            sign = self._advance().value
            right = self._sum()
            return lambda row: compare(left(row), sign, right(row))
        if self._next.kind == "sign" and self._next.value == "=~":
            self._position += 1
            return self._matched(left)
        negated = self._word("not")
        if self._word("like"):
            return _negation(self._matched(left), negated)
        if self._word("in"):
            return _negation(self._listed(left), negated)
        if negated:
            raise self._unexpected()
        return left

    def _matched(self, left: Expression) -> Expression:
        pattern = self._advance()
        if pattern.kind == "text":
            return lambda row: pattern.value in text(left(row))
        if pattern.kind != "regex":
            raise self._unexpected(pattern)
        compiled = self._compiled(pattern)
        return lambda row: compiled.search(text(left(row))) is not None

    def _compiled(self, pattern: Token) -> re.Pattern[str]:
        try:
            return re.compile(pattern.value)
        except re.error as error:
            raise MalformedQuery(f"invalid regular expression: {error}", pattern.start, pattern.end) from error

    def _listed(self, left: Expression) -> Expression:
        self._expect("[")
        among: list[Expression] = self._list(self._sum)
        self._expect("]")
        return lambda row: any(compare(left(row), "=", each(row)) for each in among)

    def _sum(self) -> Expression:
        return self._series(("+", "-"), self._product)

    def _product(self) -> Expression:
        return self._series(("*", "/", "%"), self._power)

    def _power(self) -> Expression:
        return self._series(("^",), self._signed)

    def _series(self, signs: Sequence[str], read: Callable[[], Expression]) -> Expression:
        found = read()
        while self._next.kind == "sign" and self._next.value in signs:
            found = _calculation(found, self._advance().value, read())
        return found

    def _signed(self) -> Expression:
        if self._take("-"):
            inner = self._signed()
            return lambda row: calculate(0.0, "-", inner(row))
        return self._primary()

    def _primary(self) -> Expression:
        token = self._next
        if self._take("("):
            inner = self._either()
            self._expect(")")
            return inner
        if token.kind == "number":
            given = float(self._advance().value)
            return lambda row: given
        if token.kind == "text":
            said = self._advance().value
            return lambda row: said
        if token.kind == "period":
            length = float(period(self._advance().value))
            return lambda row: length
        if token.kind not in ("name", "quoted"):
            raise self._unexpected()
        self._position += 1
        if token.kind == "name" and self._next.value == "(":
            return self._call(token)
        name = re.sub(r"\[(\d+)\]", r".\1", token.value)
        return lambda row: row.get(name)

    def _call(self, token: Token) -> Expression:
        name = token.value.lower()
        if name not in FUNCTIONS:
            raise MalformedQuery(f"unknown function {token.value}", token.start, token.end)
        arguments = self._arguments(name)
        if name == "bin" and len(arguments) == 1:
            arguments.insert(0, lambda row: row.get("@timestamp"))
        low, high, function = FUNCTIONS[name]
        if not low <= len(arguments) <= high:
            raise MalformedQuery(f"invalid number of arguments for function {token.value}", token.start, token.end)
        return lambda row: function([argument(row) for argument in arguments])

    def _list(self, read: Callable[[], Any]) -> list[Any]:
        found = [read()]
        while self._take(","):
            found.append(read())
        return found

    def _arguments(self, function: str) -> list[Expression]:
        self._expect("(")
        if self._take(")") or (function == "count" and self._take("*") and self._expect(")")):
            return []
        arguments: list[Expression] = self._list(self._either)
        self._expect(")")
        return arguments

    # --- words -------------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> Token:
        return self._tokens[self._position]

    def _advance(self) -> Token:
        token = self._next
        if token.kind == "end":
            raise self._unexpected()
        self._position += 1
        return token

    def _take(self, sign: str) -> bool:
        found = self._next.kind == "sign" and self._next.value == sign
        self._position += found
        return found

    def _expect(self, sign: str) -> bool:
        if not self._take(sign):
            raise self._unexpected()
        return True

    def _word(self, word: str) -> bool:
        found = self._next.kind == "name" and self._next.value.lower() == word
        self._position += found
        return found

    def _expect_word(self, word: str) -> None:
        if not self._word(word):
            raise self._unexpected()

    def _unexpected(self, token: Token | None = None) -> MalformedQuery:
        token = token or self._next
        said = f"unexpected symbol found {token.value}" if token.kind != "end" else "unexpected end of the query"
        return MalformedQuery(f"{said} at line 1 and position {token.start}", token.start, token.end)


def true(value: Value) -> bool:
    """Whether a filter lets a row with this result pass."""
    return value is True or (isinstance(value, float | int) and value != 0)


def _or(left: Expression, right: Expression) -> Expression:
    return lambda row: true(left(row)) or true(right(row))


def _and(left: Expression, right: Expression) -> Expression:
    return lambda row: true(left(row)) and true(right(row))


def _negation(inner: Expression, negated: bool) -> Expression:
    return (lambda row: not true(inner(row))) if negated else inner


def _calculation(left: Expression, sign: str, right: Expression) -> Expression:
    return lambda row: calculate(left(row), sign, right(row))
