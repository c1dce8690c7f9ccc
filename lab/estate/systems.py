"""The estates of all systems by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lab.estate.analytics import analytics
from lab.estate.commerce import commerce
from lab.estate.media import media
from lab.estate.metering import metering
from lab.estate.model import Estate
from lab.estate.reviews import reviews

_BUILDERS: Mapping[str, Callable[[int, int], Estate]] = {
    "commerce": commerce,
    "analytics": analytics,
    "metering": metering,
    "media": media,
    "reviews": reviews,
}


def estates(systems: Iterable[str], size: int = 1, seed: int = 1) -> list[Estate]:
    """The estates of these systems; raises KeyError for one that the lab does not know.

    :param size: multiplies services, functions, tables, queues and log groups, with what belongs to them
    :param seed: what is drawn at random is the same for the same seed
    """
    return [_BUILDERS[system](size, seed) for system in systems]


# At the size that people work with; secrets are the same at every size.
ESTATES: Mapping[str, Estate] = {system: build(1, 1) for system, build in _BUILDERS.items()}
