"""`make bench-diagnosis`: how often localisation names the broken component of labelled real incidents, and how often it
names one where nothing was wrong, beside simple ways computed in the same run.

The data set is not in this repository (see `petshop`): OPSBOOK_PETSHOP or --data says where it is. Nothing in the library is
fitted to it, and it has no thresholds to turn here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path

from opsbook.diagnosis.anomaly import THRESHOLD, anomalies_of
from opsbook.diagnosis.metrics import HARM, family_of
from opsbook.diagnosis.robust import NORMAL_MAD
from opsbook.diagnosis.series import Series
from opsbook.diagnosis.survey import Survey, survey
from opsbook.evidence.pieces import Span
from tests.bench.document import DOCUMENT, put
from tests.bench.petshop import PERIOD, Incident, incidents, noissue_of, read_series, service_map, span_of
from tests.bench.report import Table
from tests.support.labs import ROOT

DATA = "OPSBOOK_PETSHOP"
DEFAULT = ROOT.parent / "shared" / "data" / "petshop-train"
WINDOW = 5
"""Periods that an incident of the data set has; windows with nothing wrong are as long."""
EARLIEST = 36
"""Periods of baseline before the first of them: three hours, the investigations' own default."""
TITLE = "Localisation on labelled incidents"
QUIET = "Localisation where nothing is wrong"


@dataclass(frozen=True)
class Way:
    """A way to rank components.

    :param rank: the components of an incident, the likeliest first
    :param named: whether it would name one
    """

    name: str
    rank: Callable[[Incident], list[str]]
    named: Callable[[Incident], bool]


def localised(incident: Incident) -> list[str]:
    """The components that opsbook names."""
    return [candidate.component for candidate in _surveyed(incident).localisation.candidates]


def names_one(incident: Incident) -> bool:
    """Whether opsbook takes the symptom for real and names an origin."""
    found = _surveyed(incident)
    return found.present is True and bool(found.localisation.candidates)


@cache
def _surveyed(incident: Incident) -> Survey:
    return survey(incident.service_map, incident.series, incident.window, incident.baseline, incident.alarmed,
                  incident.family)


def without_graph(incident: Incident) -> list[str]:
    """The same scores, the greatest first, without asking who calls whom."""
    found = anomalies_of(incident.series, incident.window, incident.baseline)
    felt = (one.component for one in found if one.unusual and one.family in HARM)
    return list(dict.fromkeys(name for name in felt if _ours(incident, name)))


def naive(incident: Incident) -> list[str]:
    """Mean and standard deviation of the symptom's metric."""
    return _by_score(incident, statistics.fmean, statistics.pstdev)


def median_based(incident: Incident) -> list[str]:
    """Median and median absolute deviation of the symptom's metric."""
    return _by_score(incident, statistics.median, lambda values: NORMAL_MAD * statistics.median(
        abs(value - statistics.median(values)) for value in values))


WAYS = (
    Way("opsbook", localised, names_one),
    Way("opsbook, taking the alarm for granted", localised, lambda incident: bool(localised(incident))),
    Way("opsbook's scores without the graph", without_graph, lambda incident: bool(without_graph(incident))),
    Way("median and MAD, no graph", median_based, lambda incident: bool(median_based(incident))),
    Way("mean and standard deviation, no graph", naive, lambda incident: bool(naive(incident))),
)


def _by_score(
    incident: Incident, middle: Callable[[Sequence[float]], float], spread: Callable[[Sequence[float]], float]
) -> list[str]:
    """Components of ours beyond the threshold in the symptom's metric, by how far their window is from their baseline."""
    scores: dict[str, float] = {}
    for one in incident.series:
        before, now = _values(one, incident.baseline), _values(one, incident.window)
        if family_of(one.metric) == incident.family and _ours(incident, one.component) and before and now:
            least = 1e-6 * max(1.0, abs(middle(before)))
            scores[one.component] = abs(middle(now) - middle(before)) / max(spread(before), least)
    return sorted((name for name, score in scores.items() if score >= THRESHOLD), key=lambda name: (-scores[name], name))


def _ours(incident: Incident, component: str) -> bool:
    return component in incident.service_map and incident.service_map[component].owned


def _values(series: Series, span: Span) -> list[float]:
    return [value for _moment, value in series.within(span.start, span.end)]


def quiet_windows(folder: Path, group: str, like: Sequence[Incident]) -> Iterator[Incident]:
    """Windows of a stretch with nothing wrong, one after another, each with all before it as its baseline, asked about every
    symptom that alarmed in the labelled incidents."""
    series = read_series(next((folder / group / "noissue").glob("metrics.csv*")))
    graph, whole, period = service_map(folder / group / "graph.csv"), span_of(series), timedelta(seconds=PERIOD)
    start = whole.start + EARLIEST * period
    while start + WINDOW * period <= whole.end:
        window = Span(start, start + WINDOW * period)
        seen = tuple(replace(one, points=one.within(whole.start, window.end)) for one in series)
        for alarmed, family in sorted({(one.alarmed, one.family) for one in like}):
            yield Incident(group, str(start), graph, alarmed, family, "", seen, window, Span(whole.start, start))
        start = window.end


def hits(ranked: Sequence[list[str]], causes: Sequence[str], first: int) -> int:
    """Of how many incidents the cause is among the first so many."""
    return sum(cause in names[:first] for names, cause in zip(ranked, causes, strict=True))


def tables(folder: Path, groups: Sequence[str]) -> list[Table]:
    """Both tables."""
    found = {group: incidents(folder, group) for group in groups}
    everyone = [incident for group in groups for incident in found[group]]
    labelled = Table(TITLE, ("top-1, top-3", *groups, "all"), note=_note(folder, found))
    for way in [way for number, way in enumerate(WAYS) if way.rank not in [other.rank for other in WAYS[:number]]]:
        cells = [_cell(way, found[group]) for group in groups]
        labelled.rows.append((way.name, *cells, _cell(way, everyone)))
    quiet = [group for group in groups if (folder / group / "noissue").is_dir()]
    windows = [window for group in quiet for window in quiet_windows(folder, group, everyone)]
    wrong = Table(QUIET, ("a component is named", "where nothing is wrong", "", "in an incident"), note=QUIET_NOTE)
    for way in WAYS:
        named, seen = sum(way.named(window) for window in windows), sum(way.named(incident) for incident in everyone)
        wrong.rows.append((way.name, f"{named} of {len(windows)}", f"{named / len(windows):.1%}" if windows else "-",
                           f"{seen} of {len(everyone)}"))
    return [labelled, wrong]


QUIET_NOTE = (
    f"Windows of {WINDOW} periods of five minutes, side by side, out of the stretch in which nothing was wrong, each "
    "against all that lies before it, and asked about each symptom that alarmed in the incidents. An investigation names a "
    "component only where the symptom itself is there; the second row is told that it is. The others do not ask. What the "
    "same rule would have missed of the incidents is in the last column: a slight symptom is not told from noise by metrics "
    "alone, and needs the alarm's word."
)


def _note(folder: Path, found: dict[str, list[Incident]]) -> str:
    borrowed = [group for group in found if not (folder / group / "noissue").is_dir()]
    note = (
        "`make bench-diagnosis`: PetShop (Hardt et al., CLeaR 2024), real incidents of an application on ECS, Lambda, "
        f"DynamoDB, RDS and SQS, {sum(len(group) for group in found.values())} of them. Which components are ours is told "
        f"by their X-Ray types; the other ways rank only those, too. {_alike(found)}"
    )
    return note + (f" {', '.join(borrowed)} bring no stretch without trouble; they are compared with that of another "
                   "traffic scenario." if borrowed else "")


def _alike(found: dict[str, list[Incident]]) -> str:
    """How much the incidents differ, which says how much the figures tell."""
    causes = {incident.cause for group in found.values() for incident in group}
    if len(causes) > 1:
        return f"They have {len(causes)} different causes."
    return ("All have one and the same component as their cause: what finds it once finds it always, so these figures show "
            "that nothing is broken, and not how good it is.")


def _cell(way: Way, chosen: Sequence[Incident]) -> str:
    ranked, causes = [way.rank(incident) for incident in chosen], [incident.cause for incident in chosen]
    return f"{hits(ranked, causes, 1)}, {hits(ranked, causes, 3)} of {len(chosen)}"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 0 also where there is no data set, which is said."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.diagnosis", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get(DATA, DEFAULT)),
                        help=f"the data set's folder; else {DATA} says it")
    parser.add_argument("--groups", nargs="+", help="only these traffic scenarios")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {DOCUMENT.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    groups = options.groups or sorted(path.parent.name for path in options.data.glob("*/graph.csv"))
    if not any(noissue_of(options.data, group) for group in groups):
        print(f"There is no PetShop data set in {options.data.name}/: give its folder by --data or {DATA}. "
              "Nothing was measured.")
        return 0
    measured = tables(options.data, groups)
    print("\n".join(table.as_text() for table in measured))
    if options.write:
        put(measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
