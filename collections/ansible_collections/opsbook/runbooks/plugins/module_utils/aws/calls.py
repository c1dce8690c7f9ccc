# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How AWS is called: all pages of a list, and changing calls that must not happen twice."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, Callable, TypeVar

from ..core.run import Run
from .errors import explain, is_aws, is_throttled, was_answered

Answer = TypeVar("Answer")


def all_pages(client: Any, operation: str, key: str, **request: Any) -> Iterator[Any]:
    """Every element of a list operation, over all its pages.

    :param client: a boto3 client
    :param operation: its method ("list_functions")
    :param key: the reply's list ("Functions")
    """
    for page in client.get_paginator(operation).paginate(**request):
        yield from page.get(key) or ()


def call_once(run: Run, call: Callable[[], Answer], attempted: str, resource: str) -> Answer:
    """Make a changing call that has no idempotency token.

    It needs a client that does not retry (`connector(options, attempts=1)`): botocore would send it again after a
    lost connection, and the first may have been carried out. Only a throttled call, which AWS did not carry out, is
    tried again, with the run's back-off, until the run's deadline.

    :raises OutcomeUnknown: when the answer was lost; read the system before trying again
    :raises OperationError: for everything else that AWS answers
    """

    def attempt() -> tuple[Answer | None, BaseException | None]:
        run.may_change()
        try:
            return call(), None
        except Exception as error:
            if is_aws(error) and was_answered(error) and is_throttled(error):
                return None, error
            if is_aws(error):
                raise explain(error, attempted, resource) from error
            raise

    throttled: list[BaseException] = []

    def attempt_in_time() -> tuple[Answer | None, BaseException | None]:
        if throttled and run.clock.monotonic() >= run.deadline:
            raise explain(throttled[-1], attempted, resource) from throttled[-1]
        seen = attempt()
        throttled.extend(error for error in seen[1:] if isinstance(error, BaseException))
        return seen

    answer, error = run.poll(first_delay=0.1, longest_delay=5.0).until(
        attempt_in_time, lambda seen: seen[1] is None,
        lambda seen: f"{resource}: throttled, waiting" if seen[1] else "").seen
    if error is not None:
        raise explain(error, attempted, resource) from error
    return answer  # type: ignore[return-value]  # only a call that answered leaves no error


def request_token(before: str, resource: str) -> str:
    """A client request token, UUIDv5 of a resource and the state that is to change.

    A re-run after a crash repeats the request instead of making a second one; once the change is made the state is
    another, and so is the token of the next. Without a state each call gets its own.

    :param before: what identifies the state before the change, a version id for one
    """
    if not before:
        return str(uuid.uuid4())
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"opsbook:{len(before)}:{before}:{resource}"))
