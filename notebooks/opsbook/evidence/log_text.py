"""Log lines as rows: fields of JSON lines, the words of plain ones, and nothing in them that a terminal or a page would
obey.

What stands in a log is an attacker's input: it is cut, control characters are taken out, and it is never evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LONGEST = 4000
"""Characters of a text that are kept: a stack trace fits, a line of megabytes does not."""

ERROR_WORDS = ("ERROR", "CRITICAL", "FATAL", "PANIC", "Exception", "Traceback", "Task timed out", "OutOfMemory")
"""What lines that tell of trouble contain, as common loggers, PostgreSQL, the JVM, Python and Lambda write it. Upper and
lower case matter: "0 errors" is no trouble."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LEVEL = re.compile(r"\b(CRITICAL|FATAL|PANIC|ERROR|WARN(?:ING)?|INFO|LOG|DEBUG|NOTICE)\b", re.IGNORECASE)


@dataclass(frozen=True)
class LogFields:
    """What an application calls the fields of its JSON lines."""

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


def line_of(time: datetime, component: str, text: str, fields: LogFields) -> LogLine:
    """A line as it was written, read by its fields where it is JSON."""
    said = json_of(text)
    if said is None:
        found = _LEVEL.search(text[:LONGEST])
        return LogLine(time, component, found[1].upper() if found else "", "", clean(text.rstrip()))

    def told(name: str) -> str:
        value = said.get(name)
        return "" if value is None else clean(value if isinstance(value, str) else json.dumps(value, default=str))

    return LogLine(time, component, told(fields.level).upper(), told(fields.logger), told(fields.message) or clean(text),
                   told(fields.exception), told(fields.trace))


def is_request(text: str, fields: LogFields) -> bool:
    """Whether a line tells of a whole request: such lines are counted, not grouped by their words."""
    said = json_of(text)
    return said is not None and fields.status in said and fields.duration in said


def json_of(text: str) -> Mapping[str, Any] | None:
    """The object that a line is; None where it is none, or too long or too deep to be read safely."""
    if not text.lstrip().startswith("{") or len(text) > LONGEST * 64:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
