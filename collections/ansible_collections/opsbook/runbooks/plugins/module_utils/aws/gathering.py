# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading many resources at once, with a gap in the coverage for each that could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable, TypeVar, cast

from ..core.coverage import Coverage, Gap
from ..core.errors import Missing
from ..core.run import Run

Answer = TypeVar("Answer")


def gather(
    run: Run, kind: str, names: Iterable[str], read_one: Callable[[str], Answer]
) -> tuple[list[Answer], Coverage]:
    """Read each resource, several at once.

    :param kind: what they are, as it prefixes their names in the coverage ("lambda-function")
    :param read_one: reads one whole, raising OperationError when it cannot
    :returns: what was read, in the names' order, and the coverage; a resource that does not exist is a gap too
    """
    answers: list[Answer] = []
    read: list[str] = []
    missing: list[Gap] = []
    for done in run.each(read_one, names):
        resource = f"{kind}:{done.item}"
        if done.error is None:
            answers.append(cast(Answer, done.answer))
            read.append(resource)
        else:
            reason = "does not exist" if isinstance(done.error, Missing) else done.error.reason
            missing.append(Gap(resource, reason))
    return answers, Coverage(tuple(read), tuple(missing))
