# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work that must not be waited for longer than so long, whatever a server or a network does."""

from __future__ import annotations

import threading
from typing import Callable, Generic, TypeVar

from ..core.errors import OperationError

Answer = TypeVar("Answer")


class _Attempt(threading.Thread, Generic[Answer]):
    """The work in a thread that ends with the process: what hangs does not keep it."""

    def __init__(self, work: Callable[[], Answer]) -> None:
        super().__init__(name="opsbook-deadline", daemon=True)
        self._work = work
        self.answers: list[Answer] = []
        self.errors: list[BaseException] = []

    def run(self) -> None:
        try:
            self.answers.append(self._work())
        except BaseException as error:
            self.errors.append(error)


def within(seconds: float, attempted: str, resource: str, work: Callable[[], Answer]) -> Answer:
    """What the work answers.

    :raises OperationError: when it has not by then; it is left to itself
    """
    attempt = _Attempt(work)
    attempt.start()
    attempt.join(seconds)
    if attempt.errors:
        raise attempt.errors[0]
    if not attempt.answers:
        raise OperationError(attempted, resource, f"there was no answer within {seconds:g} seconds")
    return attempt.answers[0]
