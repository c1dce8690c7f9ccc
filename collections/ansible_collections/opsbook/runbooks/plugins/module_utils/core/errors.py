# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong, said so that a person knows what to do: attempted, on what, why, and what next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class OperationError(Exception):
    """An operation could not do what it was asked.

    :param attempted: what was attempted, as an infinitive ("delete a Lambda version")
    :param resource: on what, the resource's name or ARN
    :param reason: why it failed
    :param advice: what to do next
    :param details: plain data for the result (a partial answer, names of resources)
    """

    def __init__(
        self, attempted: str, resource: str, reason: str, advice: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        self.attempted = attempted
        self.resource = resource
        self.reason = reason
        self.advice = advice
        self.details = dict(details or {})
        super().__init__(self.message())

    def message(self) -> str:
        """One paragraph: what was attempted, on what, why it failed, what to do next."""
        text = f"Could not {self.attempted} ({self.resource}): {self.reason.rstrip('.')}."
        return f"{text} {self.advice}" if self.advice else text


class Refused(OperationError):
    """Refused before anything changed: a limit, a protected resource, a missing receipt, a plan that is not approved."""


class Denied(OperationError):
    """The caller may not read or change the resource. Never the same as "there is none"."""


class Missing(OperationError):
    """The resource does not exist."""


class Skipped(OperationError):
    """There is nothing to do here for a reason that is no fault, as a tool that this machine does not have."""


class Stopped(OperationError):
    """No new change may start: the deadline passed, the lease is lost, or the launcher is gone."""


class OutcomeUnknown(OperationError):
    """A changing call was sent and its answer was lost: read the system before trying again."""


class MissingLibrary(OperationError):
    """A Python library that the operation needs is not installed where it runs."""

    def __init__(self, library: str, url: str = "") -> None:
        self.library = library
        self.url = url
        super().__init__("import a Python library", library, "it is not installed", "Install it and run again.")
