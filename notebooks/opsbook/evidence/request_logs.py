"""Requests as applications log them, counted by what they have in common: which route, which client, which version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap, merge_coverage
from opsbook.diagnosis.series import Series
from opsbook.diagnosis.service_map import Component
from opsbook.evidence.log_queries import (
    Answer,
    Question,
    asked,
    components_with_logs,
    cost_of,
    coverage_of,
    listed,
    log_of,
    moment,
    named,
)
from opsbook.evidence.log_text import LogFields, clean, fields_of
from opsbook.evidence.metrics import component_series
from opsbook.evidence.pieces import Piece, Span
from opsbook.evidence.sources import Source, attempt, undeclared, whole
from opsbook.evidence.trouble_words import request

DIMENSIONS = ("route", "client", "az", "version")
KINDS = ("load_balancer", "http_api", "ecs_service", "lambda_function", "host")
BINS_MINUTES = (1, 5, 15, 60)
MOST_BINS = 20
"""Stretches that a question is counted over at most: times routes, clients, zones, versions and statuses they must stay
below the 10,000 rows that come back."""

LONGEST_VALUE = 200


@dataclass(frozen=True)
class RequestGroup:
    """Requests of one stretch of time that have all dimensions in common.

    :param time: the stretch's start, UTC
    :param period: its seconds
    :param dimensions: by our names (route, client, az, version); "" where lines do not tell
    :param errors: those that ended in a 5xx
    :param slow: those that took as long as the limit or longer; None where nobody asked
    :param duration_ms: of all of them together
    """

    component: str
    time: datetime
    period: int
    dimensions: Mapping[str, str]
    requests: int
    errors: int
    slow: int | None = None
    duration_ms: float = 0.0


def request_groups(
    case: Source, components: Sequence[str] | None = None, dimensions: Sequence[str] = DIMENSIONS,
    slow_ms: float | None = None, fields: LogFields | None = None, name: str = "requests in logs",
) -> Piece[RequestGroup]:
    """Requests of the baseline and of the window, counted by stretch of time and dimensions.

    :param components: names of components; None means all that have a log and take requests
    :param dimensions: our names of the fields that requests are told apart by
    :param slow_ms: also counts requests that took as long or longer
    :param fields: what the lines' fields are called; None means as the inventory says (`log_fields`)
    """
    names = fields or fields_of(case.declared)
    by = ", ".join(named(getattr(names, one)) for one in (*dimensions, "status"))
    chosen = components_with_logs(case, components, KINDS)
    query = f"requests, their status and time by {by} of {listed(chosen)}"
    blank: Piece[RequestGroup] = Piece(name, "logs-insights", query, whole(case))
    if not chosen:
        return undeclared(blank, "component with a log_group that takes requests")

    def read(piece: Piece[RequestGroup]) -> Piece[RequestGroup]:
        answers = asked(case, [Question(one, span, counting(names, by, bin_of(span), slow_ms))
                               for one in chosen for span in (case.baseline, case.span)])
        rows = grouped(answers, dimensions, names, slow_ms is not None)
        mute = _mute(answers, rows)
        silence = silence_of(mute, _traffic(case, mute), names) if mute else Coverage()
        return replace(piece, rows=rows, coverage=_told(coverage_of(answers), silence), cost=cost_of(answers))

    return attempt(blank, read)


def counting(fields: LogFields, by: str, minutes: int, slow_ms: float | None = None) -> str:
    """The query that counts requests: lines with a status and a duration, whatever else they are.

    Slow ones are counted by numeric functions, 1 from the limit on and 0 below it: that a comparison could be added up,
    Insights' documentation does not say.
    """
    duration = named(fields.duration)
    ones, slow = "", ""
    if slow_ms is not None:
        ones, slow = f"fields floor(least({duration} / {slow_ms:g}, 1)) as is_slow | ", ", sum(is_slow) as slow"
    return (f"filter {request(fields)} and {named(fields.status)} >= 100 | {ones}stats count(*) as requests, "
            f"sum({duration}) as total_ms{slow} by bin({minutes}m), {by}")


def silence_of(mute: Iterable[Component], requests: Mapping[str, float | None], fields: LogFields) -> Coverage:
    """What it means that the logs of components have no line of a request: none came, or their lines are not understood.

    :param requests: how many each took by its metrics; None where these do not tell
    """
    without = f"no line of it has the fields {fields.status} and {fields.duration}"
    missing, left_out = [], []
    for one in mute:
        taken = requests.get(one.name)
        if taken is None:
            left_out.append(Gap(log_of(one), f"{without}; whether requests came, its metrics do not tell"))
        elif taken > 0 and one.kind == "lambda_function":
            # What calls a function need not be a request with a status.
            left_out.append(Gap(log_of(one), f"{without}; its {taken:.0f} calls may be no requests of HTTP"))
        elif taken > 0:
            missing.append(Gap(log_of(one), f"{without}, though its metrics tell of {taken:.0f} requests: what its "
                                            "applications call these fields is declared as log_fields"))
    return Coverage((), tuple(missing), tuple(left_out))


def bin_of(span: Span) -> int:
    """Minutes that requests are counted over: the finest that leaves few enough stretches."""
    minutes = span.length.total_seconds() / 60
    return next((one for one in BINS_MINUTES if minutes <= one * MOST_BINS), BINS_MINUTES[-1])


def grouped(
    answers: Iterable[Answer], dimensions: Sequence[str], fields: LogFields, with_slow: bool = False
) -> tuple[RequestGroup, ...]:
    """The rows of queries as groups; those of one stretch and dimensions that differ in status only are one.

    :param with_slow: whether slow requests were asked for
    """
    found: dict[Any, RequestGroup] = {}
    for group in _groups(answers, dimensions, fields, with_slow):
        known = found.get(_key(group))
        found[_key(group)] = group if known is None else replace(
            known, requests=known.requests + group.requests, errors=known.errors + group.errors,
            slow=None if known.slow is None or group.slow is None else known.slow + group.slow,
            duration_ms=round(known.duration_ms + group.duration_ms, 3))
    return tuple(sorted(found.values(), key=_key))


def _groups(
    answers: Iterable[Answer], dimensions: Sequence[str], fields: LogFields, with_slow: bool
) -> Iterator[RequestGroup]:
    for done in answers:
        span = done.item.span
        for row in done.answer.rows if done.answer else ():
            status = _number(row.get(fields.status))
            if status < 100:
                continue
            stretch = next(value for name, value in row.items() if name.startswith("bin("))
            values = {one: clean(row.get(getattr(fields, one), ""), LONGEST_VALUE) for one in dimensions}
            requests = int(_number(row.get("requests")))
            # A stretch of the clock may have begun before ours.
            yield RequestGroup(done.item.component.name, max(moment(stretch), span.start), bin_of(span) * 60, values,
                               requests, requests if status >= 500 else 0,
                               int(_number(row.get("slow"))) if with_slow else None, round(_number(row.get("total_ms")), 3))


def _mute(answers: Sequence[Answer], rows: Iterable[RequestGroup]) -> list[Component]:
    """Components whose logs were read, and held no request."""
    heard = {group.component for group in rows}
    failed = {done.item.component.name for done in answers if done.error is not None}
    return list(dict.fromkeys(done.item.component for done in answers if done.item.component.name not in heard | failed))


def _traffic(case: Source, mute: Sequence[Component]) -> dict[str, float | None]:
    """How many requests components took over baseline and window, by their metrics."""
    series: Sequence[Series] = component_series(case, list(dict.fromkeys(one.kind for one in mute)), ["requests"]).rows
    found: dict[str, float | None] = {}
    for one in series:
        found[one.component] = (found.get(one.component) or 0.0) + sum(value for _at, value in one.points)
    return found


def _told(answered: Coverage, silence: Coverage) -> Coverage:
    """The coverage of the answers with what their silence means; a log that nothing could be made of was not read."""
    unread = {gap.resource for gap in silence.missing}
    return merge_coverage([replace(answered, read=tuple(name for name in answered.read if name not in unread)), silence])


def _key(group: RequestGroup) -> Any:
    return group.component, group.time, tuple(sorted(group.dimensions.items()))


def _number(text: str | None) -> float:
    """A number of a line; what is none, as an attacker's may be, counts as nothing."""
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if 0 <= value < 1e15 else 0.0
