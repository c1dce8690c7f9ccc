# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exceptions of a client library, turned into OperationErrors for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Callable

from .errors import OperationError

Explain = Callable[[BaseException, str, str], OperationError]


def explainer(
    is_theirs: Callable[[BaseException], bool], explain: Explain
) -> Callable[[str, str], AbstractContextManager[None]]:
    """A context manager that raises what the library raises inside the block as the OperationError that it is.

    :param is_theirs: whether an exception is the library's; others pass as they are
    :param explain: the OperationError for one of the library's, given what was attempted and on what
    :returns: `explaining(attempted, resource)`
    """

    @contextmanager
    def explaining(attempted: str, resource: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not is_theirs(error):
                raise
            raise explain(error, attempted, resource) from error

    return explaining
