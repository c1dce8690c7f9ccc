"""Questions to the logs of components, put to Logs Insights several at once, and what their answers cover and cost.

Insights is billed by the bytes it scans, so a question is asked once a component and stretch, and none once a case has
scanned as much as it may (`scan_budget`). It brings 10,000 rows at most and does not say that there were more: as many
rows as may come are told as a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.errors import is_throttled
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_insights import (
    MOST_ROWS,
    QueryResult,
    ScannedTooMuch,
    run_query,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.parallel import Done, map_parallel
from opsbook.diagnosis.service_map import Component
from opsbook.evidence.log_text import plain_name
from opsbook.evidence.pieces import Span
from opsbook.evidence.sources import Source

AT_ONCE = 4
"""Queries at once: an account and region may run thirty, and we are not alone there."""


@dataclass(frozen=True)
class Question:
    """A query over one component's log in one stretch; `limit` is the most rows that may come back."""

    component: Component
    span: Span
    query: str
    limit: int = MOST_ROWS


Answer = Done[Question, QueryResult]
Reply = TypeVar("Reply")


def components_with_logs(case: Source, wanted: Sequence[str] | None, kinds: Sequence[str] | None = None) -> list[Component]:
    """The components that have a log: those named, else those of some kinds, else all."""
    return [one for one in case.service_map.components if one.log_group
            and (one.name in wanted if wanted is not None else kinds is None or one.kind in kinds)]


def asked(case: Source, questions: Sequence[Question]) -> list[Answer]:
    """Ask, a few at once; answers in the questions' order, each failure beside its question.

    :raises OperationError: where there is no account to ask
    """
    connect = case.aws()

    def ask(question: Question) -> QueryResult:
        may_scan = case.log_scan.left()
        try:
            answer = run_query(connect, case.run, [question.component.log_group], question.query, question.span.start,
                               question.span.end, question.limit, most_bytes=may_scan)
        except ScannedTooMuch as error:
            case.log_scan.spend(error.bytes_scanned)
            raise
        case.log_scan.spend(answer.bytes_scanned)
        return answer

    return until_throttled(case, ask, questions)


def until_throttled(
    case: Source, ask: Callable[[Question], Reply], questions: Sequence[Question]
) -> list[Done[Question, Reply]]:
    """Ask a few at once, and no more once as many were throttled: each was tried several times, the others would be too.

    Forty questions of which each waits for its turn in vain take longer than an investigation may.
    """
    throttled: list[str] = []

    def tried(question: Question) -> Reply:
        try:
            return ask(question)
        except OperationError as error:
            if error.__cause__ is not None and is_throttled(error.__cause__):
                throttled.append(error.reason)
            raise

    def may_start() -> None:
        if len(throttled) >= AT_ONCE:
            why = f"not asked, since {len(throttled)} others were throttled: {throttled[0]}"
            raise OperationError("ask for logs", "the others", why)

    return map_parallel(tried, questions, AT_ONCE, may_start, on_stop=case.run.stop)


def coverage_of(answers: Iterable[Answer]) -> Coverage:
    """What was read of each component's log: all its questions, or why not, or not all rows."""
    known = list(answers)
    gaps: dict[tuple[str, str], None] = {}
    for done in known:
        reason = done.error.reason if done.error else _cut(done.answer) if done.answer else ""
        if reason:
            gaps.setdefault((log_of(done.item.component), reason))
    with_gaps = {resource for resource, _reason in gaps}
    read = dict.fromkeys(log_of(done.item.component) for done in known)
    return Coverage(tuple(name for name in read if name not in with_gaps), said_once(Gap(*gap) for gap in gaps))


def said_once(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Gaps of several logs with one reason are one: a permission that is missing is missing for all."""
    alike: dict[str, list[str]] = {}
    for gap in gaps:
        alike.setdefault(gap.reason, []).append(gap.resource)
    return tuple(Gap("; ".join(resources), reason) for reason, resources in alike.items())


def cost_of(answers: Iterable[Answer]) -> dict[str, Any]:
    """Bytes scanned by all answers together, and how many queries that were."""
    known = list(answers)
    return {"queries": len(known), "bytes_scanned": sum(done.answer.bytes_scanned for done in known if done.answer)}


def log_of(component: Component) -> str:
    """A component's log as coverage names it."""
    return f"log of {component.name} ({component.log_group})"


def listed(components: Sequence[Component]) -> str:
    """The log groups of components, for a query's one line."""
    return ", ".join(component.log_group for component in components) or "no log group"


def named(field: str) -> str:
    """A field's name as a query writes it.

    :raises Refused: for a name that could be more than a name
    """
    return f"`{plain_name(field)}`" if "-" in field else plain_name(field)


def moment(text: str) -> datetime:
    """A time as Insights writes it ("2026-11-21 20:05:00.000"), UTC without saying so.

    :raises OperationError: for what is none
    """
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    except ValueError as error:
        raise OperationError("read a row of Logs Insights", text[:40], "it has no time as Insights writes it") from error


def _cut(answer: QueryResult) -> str:
    if not answer.cut:
        return ""
    return f"only {len(answer.rows)} rows came back, as many as were asked for ({answer.matched} lines matched)"
