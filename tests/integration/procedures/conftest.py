"""A lab of one system, and an estate of all five, for all tests of procedures; freshly seeded for each that changes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.accounts import SYSTEMS
from tests.support.audit import changing, read_audit
from tests.support.labs import Lab, running_lab
from tests.support.procedures import faults


@pytest.fixture(scope="session")
def session_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that stays up for the session."""
    with running_lab(tmp_path_factory.mktemp("procedures") / "lab") as lab:
        yield lab


@pytest.fixture
def lab(session_lab: Lab) -> Lab:
    """The lab, freshly seeded."""
    session_lab.reset()
    return session_lab


@pytest.fixture(scope="module")
def seeded_lab(session_lab: Lab) -> Lab:
    """The lab, freshly seeded once for all tests of a file that leave it as it is."""
    session_lab.reset()
    return session_lab


@pytest.fixture(scope="session")
def session_estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of all five systems that stays up for the session."""
    with running_lab(tmp_path_factory.mktemp("estate") / "lab", SYSTEMS) as lab:
        yield lab


@pytest.fixture
def estate(session_estate: Lab) -> Lab:
    """The five systems, freshly seeded."""
    return _as_seeded(session_estate)


@pytest.fixture(scope="module")
def seeded_estate(session_estate: Lab) -> Lab:
    """The five systems, freshly seeded once for all tests of a file."""
    return _as_seeded(session_estate)


@pytest.fixture(scope="session")
def session_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of the two systems that have databases, which stays up for the session."""
    with running_lab(tmp_path_factory.mktemp("databases") / "lab", ("analytics", "media")) as lab:
        yield lab


@pytest.fixture(scope="module")
def databases(session_databases: Lab) -> Lab:
    """These two systems, freshly seeded once for all tests of a file."""
    session_databases.reset()
    return session_databases


def _as_seeded(lab: Lab) -> Lab:
    """Seeding five systems takes seconds: a lab in which no run has changed anything is left as it is.

    What a test itself makes bad there it makes well again (tests.support.ailments).
    """
    if changing(read_audit(lab.folder)):
        lab.reset()
    return lab


@pytest.fixture
def untouched_lab(seeded_lab: Lab) -> Iterator[Lab]:
    """A lab whose estate must not be changed: whatever a test does, no changing call of the work may arrive."""
    before = len(read_audit(seeded_lab.folder))
    yield seeded_lab
    faults(seeded_lab)
    seeded_lab.control("health", {"reset": True}, of="web")
    assert changing(read_audit(seeded_lab.folder)[before:], "work") == []


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Where the runs of one test leave their records."""
    return tmp_path / "records"
