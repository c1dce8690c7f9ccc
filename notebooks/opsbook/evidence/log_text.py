"""Log lines as rows: fields of JSON lines, the words of plain ones, and nothing in them that a terminal or a page would
obey.

What stands in a log is an attacker's input: it is cut, control characters are taken out, and it is never evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused

LONGEST = 4000
"""Characters of a text that are kept: a stack trace fits, a line of megabytes does not."""

LEVEL_FIELDS = ("level", "lvl", "severity", "loglevel", "log_level", "levelname", "severity_text", "severityText", "@l")
"""What loggers call the field of a line's level."""

MESSAGE_FIELDS, EXCEPTION_FIELDS = ("message", "msg", "@m"), ("exception", "error", "err", "exc_info")

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_WORDS = "critical|crit|fatal|panic|emerg|alert|error|err|severe|warning|warn|info|log|debug|notice|trace"
_LEVEL = re.compile(
    rf"(?i:(?:level|lvl|severity)\\?\"?\s*[=:]\s*\\?\"?({_WORDS})\b)|(?i:\[\s*(?:[a-z0-9_.]+:)?({_WORDS})\s*\])|"
    rf"^((?i:{_WORDS})):|(?<![\w/])({_WORDS.upper()})(?![\w=])")
"""The level of a plain line; a small "info" or "error" within a sentence is none."""

_NAMES = {"ERR": "ERROR", "CRIT": "CRITICAL", "FTL": "FATAL", "DPANIC": "PANIC", "EMERG": "PANIC", "EMERGENCY": "PANIC",
          "ALERT": "CRITICAL", "E": "ERROR", "F": "FATAL"}
_NUMBERS = ((60, "FATAL"), (50, "ERROR"), (40, "WARN"), (30, "INFO"), (20, "DEBUG"), (10, "TRACE"))
"""Levels as pino and bunyan count them."""

_FIELD = re.compile(r"@?[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class LogFields:
    """What an application calls the fields of its JSON lines; points lead into objects ("res.statusCode")."""

    method: str = "method"
    path: str = "path"
    route: str = "route"
    status: str = "status"
    duration: str = "duration_ms"
    trace: str = "trace_id"
    client: str = "client"
    az: str = "az"
    version: str = "version"
    level: str = "level"
    logger: str = "logger"
    message: str = "message"
    exception: str = "exception"


@dataclass(frozen=True)
class LogLine:
    """One line of a component's log.

    :param level: upper case; empty where the line tells none
    :param message: cleaned and cut; the whole line where it is no JSON
    :param exception: the exception's type, or its text where the line tells no type
    """

    time: datetime
    component: str
    level: str
    logger: str
    message: str
    exception: str = ""
    trace: str = ""


def clean(text: str, longest: int = LONGEST) -> str:
    """Text without escape sequences, control characters and what turns its direction, cut at `longest` characters."""
    # Cut first: a line may be megabytes, and an escape sequence is short.
    short = _CONTROLS.sub("", _ESCAPES.sub("", text[:longest * 2])).encode("utf-8", "replace").decode("utf-8")
    return short if len(short) <= longest and len(text) <= longest * 2 else f"{short[:longest]}..."


def fields_of(declared: Mapping[str, Any]) -> LogFields:
    """What a system's applications call their fields: its `log_fields`, else our own names.

    :param declared: what the inventory declares for the system
    :raises Refused: for a field that we do not know
    """
    given = declared.get("log_fields") or {}
    unknown = sorted(set(given) - set(asdict(LogFields())))
    if unknown:
        raise Refused("read log_fields of the inventory", ", ".join(map(str, unknown))[:80], "there is no such field",
                      f"Give {', '.join(asdict(LogFields()))}.")
    return LogFields(**{name: plain_name(str(value)) for name, value in given.items()})


def line_of(time: datetime, component: str, text: str, fields: LogFields) -> LogLine:
    """A line as it was written, read by its fields where it is JSON: as the inventory names them, else as loggers do."""
    said = json_of(text)
    if said is None:
        message = clean(text.rstrip())
        found = _LEVEL.search(message)
        return LogLine(time, component, _level(next(filter(None, found.groups()))) if found else "", "", message)

    def told(*names: str) -> str:
        value = next((value for name in names if (value := value_of(said, name)) not in (None, "", {}, [])), "")
        return clean(value if isinstance(value, str) else json.dumps(value, default=str))

    kinds = tuple(f"{name}.{part}" for name in EXCEPTION_FIELDS for part in ("type", "name"))
    return LogLine(time, component, _level(told(fields.level, *LEVEL_FIELDS, "log.level")), told(fields.logger),
                   told(fields.message, *MESSAGE_FIELDS) or clean(text),
                   told(fields.exception, "error.type", *kinds, *EXCEPTION_FIELDS), told(fields.trace))


def value_of(said: Mapping[str, Any], name: str) -> Any:
    """The value of a field: by its whole name, else by the way into objects that its points tell; None for none."""
    if name in said:
        return said[name]
    first, point, rest = name.partition(".")
    inner = said.get(first)
    return value_of(inner, rest) if point and isinstance(inner, dict) else None


def _level(told: str) -> str:
    """A level in capitals, by the name that we call it."""
    if told.isascii() and told.isdigit() and len(told) < 4:
        return next((name for least, name in _NUMBERS if int(told) >= least), "")
    return _NAMES.get(told.upper(), told.upper())


def is_request(text: str, fields: LogFields) -> bool:
    """Whether a line tells of a whole request: such lines are counted, not grouped by their words."""
    said = json_of(text)
    return said is not None and None not in (value_of(said, fields.status), value_of(said, fields.duration))


def json_of(text: str) -> Mapping[str, Any] | None:
    """The object that a line is; None where it is none, or too long or too deep to be read safely."""
    if not text.lstrip().startswith("{") or len(text) > LONGEST * 64:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def plain_name(field: str) -> str:
    """A field's name.

    :raises Refused: for a name that could be more than a name
    """
    if not _FIELD.fullmatch(field):
        raise Refused("query logs", field[:40], "it is no name of a field", "Give letters, digits, dots and underscores.")
    return field
