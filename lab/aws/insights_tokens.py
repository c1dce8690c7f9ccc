"""The words of the Logs Insights query language.

Source: CloudWatch Logs user guide, "CloudWatch Logs Insights language query syntax".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<quoted>`[^`]+`)
  | (?P<period>\d+(?:ms|s|m|h|d|w)\b)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<name>[A-Za-z_@][\w@]*(?:\.[\w@]+|\[\d+\])*)
  | (?P<sign>=~|!=|<=|>=|[=<>+\-*/%^(),|\[\]])
    """,
    re.VERBOSE,
)
_REGEX = re.compile(r"/((?:[^/\\\n]|\\.)+)/([imsx]*)")
_AFTER_WHICH_A_REGEX = frozenset({"like", "=~", "@message", "parse"})


class MalformedQuery(ValueError):
    """A query that cannot be understood; `at` is where, in characters."""

    def __init__(self, message: str, at: int = 0, end: int | None = None) -> None:
        super().__init__(message)
        self.at = at
        self.end = at if end is None else end


@dataclass(frozen=True)
class Token:
    """One word: its kind (text, quoted, period, number, name, sign, regex, end), what it says, and where it stands."""

    kind: str
    value: str
    start: int
    end: int


def tokens_of(query: str) -> list[Token]:
    """The words of a query, with one of the kind `end` at the end; raises MalformedQuery."""
    found: list[Token] = []
    position, parsing = 0, False
    while position < len(query):
        expected = parsing or (bool(found) and found[-1].value.lower() in _AFTER_WHICH_A_REGEX)
        regex = _REGEX.match(query, position) if expected else None
        if regex:
            found.append(Token("regex", _python(regex[1], regex[2]), position, regex.end()))
            position, parsing = regex.end(), False
            continue
        match = _TOKEN.match(query, position)
        if not match:
            raise MalformedQuery(f"unexpected symbol found {query[position]} at line 1 and position {position}", position)
        kind, value = str(match.lastgroup), match.group()
        if kind != "space":
            found.append(Token(kind, _unquoted(kind, value), position, match.end()))
            # The expression that `parse` looks at may be anything before its regular expression.
            parsing = value.lower() == "parse" or (parsing and kind in ("name", "quoted"))
        position = match.end()
    return [*found, Token("end", "", len(query), len(query))]


def _unquoted(kind: str, value: str) -> str:
    if kind == "text":
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value[1:-1] if kind == "quoted" else value


def _python(pattern: str, flags: str) -> str:
    """A regular expression of Java's as Python writes it."""
    pattern = re.sub(r"\(\?<([A-Za-z_]\w*)>", r"(?P<\1>", pattern.replace("\\/", "/"))
    return f"(?{flags}){pattern}" if flags else pattern
