"""What several investigations show alike: rates, groups of failing requests, new messages, changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from opsbook.diagnosis.metrics import DENOMINATORS
from opsbook.diagnosis.noticing.logs import fresh_templates
from opsbook.diagnosis.noticing.requests import failures_of
from opsbook.diagnosis.series import GAUGE, Series
from opsbook.diagnosis.verdicts import Judgement
from opsbook.evidence.changes import Change
from opsbook.evidence.log_text import LogLine
from opsbook.evidence.request_logs import RequestGroup
from opsbook.show.plots import show_lines
from opsbook.show.tables import show_table

if TYPE_CHECKING:
    from opsbook.notebook import Case

SMOOTHED = timedelta(minutes=5)
"""What a rate is drawn over: a minute with three requests is no rate that a person should look at."""


def error_rates(case: Case, judgement: Judgement) -> None:
    """The share of failed requests of each component that users come in at, and of the suspects."""
    wanted = _named(case, judgement)
    series = [rate for name in wanted if (rate := _rate(case, name))]
    show_lines(series, "Requests that end in an error", case.span, _onset(judgement), case.scene.limits.error_rate_percent)


def measurements(
    case: Case, judgement: Judgement, metrics: Sequence[str], title: str, limit: float | None = None
) -> None:
    """One or more metrics of the components that users come in at, and of the suspects, those that changed most first.

    :param metrics: our names of metrics
    :param limit: a threshold to draw
    """
    wanted = _named(case, judgement)
    found = [one for one in _series(case) if one.metric in metrics and one.points]
    chosen = sorted(found, key=lambda one: (wanted.index(one.component) if one.component in wanted else len(wanted),
                                            one.component, one.metric))
    show_lines(chosen, title, case.span, _onset(judgement), limit)


def failing_groups(case: Case, slow: bool = False) -> None:
    """What the additional failures (or slow requests) have in common, by component."""
    scene, groups = case.scene, rows_of_kind(case, RequestGroup)
    rows = []
    for name in sorted({group.component for group in groups}):
        explained = failures_of(scene, groups, name, slow)
        rows += [{"component": name, "in common": ", ".join(f"{key} {value}" for key, value in one.group.items()),
                  "of the additional": f"{one.share:.0%}", "of all requests": f"{one.of_traffic:.0%}",
                  "share before": f"{one.before:.2%}", "share now": f"{one.after:.2%}"} for one in explained.explanations]
        if explained.everywhere:
            rows.append({"component": name, "in common": "nothing: they are everywhere", "of the additional": "100%",
                         "of all requests": "100%", "share before": "", "share now": ""})
    show_table(rows, title=f"What the additional {'slow requests' if slow else 'failures'} have in common")


def new_messages(case: Case) -> None:
    """Messages that the logs did not have before, or seldom."""
    fresh = fresh_templates(case.scene, rows_of_kind(case, LogLine))
    rows = [{"component": name, "kind": template.kind, "times": template.after, "before": template.before, "first": first,
             "message": template.example} for name, template, first in fresh]
    show_table(rows, ("component", "kind", "times", "before", "first", "message"), "Messages that are new or more frequent")


def changes(case: Case, judgement: Judgement) -> None:
    """What was changed in the baseline and the window. Near the onset it is a hint, no more."""
    onset = _onset(judgement)["onset"]
    rows = [{"time": change.time, "component": change.component, "what": change.what, "by": change.by,
             "detail": change.detail, "before the onset": _distance(change.time, onset)}
            for change in rows_of_kind(case, Change)]
    show_table(sorted(rows, key=lambda row: row["time"]), title="Changes")


def _distance(moment: datetime, onset: datetime | None) -> str:
    if onset is None:
        return "-"
    minutes = round((onset - moment).total_seconds() / 60)
    return f"{minutes} min" if minutes >= 0 else "after it"


def _named(case: Case, judgement: Judgement) -> list[str]:
    """The suspects and the components that users come in at, each once."""
    entries = [one.name for one in case.service_map.components if one.entry]
    return list(dict.fromkeys([*entries, *(suspect.resource for suspect in judgement.suspects)]))


def _rate(case: Case, component: str) -> Series | None:
    """Errors as per cent of requests, over five minutes each; None where one of both was not measured."""
    known = {one.metric: one for one in _series(case) if one.component == component}
    requests = next((known[name] for name in DENOMINATORS if name in known), None)
    errors = known.get("errors")
    if errors is None or requests is None:
        return None
    failed = dict(errors.points)
    pooled: dict[datetime, tuple[float, float]] = {}
    for moment, asked in requests.points:
        begin = moment - (moment - requests.points[0][0]) % SMOOTHED
        had, of = pooled.get(begin, (0.0, 0.0))
        pooled[begin] = (had + failed.get(moment, 0.0), of + asked)
    points = tuple((moment, 100 * min(1.0, had / of)) for moment, (had, of) in sorted(pooled.items()) if of)
    return replace(errors, metric="error_rate", unit="percent of requests", kind=GAUGE, points=points, period=300)


def _series(case: Case) -> list[Series]:
    return list(rows_of_kind(case, Series))


def rows_of_kind(case: Case, kind: type[Any]) -> list[Any]:
    """All rows of one kind, of whatever piece of evidence."""
    return [row for piece in case.pieces.values() for row in piece.rows if isinstance(row, kind)]


def _onset(judgement: Judgement) -> dict[str, datetime | None]:
    known: Iterable[datetime] = (suspect.onset for suspect in judgement.suspects if suspect.onset)
    return {"onset": next(iter(known), None)}
