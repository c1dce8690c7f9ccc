"""Where on the call graph a symptom comes from: the deepest component of ours that is unusual and explains its callers.

From the component that alarmed the walk steps to those callees that explain it, and ends where none does. A callee explains
its caller when it is unusual and what it lost is a notable part of what its caller lost: the fewest callees, the largest
first, that make up `MOST` of it. A callee that is a little slower because its caller asks more often is thereby left out.
Where that cannot be measured (another kind of metric, no requests counted) being unusual is enough, but what can be measured
goes first. Components that nobody measured are walked through and named: not seen is not healthy. What is not ours is never
where the walk ends; it stands behind the component of ours that calls it, since it is known through its callers only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbook.diagnosis.anomaly import Anomaly, harm_of
from opsbook.diagnosis.change_point import fits
from opsbook.diagnosis.metrics import ERRORS, per_request
from opsbook.diagnosis.service_map import ServiceMap

MOST = 0.5
"""The greater part: less than half of what a caller lost leaves more to be explained elsewhere."""
ORIGIN, ON_THE_WAY, BESIDE, APART = "origin", "on the way", "beside", "apart"
PLACES = (ORIGIN, ON_THE_WAY, BESIDE, APART)
"""Where the walk ends; between there and the alarm; called by the alarmed one, without explaining it; not called by it."""


@dataclass(frozen=True)
class Measured:
    """What is known of a component.

    :param anomalies: of the metrics that could be judged, unusual or not; none of them where the component was not seen
    :param onset: when its trouble began; None where that could not be told
    """

    anomalies: tuple[Anomaly, ...]
    onset: datetime | None = None


@dataclass(frozen=True)
class Candidate:
    """A component that the symptom may come from.

    :param place: origin, on the way, beside or apart
    :param anomaly: its worst metric that callers feel
    :param onset: when that began
    :param path: from the alarmed component to it; empty where there is none
    :param share: of what its caller on the path lost, as far as it can be measured
    :param late: it began after the symptom
    """

    component: str
    owned: bool
    place: str
    anomaly: Anomaly
    onset: datetime | None = None
    path: tuple[str, ...] = ()
    share: float | None = None
    late: bool = False

    @property
    def score(self) -> float:
        """How unusual it is, in spreads."""
        return self.anomaly.score


@dataclass(frozen=True)
class Localisation:
    """Where the symptom may come from, best first.

    :param candidates: all components that are unusual
    :param not_seen: components below the alarmed one of which nothing could be judged
    """

    candidates: tuple[Candidate, ...]
    not_seen: tuple[str, ...]

    def place_of(self, component: str) -> int | None:
        """The rank of a component, from 1; None where it is none of the candidates."""
        return next((rank for rank, one in enumerate(self.candidates, 1) if one.component == component), None)


def measured_of(
    anomalies: Iterable[Anomaly], onsets: Mapping[str, datetime | None] | None = None
) -> dict[str, Measured]:
    """What is known by component.

    :param onsets: when each component's trouble began
    """
    known = tuple(anomalies)
    names = dict.fromkeys(anomaly.component for anomaly in known)
    return {name: Measured(harm_of(known, name), (onsets or {}).get(name)) for name in names}


def localise(
    service_map: ServiceMap, measured: Mapping[str, Measured], alarmed: str, family: str,
    onset: datetime | None = None, tolerance: timedelta = timedelta(minutes=2),
) -> Localisation:
    """Rank the components that a symptom may come from.

    :param measured: by component; one that is not in it was not seen
    :param alarmed: where the symptom is
    :param family: what kind of symptom: errors or latency
    :param onset: when it began
    :param tolerance: two periods of the metrics
    :raises KeyError: for an alarmed component that the map does not have
    """
    if alarmed not in service_map:
        raise KeyError(f"{alarmed} is not in the service map")
    walk = _Walk(service_map, measured, family, onset, tolerance)
    paths, ends = walk.from_(alarmed)
    reachable = {alarmed, *service_map.reachable(alarmed)}
    candidates = [walk.candidate(name, paths, ends, reachable) for name in measured if walk.unusual(name)]
    not_seen = [name for name in (alarmed, *service_map.reachable(alarmed)) if not walk.seen(name)]
    return Localisation(tuple(sorted(candidates, key=_order)), tuple(not_seen))


@dataclass(frozen=True)
class _Walk:
    """What the walk asks of the graph."""

    service_map: ServiceMap
    measured: Mapping[str, Measured]
    family: str
    onset: datetime | None
    tolerance: timedelta

    def seen(self, name: str) -> bool:
        return bool(self.anomalies(name))

    def worst(self, name: str) -> Anomaly | None:
        """The worst of what callers feel; of the symptom's own kind where that is unusual."""
        unusual = [anomaly for anomaly in self.anomalies(name) if anomaly.unusual]
        alike = [anomaly for anomaly in unusual if anomaly.family == self.family]
        return max(alike or unusual, key=lambda anomaly: anomaly.score, default=None)

    def anomalies(self, name: str) -> tuple[Anomaly, ...]:
        return self.measured[name].anomalies if name in self.measured else ()

    def share(self, callee: str, caller: str) -> float | None:
        """How much of what a caller lost its callee accounts for, by the same metric of both where there is one."""
        shares = [(theirs.metric != ours.metric, -theirs.score, share_of(theirs, ours))
                  for theirs in self.anomalies(callee) if theirs.unusual and theirs.family == self.family
                  for ours in self.anomalies(caller) if ours.family == self.family]
        known = [(other, score, share) for other, score, share in shares if share is not None]
        return min(known)[2] if known else None

    def unusual(self, name: str) -> bool:
        return name in self.service_map and self.worst(name) is not None

    def late(self, name: str) -> bool:
        return fits(self.measured[name].onset, self.onset, self.tolerance) is False if name in self.measured else False

    def from_(self, alarmed: str) -> tuple[dict[str, tuple[str, ...]], set[str]]:
        """The paths to all components that the walk comes to, and those of ours where it ends."""
        paths: dict[str, tuple[str, ...]] = {alarmed: (alarmed,)}
        ends, ahead = set[str](), [alarmed]
        while ahead:
            name = ahead.pop(0)
            steps = self.steps(name)
            for callee, path in steps.items():
                if callee not in paths:
                    paths[callee] = (*paths[name], *path)
                    ahead.append(callee)
            if not any(self.service_map[callee].owned and callee not in paths[name] for callee in steps):
                ends.add(name)
        return paths, {name for name in ends if self.service_map[name].owned}

    def steps(self, caller: str) -> dict[str, tuple[str, ...]]:
        """The callees that explain a caller, each with the path to it through what was not seen; and what is not ours."""
        below = {name: path for name, path in self.below(caller).items() if self.unusual(name) and not self.late(name)}
        shares = {name: self.share(name, caller) for name in below if self.service_map[name].owned}
        chosen = _fewest({name: share for name, share in shares.items() if share is not None})
        unmeasured = [name for name, share in shares.items() if share is None]
        others = [name for name in below if name not in shares]
        return {name: below[name] for name in (*(chosen or unmeasured), *others)}

    def below(self, caller: str) -> dict[str, tuple[str, ...]]:
        """What a component calls; behind a callee of which nothing was seen, what that one calls."""
        found: dict[str, tuple[str, ...]] = {}
        ahead: list[tuple[str, ...]] = [(callee,) for callee in self.service_map[caller].calls]
        while ahead:
            path = ahead.pop(0)
            if path[-1] in found or path[-1] == caller or path[-1] not in self.service_map:
                continue
            found[path[-1]] = path
            if not self.seen(path[-1]):
                ahead += [(*path, callee) for callee in self.service_map[path[-1]].calls]
        return found

    def candidate(
        self, name: str, paths: Mapping[str, tuple[str, ...]], ends: set[str], reachable: set[str]
    ) -> Candidate:
        anomaly, path = self.worst(name), paths.get(name, ())
        if anomaly is None:
            raise KeyError(f"nothing is unusual in {name}")
        place = ORIGIN if name in ends else ON_THE_WAY if path else BESIDE if name in reachable else APART
        caller = next((before for before in reversed(path[:-1]) if self.seen(before)), "")
        share = self.share(name, caller) if caller else None
        return Candidate(name, self.service_map[name].owned, place, anomaly, self.measured[name].onset, path, share,
                         self.late(name))


def share_of(callee: Anomaly | None, caller: Anomaly | None) -> float | None:
    """How much of what a caller lost its callee accounts for; None where both do not measure the same.

    Failures are counted, so one is held against the other. A mean latency adds up in its caller as often as the callee is
    asked. Percentiles do not add up; a callee's is held against its caller's as it is, which is right for the slow requests
    where each asks once.
    """
    if callee is None or caller is None or callee.family != caller.family or callee.unit != caller.unit:
        return None
    if caller.increase <= 0 or (callee.family == ERRORS and callee.share != caller.share):
        return None
    calls = 1.0
    if per_request(callee.metric) and per_request(caller.metric) and callee.requests and caller.requests:
        calls = callee.requests / caller.requests
    return callee.increase * calls / caller.increase


def _fewest(shares: Mapping[str, float]) -> list[str]:
    """The fewest that make up the greater part together, the largest first; none where all of them do not."""
    chosen, total = [], 0.0
    for name, share in sorted(shares.items(), key=lambda item: (-item[1], item[0])):
        if total >= MOST:
            break
        chosen.append(name)
        total += share
    return chosen if total >= MOST else []


def _order(candidate: Candidate) -> tuple[int, bool, int, bool, float, str]:
    """Origins first; then back from the deepest, what is not ours behind its caller; what began late last of its place."""
    depth = len(candidate.path) - (0 if candidate.owned else 1)
    back = depth if candidate.place == ON_THE_WAY else 0
    return (PLACES.index(candidate.place), candidate.late, -back, not candidate.owned, -candidate.score,
            candidate.component)
