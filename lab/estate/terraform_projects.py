"""The Terraform configurations of the systems, each in the lab's own folder, so that its state lives and dies there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

_SOURCES = Path(__file__).parent / "terraform"


def lay_out(folder: Path, systems: Iterable[str]) -> None:
    """Put a fresh copy of each system's configuration into `<folder>/terraform/<system>`, without any state."""
    target = folder / "terraform"
    shutil.rmtree(target, ignore_errors=True)
    for system in systems:
        if (_SOURCES / system).is_dir():
            shutil.copytree(_SOURCES / system, target / system)
