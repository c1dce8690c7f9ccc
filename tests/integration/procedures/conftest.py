"""One lab for all tests of procedures, freshly seeded for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.labs import Lab, running_lab


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


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Where the runs of one test leave their records."""
    return tmp_path / "records"
