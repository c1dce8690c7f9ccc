"""The estates of all systems by name."""

from __future__ import annotations

from collections.abc import Mapping

from lab.estate.commerce import COMMERCE
from lab.estate.model import Estate

ESTATES: Mapping[str, Estate] = {COMMERCE.system: COMMERCE}
