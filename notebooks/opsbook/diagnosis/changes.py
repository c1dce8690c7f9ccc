"""Deployments and other changes near an onset: hints, and never more.

On public incidents, "the last deployment did it" was right once of 24 times and took a planted harmless deployment for the
cause in 22. A change says where to ask; what says yes is evidence of the component's own. So a change here has a text and a
distance, and no score: `ranking` lets it decide between suspects that are otherwise equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from opsbook.diagnosis.service_map import ServiceMap

BEFORE = timedelta(minutes=30)
"""How long before an onset a change counts as near: a rolling deployment of a service ends within a quarter of an hour, and
its effect shows within another."""
AFTER = timedelta(minutes=2)
"""And after: metrics of whole minutes place an onset up to two of them too early."""


class Changed(Protocol):
    """What a change has to tell, as rows of evidence do."""

    @property
    def time(self) -> datetime: ...
    @property
    def component(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def by(self) -> str: ...


@dataclass(frozen=True)
class Hint:
    """A change near the onset of a component's trouble.

    :param component: where the trouble is
    :param changed: what was changed: the component itself, or something that it calls
    :param before: how long before the onset; negative after it
    :param own: whether it is the component itself that was changed
    """

    component: str
    changed: str
    what: str
    by: str
    time: datetime
    before: timedelta
    own: bool

    def __str__(self) -> str:
        minutes = round(abs(self.before.total_seconds()) / 60)
        where = "" if self.own else f" of {self.changed}"
        when = "after" if self.before < timedelta() else "before"
        return f"{self.what}{where} by {self.by or 'unknown'}, {minutes} min {when} it began: a hint, no evidence"


def hints_of(
    changes: Iterable[Changed], component: str, onset: datetime | None, service_map: ServiceMap | None = None
) -> tuple[Hint, ...]:
    """The changes near the onset of a component's trouble, its own first, then the nearest in time.

    :param onset: when its trouble began; None gives no hints: a change near an unknown moment says nothing
    :param service_map: where given, changes of what the component calls directly count as well
    """
    if onset is None:
        return ()
    callees = service_map[component].calls if service_map and component in service_map else ()
    found = [Hint(component, change.component, change.what, change.by, change.time, onset - change.time,
                  change.component == component)
             for change in changes
             if change.component in (component, *callees) and -AFTER <= onset - change.time <= BEFORE]
    return tuple(sorted(found, key=lambda hint: (not hint.own, abs(hint.before), hint.changed, hint.what)))
