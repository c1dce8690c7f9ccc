"""One lab of all five systems for the readers of evidence, with what each system declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab.accounts import SYSTEMS
from lab.scenario.injection import clear, inject
from lab.scenario.model import load_scenario
from tests.support.cases import Example, declared_in
from tests.support.labs import Lab, running_lab
from tests.support.procedures import faults


@pytest.fixture(scope="session")
def evidence_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that stays up for the session."""
    with running_lab(tmp_path_factory.mktemp("evidence") / "lab", SYSTEMS) as lab:
        yield lab


@pytest.fixture
def lab(evidence_lab: Lab) -> Iterator[Lab]:
    """The lab; what a test injects or forbids is taken back."""
    yield evidence_lab
    faults(evidence_lab)
    clear(evidence_lab.folder)


Cases = Callable[[str], Example]


@pytest.fixture(scope="session")
def declared(evidence_lab: Lab) -> dict[str, dict[str, object]]:
    """What the inventory declares for each system."""
    return {system: declared_in(evidence_lab, system) for system in SYSTEMS}


@pytest.fixture
def case_of(lab: Lab, declared: dict[str, dict[str, object]]) -> Cases:
    """The case of a system, whose window ends now."""
    return lambda system: Example(declared[system])


@pytest.fixture
def incident(lab: Lab, declared: dict[str, dict[str, object]]) -> Cases:
    """Inject a scenario by name; returns the case of its system."""

    def begin(name: str) -> Example:
        scenario = load_scenario(name)
        inject(lab.folder, scenario)
        return Example(declared[scenario.system])

    return begin
