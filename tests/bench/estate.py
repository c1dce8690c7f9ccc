"""The lab that is measured on: its own, every AWS call slowed down as a network would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.measure import environment
from tests.support.audit import read_audit
from tests.support.labs import Lab, running_lab

LATENCY = 0.03
"""Seconds added to each AWS call."""


@dataclass(frozen=True)
class Estate:
    """A running lab and a folder for what the measurements write."""

    lab: Lab
    folder: Path

    def fresh(self) -> None:
        """Bring the lab back to how it was seeded, which also forgets its faults, and slow it down again."""
        self.lab.reset()
        slow(self.lab)

    def connection(self) -> dict[str, str]:
        """How an Ansible module reaches the lab; amazon.aws and we name these options alike."""
        status = self.lab.status
        return {"region": "us-east-1", "endpoint_url": status["endpoints"]["aws"],
                "access_key": status["credentials"]["access_key"], "secret_key": status["credentials"]["secret_key"]}

    def environment(self, *programs: Path) -> dict[str, str]:
        """The variables of a measured command whose programs are looked for in these folders first."""
        return environment(self.folder / "compiled", *programs)

    def calls(self) -> list[dict[str, Any]]:
        """Every AWS call since the last reset."""
        return read_audit(self.lab.folder)


def slow(lab: Lab) -> None:
    """Add the latency to every AWS call."""
    lab.control("faults", {"faults": [{"service": "*", "action": "*", "kind": "latency", "seconds": LATENCY}]})


@contextmanager
def running_estate(folder: Path, systems: Iterable[str]) -> Iterator[Estate]:
    """Start a lab of these systems in this folder, slow it down, and stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with running_lab(folder / "lab", systems) as lab:
        slow(lab)
        yield Estate(lab, folder)
