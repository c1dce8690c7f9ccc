"""Signs in requests as applications log them: which route, client, zone or version the failures have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opsbook.diagnosis.dimensions import Explained, Tally, explain
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.signs import Sign
from opsbook.evidence.request_logs import DIMENSIONS, RequestGroup


def request_signs(scene: Scene, groups: Sequence[RequestGroup], evidence: str) -> Iterator[Sign]:
    """The signs in requests counted by what they have in common.

    :param groups: of the baseline and of the window
    :param evidence: the name of the piece that they are from
    """
    for name in sorted({group.component for group in groups}):
        explained = failures_of(scene, groups, name)
        if not explained.jumped:
            continue
        if explained.explanations:
            best = explained.explanations[0]
            yield Sign(name, "one-route", f"{explained.added:,.0f} additional failures; {best}.", (evidence,), None, None,
                       {**best.group, "percent_of_failures": round(100 * min(best.share, 1.0), 1),
                        "percent_of_requests": round(100 * best.of_traffic, 1)})
        else:
            yield Sign(name, "all-routes", f"{explained.added:,.0f} additional failures, of all routes, clients, zones and "
                       "versions alike.", (evidence,))


def failures_of(scene: Scene, groups: Sequence[RequestGroup], component: str, slow: bool = False) -> Explained:
    """What the additional failures (or slow requests) of a component have in common."""
    tallies = [Tally(group.dimensions, float((group.slow or 0) if slow else group.errors), float(group.requests),
                     group.time >= scene.window.start)
               for group in groups if group.component == component]
    known = [name for name in DIMENSIONS if any(tally.dims.get(name) for tally in tallies)]
    return explain(tallies, known) if known else Explained(0.0, (), False, False)
