# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What names and patterns choose among what a list operation shows, and what it means when a name is not there.

A resource that is named and does not exist is a fault. A list that could not be read is a gap: then nothing is known about
what is on it, neither that a name exists nor that it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable, Generic, TypeVar

from ..core.coverage import Coverage, Gap
from ..core.errors import OperationError
from ..core.evidence import Evidence
from ..core.selection import select

Item = TypeVar("Item")


@dataclass(frozen=True)
class Found(Generic[Item]):
    """What names and patterns chose.

    :param items: what exists, sorted by name
    :param absent: plain names that nothing has; a pattern that matches nothing is not an error
    """

    items: tuple[Item, ...] = ()
    absent: tuple[str, ...] = ()


def choose(
    kind: str, wanted: Sequence[str], read_all: Callable[[], Mapping[str, Item]]
) -> tuple[Found[Item], Coverage]:
    """Choose among all that exist.

    :param kind: what they are, as it prefixes their names in the coverage ("sqs-queue")
    :param wanted: names and patterns; none chooses everything
    :param read_all: reads the list, all pages, by name; raises OperationError when it cannot
    """
    resource = f"{kind}s matching {', '.join(wanted) or '*'}"
    try:
        existing = read_all()
    except OperationError as error:
        return Found(), Coverage(missing=(Gap(resource, error.reason),))
    chosen = select(wanted, sorted(existing))
    return Found(tuple(existing[name] for name in chosen.chosen), chosen.absent), Coverage((resource,))


def absences(kind: str, absent: Sequence[str]) -> list[Evidence]:
    """The evidence of names that nothing has: each is a fault."""
    return [Evidence("existence", f"{kind}:{name}", "exists", "does not exist", False) for name in absent]
