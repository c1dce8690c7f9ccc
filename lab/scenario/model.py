"""A labelled incident: what really happened, what shows, and what a good investigation says of it.

The files in `lab/scenarios` are checked by `lab/scenarios/schema.json`; here they become plain data. Times in them are ages
at the moment of injection: `from: 25m` is twenty-five minutes before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.folders import LabError

FOLDER = Path(__file__).resolve().parents[1] / "scenarios"
SUSPECTS, NOTHING_WRONG, INSUFFICIENT = "suspects", "nothing_wrong", "insufficient_evidence"
_AGE = re.compile(r"(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?")
_SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}


@dataclass(frozen=True)
class Label:
    """A cause and the component that it lies in, as the system's service map names it."""

    cause: str
    resource: str


@dataclass(frozen=True)
class Scenario:
    """One labelled incident, or a control.

    :param story: what really happened; for people, never for a notebook
    :param verdict: what a good investigation says: suspects, nothing_wrong or insufficient_evidence
    :param cause: the label; None where there is nothing to find
    :param accepted: other labels that are as right
    :param control: what a control controls for; empty for an incident
    :param investigations: names of the notebooks that it concerns
    :param onset: seconds before the injection at which it began
    :param ended: seconds before the injection at which it was over; None: it goes on
    :param decoys: what looks like the cause and is none, in words
    :param symptoms: what shows, by place: metrics, logs, ecs, postgres ...
    """

    name: str
    system: str
    title: str
    story: str
    verdict: str
    investigations: tuple[str, ...]
    onset: float
    cause: Label | None = None
    accepted: tuple[Label, ...] = ()
    control: str = ""
    ended: float | None = None
    decoys: tuple[str, ...] = ()
    symptoms: Mapping[str, Any] = field(default_factory=dict)

    def accepts(self, cause: str, resource: str) -> bool:
        """Whether a suspect is right."""
        return Label(cause, resource) in (self.cause, *self.accepted)


def load_scenarios(folder: Path = FOLDER) -> list[Scenario]:
    """All scenarios, by name; raises LabError for a file that is none."""
    return [load_scenario(path.stem, folder) for path in sorted(folder.glob("*.yml"))]


def load_scenario(name: str, folder: Path = FOLDER) -> Scenario:
    """One scenario; raises LabError, which names the nearest ones where there is none of this name."""
    path = folder / f"{name}.yml"
    if not path.is_file():
        raise LabError(f"there is no scenario {name!r}; there are {', '.join(_known(folder))}")
    try:
        return scenario_of(path.stem, yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise LabError(f"{path} is no scenario: {type(error).__name__}: {error}") from error


def _known(folder: Path) -> Iterable[str]:
    return sorted(path.stem for path in folder.glob("*.yml"))


def scenario_of(name: str, described: Mapping[str, Any]) -> Scenario:
    """The scenario that a file describes; raises KeyError, TypeError or ValueError."""
    return Scenario(
        name=name,
        system=str(described["system"]),
        title=str(described["title"]),
        story=str(described["story"]).strip(),
        verdict=str(described["verdict"]),
        investigations=tuple(described["investigations"]),
        onset=seconds(described["onset"]),
        cause=Label(**described["cause"]) if described.get("cause") else None,
        accepted=tuple(Label(**label) for label in described.get("accepted", ())),
        control=str(described.get("control", "")),
        ended=seconds(described["ended"]) if described.get("ended") else None,
        decoys=tuple(described.get("decoys", ())),
        symptoms=dict(described.get("symptoms", {})),
    )


def seconds(age: Any) -> float:
    """The seconds of an age such as 25m, 1h30m or 2d; raises ValueError."""
    match = _AGE.fullmatch(str(age))
    if not match or not str(age):
        raise ValueError(f"{age!r} is no age: write 25m, 1h30m or 2d")
    return float(sum(int(value) * _SECONDS[unit] for unit, value in match.groupdict().items() if value))
