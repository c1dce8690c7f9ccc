"""What components log, from CloudWatch: lines of trouble, how many there are, and questions of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_events import LogEvents, find_events
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_insights import MOST_ROWS
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap, merge_coverage
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.parallel import Done
from opsbook.diagnosis.series import COUNT, Series
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
    said_once,
    until_throttled,
)
from opsbook.evidence.log_text import LogFields, LogLine, clean, fields_of, line_of
from opsbook.evidence.pieces import Piece, Span
from opsbook.evidence.sources import Source, attempt, undeclared, whole
from opsbook.evidence.trouble_words import is_trouble, trouble, trouble_events

MOST_LINES = 2000


def error_lines(
    case: Source, components: Sequence[str] | None = None, most: int = MOST_LINES, fields: LogFields | None = None,
    name: str = "lines of trouble",
) -> Piece[LogLine]:
    """Lines that tell of trouble, of the baseline and of the window, the oldest first; lines of requests are left out.

    Where Insights is not to be had they are read event by event (FilterLogEvents), and the coverage says so.

    :param components: names of components; None means all that have a log
    :param most: lines a component and stretch at most, the newest
    :param fields: what the lines' fields are called; None means as the inventory says (`log_fields`)
    """
    names = fields or fields_of(case.declared)
    chosen = components_with_logs(case, components)
    query = f"fields @timestamp, @message | filter {trouble(names)} | sort @timestamp desc | limit {most}"
    blank: Piece[LogLine] = Piece(name, "logs-insights", f"{query} over {listed(chosen)}", whole(case))
    if not chosen:
        return undeclared(blank, "component with a log_group")
    questions = [Question(one, span, query, most) for one in chosen for span in (case.baseline, case.span)]

    def read(piece: Piece[LogLine]) -> Piece[LogLine]:
        answers = asked(case, questions)
        answered = [done for done in answers if done.error is None]
        others = _through_events(case, [done for done in answers if done.error is not None], most, names)
        rows = [line_of(moment(row["@timestamp"]), done.item.component.name, row.get("@message", ""), names)
                for done in answered if done.answer for row in done.answer.rows]
        rows += [line_of(event.time, done.item.component.name, event.message, names)
                 for done in others if done.answer for event in done.answer.events if is_trouble(event.message, names)]
        return replace(piece, rows=tuple(sorted(rows, key=lambda line: line.time)), cost=cost_of(answers),
                       coverage=merge_coverage([coverage_of(answered), _instead(answers, others)]))

    return attempt(blank, read)


def error_line_series(
    case: Source, components: Sequence[str] | None = None, fields: LogFields | None = None,
    name: str = "lines of trouble by the minute",
) -> Piece[Series]:
    """How many lines of trouble there were minute by minute, over baseline and window, each counted (`error_lines`)."""
    names = fields or fields_of(case.declared)
    chosen = components_with_logs(case, components)
    query = f"filter {trouble(names)} | stats count(*) as lines by bin(1m)"
    blank: Piece[Series] = Piece(name, "logs-insights", f"{query} over {listed(chosen)}", whole(case))
    if not chosen:
        return undeclared(blank, "component with a log_group")

    def read(piece: Piece[Series]) -> Piece[Series]:
        answers = asked(case, [Question(one, whole(case), query) for one in chosen])
        rows = tuple(Series(done.item.component.name, "error_lines", "lines", COUNT, _points(done.answer.rows), 60, True)
                     for done in answers if done.answer)
        return replace(piece, rows=rows, coverage=coverage_of(answers), cost=cost_of(answers))

    return attempt(blank, read)


def insights(
    case: Source, query: str, components: Sequence[str] | None = None, span: Span | None = None, limit: int = MOST_ROWS,
    name: str = "log query",
) -> Piece[Mapping[str, str]]:
    """The rows of a query of one's own over components' logs, each with the field `component` and its texts cleaned.

    :param query: in the language of Logs Insights
    :param span: the window where it is None
    """
    chosen = components_with_logs(case, components)
    stretch = span or case.span
    blank: Piece[Mapping[str, str]] = Piece(name, "logs-insights", f"{query} over {listed(chosen)}", stretch)
    if not chosen:
        return undeclared(blank, "component with a log_group")

    def read(piece: Piece[Mapping[str, str]]) -> Piece[Mapping[str, str]]:
        answers = asked(case, [Question(one, stretch, query, limit) for one in chosen])
        rows = tuple({"component": done.item.component.name, **{field: clean(value) for field, value in row.items()}}
                     for done in answers if done.answer for row in done.answer.rows)
        return replace(piece, rows=rows, coverage=coverage_of(answers), cost=cost_of(answers))

    return attempt(blank, read)


def _through_events(case: Source, failed: Sequence[Answer], most: int, fields: LogFields) -> list[Done[Question, LogEvents]]:
    """The questions that Insights did not answer, put to FilterLogEvents."""
    pattern = trouble_events(fields)
    connect = case.aws()

    def ask(question: Question) -> LogEvents:
        return find_events(connect, case.run, question.component.log_group, pattern, question.span.start,
                           question.span.end, most)

    return until_throttled(case, ask, [done.item for done in failed])


def _instead(answers: Sequence[Answer], others: Sequence[Done[Question, LogEvents]]) -> Coverage:
    """What was read event by event: by Insights it would have been cheaper, which leaves nothing open."""
    why = {id(done.item): done.error.reason for done in answers if done.error is not None}
    missing = [Gap(log_of(done.item.component), reason) for done in others
               if (reason := done.error.reason if done.error else done.answer.cut if done.answer else "")]
    left_out = [Gap(f"Insights over {log_of(done.item.component)}", f"{why[id(done.item)]}; its events were read instead")
                for done in others if done.error is None]
    short = {gap.resource for gap in missing}
    read = dict.fromkeys(log_of(done.item.component) for done in others)
    return Coverage(tuple(name for name in read if name not in short), said_once(dict.fromkeys(missing)),
                    said_once(dict.fromkeys(left_out)))


def _points(rows: Sequence[Mapping[str, str]]) -> tuple[tuple[datetime, float], ...]:
    found = []
    for row in rows:
        stretch = next((value for name, value in row.items() if name.startswith("bin(")), "")
        if stretch:
            found.append((moment(stretch), float(row.get("lines") or 0)))
    return tuple(sorted(found))
