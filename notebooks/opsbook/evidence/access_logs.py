"""Access logs in local files, gigabytes of them, counted by DuckDB: no line is lost without being told.

Lines that do not fit are rejects: they are counted, what can be told of them (status, path) is added, and the rest is a gap.
Above one in a thousand the files are read once more by regular expressions, slower and less easily put off. Quantiles are
exact: the nearest rank, the smallest value that at least so many of a hundred do not exceed (DuckDB's quantile_disc); other
definitions differ by engine.
"""

from __future__ import annotations

import glob
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Missing, OperationError, Refused
from opsbook.evidence.access_lines import (
    JSON,
    Layout,
    expressions,
    expressions_by_pattern,
    literal,
    plain_lines,
    status_and_path,
    table_of,
)
from opsbook.evidence.log_text import clean
from opsbook.evidence.pieces import Piece, Span
from opsbook.evidence.sources import attempt

BY = ("path", "method", "status", "address", "agent", "minute")
MOST_REJECTS = 0.001
"""The part of lines from which on the files are read by regular expressions: fewer are looked at one by one."""
MOST_GROUPS = 1000
MOST_LOOKED_AT = 10_000
"""Lines that fit no form and are looked at one by one; one in a thousand of ten million."""
LONGEST_VALUE = 300


@dataclass(frozen=True)
class AccessGroup:
    """Requests that have something in common.

    :param values: by what they are grouped ("path"), as texts
    :param errors: those that ended in a 5xx
    :param p50_ms, p95_ms: exact, of all requests with a time; None where lines tell none
    """

    values: Mapping[str, str]
    requests: int
    errors: int
    p50_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True)
class Tally:
    """How the lines of files fared.

    :param read: lines that were read whole
    :param told: rejects whose status could still be told, by status and path
    :param unread: rejects that tell nothing
    :param how: "cut at quotes", "JSON" or "regular expressions"
    """

    read: int
    told: Mapping[tuple[int, str], int] = field(default_factory=dict)
    unread: int = 0
    how: str = ""


def access_log(
    files: Sequence[str], by: Sequence[str] = ("path",), layout: Layout | None = None, span: Span | None = None,
    name: str = "access log",
) -> Piece[AccessGroup]:
    """Requests, 5xx and times by what they have in common, those with the most 5xx first.

    :param files: paths or patterns; what ends with .gz is unpacked while it is read
    :param by: some of BY; minutes are in UTC
    :param span: only requests of this stretch; None reads all
    """
    form, chosen = layout or Layout(), tuple(by)
    blank: Piece[AccessGroup] = Piece(name, "access-log", f"{', '.join(files)} by {', '.join(chosen)}", span)
    return attempt(blank, lambda piece: _read(piece, files, chosen, form))


def _read(blank: Piece[AccessGroup], patterns: Sequence[str], by: Sequence[str], layout: Layout) -> Piece[AccessGroup]:
    if not set(by) <= set(BY) or not by:
        raise Refused("read an access log", ", ".join(by), "it cannot be grouped by that", f"Give some of {', '.join(BY)}.")
    files, absent = existing(patterns)
    if not files:
        raise Missing("read an access log", ", ".join(patterns), "there is no such file", "Check the path.")
    with tempfile.TemporaryDirectory(prefix="opsbook-duckdb-") as folder:
        sql, groups, tally = _counted(files, by, layout, blank.span, folder)
    cost = {"bytes_read": sum(os.path.getsize(file) for file in files), "lines": tally.read + _rejects(tally)}
    rows = with_told(groups, tally, by) if blank.span is None else groups
    return replace(blank, query=" ".join(sql.split()), rows=tuple(rows[:MOST_GROUPS]), cost=cost,
                   coverage=_coverage(files, absent, tally, len(rows), blank.span))


def existing(patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The files that paths and patterns mean, and those of them that mean none."""
    found: dict[str, None] = {}
    absent = []
    for pattern in patterns:
        files = [pattern] if Path(pattern).is_file() else sorted(file for file in glob.glob(pattern) if Path(file).is_file())
        found.update(dict.fromkeys(files))
        absent += [] if files else [pattern]
    return list(found), absent


def with_told(groups: Sequence[AccessGroup], tally: Tally, by: Sequence[str]) -> list[AccessGroup]:
    """The groups with the rejects whose status and path could be told, where they are grouped by nothing else."""
    if not set(by) <= {"path", "status"}:
        return list(groups)
    known = {tuple(group.values.items()): group for group in groups}
    for (status, path), number in tally.told.items():
        said = {"path": clean(path, LONGEST_VALUE), "status": str(status)}
        values = {one: said[one] for one in by}
        group = known.setdefault(tuple(values.items()), AccessGroup(values, 0, 0))
        known[tuple(values.items())] = replace(group, requests=group.requests + number,
                                               errors=group.errors + (number if status >= 500 else 0))
    return sorted(known.values(), key=_worst_first)


def _counted(
    files: Sequence[str], by: Sequence[str], layout: Layout, span: Span | None, folder: str
) -> tuple[str, list[AccessGroup], Tally]:
    """The query, its groups, and how the lines fared; a second reading where too many did not fit."""
    try:
        with duckdb.connect(config={"temp_directory": folder, "autoinstall_known_extensions": False,
                                    "autoload_known_extensions": False}) as connection:
            connection.execute("SET enable_progress_bar = false")
            sql = query_of(expressions(layout), table_of(files, layout), by, span)
            groups, read, odd, unfit = _groups(connection, sql, by)
            how = "JSON" if layout.form == JSON else "cut at quotes"
            rejects = _rejected(connection)
            if layout.form == JSON or unfit + len(rejects) <= MOST_REJECTS * (read + unfit + len(rejects)):
                return sql, groups, _tally(read, [*rejects, *odd], unfit + len(rejects), how)
            sql = query_of(expressions_by_pattern(layout), plain_lines(files), by, span)
            groups, read, _odd, unfit = _groups(connection, sql, by)
            return sql, groups, _tally(read, [], unfit + len(_rejected(connection)), "regular expressions")
    except duckdb.Error as error:
        raise OperationError("read an access log", ", ".join(files), str(error).splitlines()[0]) from error


def query_of(told: Mapping[str, str], table: str, by: Sequence[str], span: Span | None) -> str:
    """The query: a row a group; the lines without a status are a group of their own (`fits` false), some of them whole."""
    minute = f"strftime({told['moment']}, '%Y-%m-%d %H:%M')"
    groups = ", ".join(f"CAST({minute if one == 'minute' else told[one]} AS VARCHAR) AS {one}" for one in by)
    where = f"WHERE {within(told['moment'], span)} OR {told['status']} IS NULL" if span else ""
    return (f"SELECT {', '.join(f'CASE WHEN fits THEN {one} END' for one in by)}, fits, count(*), "
            f"count(*) FILTER (code >= 500), quantile_disc(took, [0.5, 0.95]), "
            f"min(odd, {MOST_LOOKED_AT}) FROM (SELECT {groups}, {told['status']} AS code, code IS NOT NULL AS fits, "
            f"{told['took']} AS took, CASE WHEN code IS NULL THEN {told['whole']} END AS odd FROM {table} {where}) "
            "GROUP BY ALL")


def within(moment: str, span: Span) -> str:
    """The condition of a time within a stretch."""
    first, last = (literal(f"{one.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}") for one in (span.start, span.end))
    return f"({moment} >= TIMESTAMP {first} AND {moment} < TIMESTAMP {last})"


def _groups(connection: Any, sql: str, by: Sequence[str]) -> tuple[list[AccessGroup], int, list[str], int]:
    """The groups, how many lines they hold, some of the lines that had no status, and how many those were."""
    rows = connection.execute(sql).fetchall()
    odd: list[str] = []
    width, unfit, groups = len(by), 0, []
    for row in rows:
        fits, requests, errors, quantiles, lines = row[width:]
        if not fits:
            unfit, odd = unfit + requests, [*odd, *(lines or ())]
            continue
        values = {one: clean(value or "", LONGEST_VALUE) for one, value in zip(by, row, strict=False)}
        groups.append(AccessGroup(values, requests, errors, *(round(one, 3) for one in quantiles or ())))
    return sorted(groups, key=_worst_first), sum(group.requests for group in groups), odd, unfit


def _rejected(connection: Any) -> list[str]:
    """The lines that DuckDB could not cut, each once, and forget them. Of a line that is too long its beginning."""
    try:
        rows = connection.execute("SELECT any_value(csv_line) FROM reject_errors GROUP BY scan_id, file_id, line").fetchall()
        connection.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
    except duckdb.CatalogException:
        return []  # nothing was rejected
    return [row[0] or "" for row in rows]


def _tally(read: int, lines: Sequence[str], rejects: int, how: str) -> Tally:
    told = Counter(found for line in lines if (found := status_and_path(line)) is not None)
    return Tally(read, dict(told), rejects - sum(told.values()), how)


def _rejects(tally: Tally) -> int:
    return sum(tally.told.values()) + tally.unread


def _coverage(files: Sequence[str], absent: Sequence[str], tally: Tally, groups: int, span: Span | None) -> Coverage:
    gaps = [Gap(pattern, "there is no such file") for pattern in absent]
    rejects, lines = _rejects(tally), tally.read + _rejects(tally)
    if rejects:
        added = "is left out of this stretch of time" if span else "is added by status and path, without its time"
        gaps.append(Gap(f"{rejects} of {lines} lines", f"rejects ({tally.how}): of {sum(tally.told.values())} the status "
                        f"could still be told and {added}; {tally.unread} tell nothing"))
    if groups > MOST_GROUPS:
        gaps.append(Gap("groups", f"only {MOST_GROUPS} of {groups} are told, those with the most 5xx and requests"))
    return Coverage(tuple(files), tuple(gaps))


def _worst_first(group: AccessGroup) -> tuple[Any, ...]:
    return -group.errors, -group.requests, tuple(group.values.values())
