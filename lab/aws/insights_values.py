"""Values of Logs Insights: numbers and texts as the language takes them, its functions, and how results are written."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Value = float | str | bool | None
_PERIODS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")


def number(value: Value) -> float | None:
    """A value as a number; None where it is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return value if math.isfinite(value) else None


def text(value: Value) -> str:
    """A value as results show it: whole numbers without a point, others with up to four digits after it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float | int):
        return str(int(value)) if value == int(value) else f"{value:.4f}".rstrip("0").rstrip(".")
    return "" if value is None else value


def moment(milliseconds: float) -> str:
    """A time as results show it."""
    whole = int(milliseconds)
    return f"{datetime.fromtimestamp(whole / 1000, UTC):%Y-%m-%d %H:%M:%S}.{whole % 1000:03d}"


def milliseconds(value: Value) -> float | None:
    """A time, as a number or as results show it, in milliseconds since the epoch."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() * 1000
    return number(value)


def period(word: str) -> int:
    """The milliseconds of a period such as 5m."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d|w)", word)
    if not match:
        raise ValueError(word)
    return int(match[1]) * _PERIODS[match[2]]


def discovered(message: str) -> dict[str, Value]:
    """The fields of a message that is a JSON object: nested ones by a point, elements of lists by their number."""
    if not message.startswith("{"):
        return {}
    try:
        parsed = json.loads(message)
    except ValueError:
        return {}
    found: dict[str, Value] = {}
    _flatten("", parsed, found)
    return found


def _flatten(prefix: str, value: Any, found: dict[str, Value]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _flatten(f"{prefix}.{name}" if prefix else str(name), inner, found)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            _flatten(f"{prefix}.{place}", inner, found)
    elif value is not None:
        found[prefix] = value if isinstance(value, str | bool) else float(value)


def compare(left: Value, sign: str, right: Value) -> bool:
    """A comparison: of numbers where both are, else of texts. With a field that an event lacks, none holds."""
    if left is None or right is None:
        return False
    numbers = number(left), number(right)
    pair: tuple[Any, Any] = numbers if None not in numbers else (text(left), text(right))
    return bool(_COMPARE[sign](*pair))


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def calculate(left: Value, sign: str, right: Value) -> Value:
    """Arithmetic; nothing where a side is no number or it is divided by zero."""
    first, second = number(left), number(right)
    if first is None or second is None or (sign in "/%" and second == 0):
        return None
    return float(_CALCULATE[sign](first, second))


_CALCULATE: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "%": math.fmod, "^": lambda a, b: a**b,
}  # fmt: skip


def _numeric(function: Callable[[float], float]) -> Callable[[Sequence[Value]], Value]:
    def call(values: Sequence[Value]) -> Value:
        given = number(values[0])
        return None if given is None else float(function(given))

    return call


def _textual(function: Callable[[str], Value]) -> Callable[[Sequence[Value]], Value]:
    return lambda values: None if values[0] is None else function(text(values[0]))


def _bin(values: Sequence[Value]) -> Value:
    at, length = milliseconds(values[0]), number(values[1])
    return None if at is None or not length else moment(at // length * length)


def _substr(values: Sequence[Value]) -> Value:
    start, length = number(values[1]), number(values[2]) if len(values) > 2 else None
    if values[0] is None or start is None:
        return None
    return text(values[0])[int(start):][: None if length is None else int(length)]


FUNCTIONS: Mapping[str, tuple[int, int, Callable[[Sequence[Value]], Value]]] = {
    "abs": (1, 1, _numeric(abs)),
    "ceil": (1, 1, _numeric(math.ceil)),
    "floor": (1, 1, _numeric(math.floor)),
    "sqrt": (1, 1, _numeric(lambda value: math.sqrt(value) if value >= 0 else math.nan)),
    "log": (1, 1, _numeric(lambda value: math.log(value) if value > 0 else math.nan)),
    "greatest": (1, 99, lambda values: max((each for each in map(number, values) if each is not None), default=None)),
    "least": (1, 99, lambda values: min((each for each in map(number, values) if each is not None), default=None)),
    "ispresent": (1, 1, lambda values: values[0] is not None),
    "isempty": (1, 1, lambda values: values[0] is None or text(values[0]) == ""),
    "isblank": (1, 1, lambda values: values[0] is None or not text(values[0]).strip()),
    "coalesce": (1, 99, lambda values: next((value for value in values if value is not None), None)),
    "concat": (1, 99, lambda values: "".join(map(text, values))),
    "strlen": (1, 1, _textual(lambda value: float(len(value)))),
    "trim": (1, 1, _textual(str.strip)),
    "ltrim": (1, 1, _textual(str.lstrip)),
    "rtrim": (1, 1, _textual(str.rstrip)),
    "tolower": (1, 1, _textual(str.lower)),
    "toupper": (1, 1, _textual(str.upper)),
    "strcontains": (2, 2, lambda values: float(text(values[1]) in text(values[0]))),
    "substr": (2, 3, _substr),
    "replace": (3, 3, lambda values: text(values[0]).replace(text(values[1]), text(values[2]))),
    "datefloor": (2, 2, _bin),
    "bin": (2, 2, _bin),
    "tomillis": (1, 1, lambda values: milliseconds(values[0])),
    "frommillis": (1, 1, lambda values: None if number(values[0]) is None else moment(number(values[0]) or 0)),
}
"""Functions by name in lower case: how many arguments at least and at most, and what they do."""
