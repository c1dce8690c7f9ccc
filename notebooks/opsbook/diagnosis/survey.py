"""All that is measured of a system, held against its baseline: is the symptom there, since when, and who else is unusual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsbook.diagnosis.anomaly import Anomaly, anomalies_of, requests_of
from opsbook.diagnosis.change_point import ChangePoint, change_point
from opsbook.diagnosis.localisation import Localisation, Measured, localise, measured_of
from opsbook.diagnosis.metrics import HARM, direction_of, family_of
from opsbook.diagnosis.robust import LEAST_POINTS
from opsbook.diagnosis.series import Series
from opsbook.diagnosis.service_map import ServiceMap
from opsbook.evidence.pieces import Span


@dataclass(frozen=True)
class Survey:
    """What a system's metrics say about one symptom.

    :param alarmed: the component whose users complain
    :param family: what kind of symptom: errors or latency
    :param present: whether it is there; None where the alarmed component's metrics cannot tell
    :param change: the symptom's own change: when it began, how large, whether it is over; None where none was found
    :param anomalies: of all components and metrics, the worst first
    :param measured: what callers feel, by component
    :param localisation: where it may come from
    """

    alarmed: str
    family: str
    present: bool | None
    change: ChangePoint | None
    anomalies: tuple[Anomaly, ...]
    measured: dict[str, Measured]
    localisation: Localisation

    @property
    def onset(self) -> datetime | None:
        """When the symptom began."""
        return self.change.onset if self.change else None


def survey(
    service_map: ServiceMap, series: Iterable[Series], window: Span, baseline: Span, alarmed: str, family: str
) -> Survey:
    """Judge every component around the symptom of one.

    :param series: of all components; one without series was not seen
    :param alarmed: a component of the map
    :param family: errors or latency
    :raises KeyError: for an alarmed component that the map does not have
    """
    known = tuple(series)
    change = _symptom(known, window, baseline, alarmed, family)
    onset = change.onset if change else None
    before = _before(known, baseline, onset)
    anomalies = anomalies_of(known, window, before, onset)
    own = [anomaly for anomaly in anomalies if anomaly.component == alarmed and anomaly.family == family]
    present = any(anomaly.unusual for anomaly in own) if own else None
    measured = measured_of(anomalies, onsets_of(known, anomalies, window, baseline))
    tolerance = timedelta(seconds=2 * max((one.period for one in known), default=60))
    where = localise(service_map, measured, alarmed, family, onset, tolerance)
    return Survey(alarmed, family, present, change, anomalies, measured, where)


def _symptom(
    series: Iterable[Series], window: Span, baseline: Span, alarmed: str, family: str
) -> ChangePoint | None:
    """The change of the alarmed component's metric that changed most."""
    known = {(one.component, one.metric): one for one in series}
    changes = [_change(known, key, window, baseline, direction_of(key[1])) for key in known
               if key[0] == alarmed and family_of(key[1]) == family]
    return max((change for change in changes if change), key=lambda change: abs(change.size), default=None)


def _change(
    known: Mapping[tuple[str, str], Series], key: tuple[str, str], window: Span, baseline: Span, direction: int
) -> ChangePoint | None:
    """The believable change of a metric; of failures, as many as there would be at the usual number of requests."""
    one, requests = known[key], requests_of(known, *key)
    change = change_point(per_usual(one, requests, baseline) if requests else one, window, baseline, direction)
    return change if change and change.believable else None


def per_usual(errors: Series, requests: Series, baseline: Span) -> Series:
    """Failures as they would be counted at the baseline's mean number of requests: more traffic alone is no change."""
    asked = dict(requests.points)
    before = [value for _moment, value in requests.filled(baseline.start, baseline.end)]
    usual = sum(before) / len(before) if before else 0.0
    failed = dict(errors.points)
    points = tuple((moment, usual * min(1.0, failed.get(moment, 0.0) / count)) for moment, count in asked.items() if count)
    return replace(errors, points=points, zero_if_missing=False)


def onsets_of(
    series: Iterable[Series], anomalies: Iterable[Anomaly], window: Span, baseline: Span
) -> dict[str, datetime | None]:
    """When the worst of what callers feel of each unusual component began; None where its change cannot be placed."""
    known = {(one.component, one.metric): one for one in series}
    onsets: dict[str, datetime | None] = {}
    for anomaly in anomalies:
        if anomaly.unusual and anomaly.family in HARM and anomaly.component not in onsets:
            change = _change(known, (anomaly.component, anomaly.metric), window, baseline, anomaly.direction)
            onsets[anomaly.component] = change.onset if change else None
    return onsets


def _before(series: Iterable[Series], baseline: Span, onset: datetime | None) -> Span:
    """The baseline up to the symptom's onset, where that leaves enough of it to say what is usual."""
    if onset is None or onset >= baseline.end:
        return baseline
    shorter = Span(baseline.start, onset)
    longest = max((one.period for one in series), default=60)
    return shorter if shorter.length >= timedelta(seconds=LEAST_POINTS * longest) else baseline
