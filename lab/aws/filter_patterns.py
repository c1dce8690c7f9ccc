"""Filter patterns of FilterLogEvents: terms, quoted phrases, alternatives, exclusions, regular expressions, and JSON.

Source: CloudWatch Logs user guide, "Filter pattern syntax for metric filters, subscription filters, filter log events, and
Live Tail". Patterns for space-delimited events ([ip, user, ...]) are refused: the lab does not know them.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable
from typing import Any

from lab.aws.insights_values import number

Matches = Callable[[str], bool]
_TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|%((?:[^%\\]|\\.)+)%|([^\s"]+))')
_WORD = re.compile(
    r'\s*(?:(?P<sign>&&|\|\||\(|\)|!=|>=|<=|=|<|>)|(?P<path>\$(?:\.[\w@-]+|\[\d+\]|\["[^"]+"\])*)|'
    r'"(?P<text>(?:[^"\\]|\\.)*)"|%(?P<regex>(?:[^%\\]|\\.)+)%|(?P<word>[\w.*@:/-]+))'
)
_ABSENT = object()


class BadPattern(ValueError):
    """A pattern that cannot be understood."""


def pattern_of(pattern: str | None) -> Matches:
    """Which messages a pattern matches; all without one. Raises BadPattern."""
    stripped = (pattern or "").strip()
    if not stripped:
        return lambda message: True
    if stripped.startswith("{") and stripped.endswith("}"):
        return _Json(stripped[1:-1]).matches()
    if stripped.startswith("["):
        raise BadPattern("the lab does not know patterns for space-delimited events")
    return _terms(stripped)


def _terms(pattern: str) -> Matches:
    needed: list[Matches] = []
    one_of: list[Matches] = []
    excluded: list[Matches] = []
    position = 0
    while position < len(pattern):
        match = _TERM.match(pattern, position)
        if not match:
            raise BadPattern(f"invalid character(s) in term {pattern[position:]!r}")
        sign, quoted, regex, word = match.groups()
        if word is not None and not re.fullmatch(r"[\w.*]+", word):
            # A term with other characters must be in quotation marks.
            raise BadPattern(f"invalid character(s) in term {word!r}")
        test = _regex(regex) if regex is not None else _contains(_unescaped(quoted) if quoted is not None else word)
        {"": needed, "?": one_of, "-": excluded}[sign].append(test)
        position = match.end()
        if not pattern[position:].strip():
            break
    return lambda message: (
        all(test(message) for test in needed)
        # As on AWS, alternatives are ignored beside terms that are needed.
        and (bool(needed) or not one_of or any(test(message) for test in one_of))
        and not any(test(message) for test in excluded)
    )


def _contains(term: str) -> Matches:
    return lambda message: term in message


def _regex(text: str) -> Matches:
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise BadPattern(f"invalid regular expression {text!r}: {error}") from error
    return lambda message: compiled.search(message) is not None


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


class _Json:
    """{ $.a = 1 && ($.b = "x*" || $.c NOT EXISTS) }."""

    def __init__(self, text: str) -> None:
        self._words: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _WORD.match(text, position)
            if not match:
                raise BadPattern(f"invalid JSON pattern at {text[position:]!r}")
            kind = str(match.lastgroup)
            self._words.append((kind, match[kind]))
            position = match.end()
        self._position = 0

    def matches(self) -> Matches:
        """Which messages fit; those that are no JSON objects never do."""
        test = self._either()
        if self._position < len(self._words):
            raise BadPattern(f"invalid JSON pattern at {self._words[self._position][1]!r}")

        def match(message: str) -> bool:
            try:
                value = json.loads(message)
            except ValueError:
                return False
            return isinstance(value, dict) and test(value)

        return match

    def _either(self) -> Callable[[Any], bool]:
        tests = [self._both()]
        while self._take("||"):
            tests.append(self._both())
        return lambda value: any(test(value) for test in tests)

    def _both(self) -> Callable[[Any], bool]:
        tests = [self._one()]
        while self._take("&&"):
            tests.append(self._one())
        return lambda value: all(test(value) for test in tests)

    def _one(self) -> Callable[[Any], bool]:
        if self._take("("):
            inner = self._either()
            if not self._take(")"):
                raise BadPattern("a parenthesis is not closed")
            return inner
        kind, path = self._next()
        if kind != "path":
            raise BadPattern(f"a property such as $.status is expected, not {path!r}")
        sign, said = self._next()
        if sign == "word":
            return self._by_word(path, said.upper())
        if said not in ("=", "!=", "<", ">", "<=", ">="):
            raise BadPattern(f"a comparison is expected, not {said!r}")
        return _comparison(path, said, *self._next())

    def _by_word(self, path: str, word: str) -> Callable[[Any], bool]:
        if word == "EXISTS":
            return lambda value: _at(value, path) is not _ABSENT
        follows = self._next()[1].upper()
        if (word, follows) == ("NOT", "EXISTS"):
            return lambda value: _at(value, path) is _ABSENT
        wanted = {("IS", "TRUE"): True, ("IS", "FALSE"): False, ("IS", "NULL"): None}
        if (word, follows) not in wanted:
            raise BadPattern(f"{word} {follows} is not understood")
        return lambda value: _at(value, path) is wanted[word, follows]

    def _next(self) -> tuple[str, str]:
        if self._position >= len(self._words):
            raise BadPattern("the pattern ends too early")
        self._position += 1
        return self._words[self._position - 1]

    def _take(self, sign: str) -> bool:
        found = self._position < len(self._words) and self._words[self._position] == ("sign", sign)
        self._position += found
        return found


def _comparison(path: str, sign: str, kind: str, wanted: str) -> Callable[[Any], bool]:
    if kind == "regex":
        test = _regex(wanted)
        return lambda value: isinstance(_at(value, path), str) and test(_at(value, path)) == (sign == "=")
    figure = number(wanted) if kind == "word" else None
    if figure is not None:
        return lambda value: _compared(_at(value, path), sign, figure)
    if sign not in ("=", "!=") or kind not in ("text", "word"):
        raise BadPattern(f"{sign} needs a number, not {wanted!r}")
    fitting = re.compile(fnmatch.translate(_unescaped(wanted).replace("[", "[[]").replace("?", "[?]")))
    return lambda value: _at(value, path) is not _ABSENT and bool(fitting.match(_told(_at(value, path)))) == (sign == "=")


def _compared(found: Any, sign: str, wanted: float) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return {"=": found == wanted, "!=": found != wanted, "<": found < wanted, ">": found > wanted, "<=": found <= wanted,
            ">=": found >= wanted}[sign]  # fmt: skip


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _at(value: Any, path: str) -> Any:
    """The value of a property such as $.a.b[0]; _ABSENT where there is none."""
    for name, place, quoted in re.findall(r'\.([\w@-]+)|\[(\d+)\]|\["([^"]+)"\]', path[1:]):
        if place:
            if not isinstance(value, list) or int(place) >= len(value):
                return _ABSENT
            value = value[int(place)]
        elif not isinstance(value, dict) or (name or quoted) not in value:
            return _ABSENT
        else:
            value = value[name or quoted]
    return value
