"""How an access log is read: the SQL for each form of line, and what can still be said of a line that fits none.

A line of the combined format is cut at its quotes, without any quoting: then a stray quote spoils its own line only. Read as
values between spaces with quotes around some, as is usual, it swallows the lines behind it as far as the next quote
(measured with DuckDB 2.0: of six such lines in 220,006 nine were gone, and the rejects named others).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from opsbook.evidence.log_queries import named
from opsbook.evidence.log_text import LogFields

COMBINED, COMMON, JSON = "combined", "common", "json"
FORMS = (COMBINED, COMMON, JSON)
UNITS = {"s": 1000.0, "ms": 1.0, "us": 0.001}
LONGEST_LINE = 2_000_000
"""Bytes; a longer line is a reject. DuckDB keeps several such lines in memory at once."""

_PARTS = {COMBINED: 7, COMMON: 3}
_STAMP = "%d/%b/%Y:%H:%M:%S"
_STATUS = re.compile(r'"\s([1-5]\d\d)\s(?:\d+|-)(?:\s|$)')
_TARGET = re.compile(r'"[A-Z]{3,10} ([^ ?"#]+)')


@dataclass(frozen=True)
class Layout:
    """How lines look.

    :param form: combined (Apache's and nginx'; what follows the agent begins with the time to answer, if anything does),
        common, or json (a request a line)
    :param unit: of the time to answer: s (nginx), ms, or us (Apache's %D)
    :param fields: names of the fields, of JSON
    """

    form: str = COMBINED
    unit: str = "s"
    fields: LogFields = field(default_factory=LogFields)

    def __post_init__(self) -> None:
        if self.form not in FORMS or self.unit not in UNITS:
            raise Refused("read an access log", f"{self.form}, {self.unit}", "there is no such form or unit",
                          f"Give {', '.join(FORMS)}, and {', '.join(UNITS)}.")


def table_of(files: Sequence[str], layout: Layout) -> str:
    """What is read from: columns p1, p2 ... of the lines cut at their quotes, or `line`."""
    listed = ", ".join(literal(file) for file in files)
    if layout.form == JSON:
        return _lines(listed)
    columns = ", ".join(f"'p{number}': 'VARCHAR'" for number in range(1, _PARTS[layout.form] + 1))
    return _read(listed, '"', columns)


def plain_lines(files: Sequence[str]) -> str:
    """The same files as whole lines, in the one column `line`."""
    return _lines(", ".join(literal(file) for file in files))


def expressions(layout: Layout) -> Mapping[str, str]:
    """SQL for what a line tells: status, path, method, address, agent, moment (UTC), took (milliseconds), the line whole."""
    if layout.form == JSON:
        return _of_json(layout)
    combined, stamp = layout.form == COMBINED, "split_part(p1, '[', 2)"
    took = f"try_cast(split_part(trim(p7), ' ', 1) AS DOUBLE) * {UNITS[layout.unit]:g}"
    return {
        "status": "try_cast(split_part(p3, ' ', 2) AS USMALLINT)",
        "path": "split_part(split_part(p2, ' ', 2), '?', 1)",
        "method": "split_part(p2, ' ', 1)",
        "address": "split_part(p1, ' ', 1)",
        "agent": "p6" if combined else "''",
        "moment": _moment(stamp),
        "took": took if combined else "NULL::DOUBLE",
        "whole": f"concat_ws('\"', {', '.join(f'p{number}' for number in range(1, _PARTS[layout.form] + 1))})",
    }


def expressions_by_pattern(layout: Layout) -> Mapping[str, str]:
    """The same for whole lines by regular expressions: slower, and not put off by quotes inside of values."""
    if layout.form == JSON:
        return _of_json(layout)
    scale = UNITS[layout.unit]
    return {
        "status": r"""try_cast(regexp_extract(line, '" ([1-5][0-9]{2}) ([0-9]+|-)( |$)', 1) AS USMALLINT)""",
        "path": r"""regexp_extract(line, '"[A-Z]{3,10} ([^ ?"#]+)', 1)""",
        "method": r"""regexp_extract(line, '"([A-Z]{3,10}) ', 1)""",
        "address": "split_part(line, ' ', 1)",
        "agent": "''",
        "moment": _moment(r"regexp_extract(line, '\[([^\]]+)', 1)"),
        "took": rf"""try_cast(regexp_extract(line, '" ([0-9]+[.]?[0-9]*)( [^"]*)?$', 1) AS DOUBLE) * {scale:g}""",
        "whole": "line",
    }


def status_and_path(line: str) -> tuple[int, str] | None:
    """What can be said of a line that was not read: its status, and the path as far as it can be told; None for nothing."""
    status = _STATUS.search(line)
    if not status:
        return None
    target = _TARGET.search(line)
    return int(status[1]), target[1] if target else ""


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _of_json(layout: Layout) -> Mapping[str, str]:
    fields = layout.fields

    def told(field: str) -> str:
        # Of what is no JSON nothing may be extracted: that would end the whole query.
        return f"CASE WHEN json_valid(line) THEN json_extract_string(line, {literal('$.' + _quoted(field))}) END"

    return {
        "status": f"try_cast({told(fields.status)} AS USMALLINT)",
        "path": f"split_part(coalesce({told(fields.route)}, {told(fields.path)}, ''), '?', 1)",
        "method": f"coalesce({told(fields.method)}, '')",
        "address": f"coalesce({told(fields.client)}, '')",
        "agent": "''",
        "moment": f"try_cast(replace(left({told('timestamp')}, 19), 'T', ' ') AS TIMESTAMP)",
        "took": f"try_cast({told(fields.duration)} AS DOUBLE) * {UNITS[layout.unit]:g}",
        "whole": "line",
    }


def _quoted(field: str) -> str:
    named(field)
    return f'"{field}"'


def _moment(stamp: str) -> str:
    """A time with its zone ("21/Nov/2026:20:05:00 +0100") as a timestamp in UTC."""
    zone = f"substr({stamp}, 22, 5)"
    hours, rest = (f"coalesce(try_cast(substr({zone}, {first}, 2) AS INTEGER), 0)" for first in (2, 4))
    minutes = f"(CASE WHEN {zone} LIKE '-%' THEN -1 ELSE 1 END) * ({hours} * 60 + {rest})"
    return f"try_strptime(left({stamp}, 20), '{_STAMP}') - to_minutes({minutes})"


def _lines(listed: str) -> str:
    return _read(listed, "\x01", "'line': 'VARCHAR'")


def _read(listed: str, delimiter: str, columns: str) -> str:
    """Strict mode would give the whole file up for one carriage return inside of a line; nothing is padded, so that a line
    with too few parts is a reject."""
    return (f"read_csv([{listed}], delim = {literal(delimiter)}, quote = '', escape = '', header = false, "
            f"auto_detect = false, new_line = '\\n', columns = {{{columns}}}, null_padding = false, strict_mode = false, "
            f"store_rejects = true, max_line_size = {LONGEST_LINE})")
