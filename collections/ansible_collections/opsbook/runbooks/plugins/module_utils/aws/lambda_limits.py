# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What bounds Lambda functions: their own time and memory, the concurrency kept for them, and the account's (004-08,
004-14).

Sources, Lambda API reference (GetFunctionConfiguration, GetFunctionConcurrency, GetAccountSettings,
ListVersionsByFunction). The environment of a function may hold secrets and is not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..core.coverage import Collected, Coverage, Gap, merge_coverage
from ..core.errors import OperationError
from ..core.run import Run
from .calls import all_pages
from .client import Connect
from .errors import explaining
from .gathering import gather
from .lambda_functions import KIND, Function, function_of


@dataclass(frozen=True)
class Bounded:
    """A function with what bounds it.

    :param reserved: concurrent calls kept for it, and the most it may have; None where nothing is
    """

    function: Function
    reserved: int | None


@dataclass(frozen=True)
class Bounds:
    """Functions and their account.

    :param account_limit: concurrent calls of all functions of the region; None where that could not be read
    :param unreserved: of these, for functions without a reserve
    """

    functions: tuple[Bounded, ...]
    account_limit: int | None = None
    unreserved: int | None = None


@dataclass(frozen=True)
class Version:
    """A published version, or `$LATEST`."""

    function: str
    version: str
    modified: datetime
    description: str


def collect_bounds(connect: Connect, run: Run, names: Sequence[str]) -> Collected[Bounds]:
    """Read the functions named and their account's limits; what cannot be read is a gap."""

    def read_one(name: str) -> Bounded:
        with explaining("read a Lambda function", name):
            configuration = connect("lambda").get_function_configuration(FunctionName=name)
            concurrency = connect("lambda").get_function_concurrency(FunctionName=name)
        return Bounded(function_of(configuration), concurrency.get("ReservedConcurrentExecutions"))

    functions, coverage = gather(run, KIND, names, read_one)
    try:
        with explaining("read the limits of Lambda", "account"):
            limits = connect("lambda").get_account_settings().get("AccountLimit") or {}
        account = Coverage(("lambda account limits",))
    except OperationError as error:
        limits, account = {}, Coverage((), (Gap("lambda account limits", error.reason),))
    state = Bounds(tuple(functions), limits.get("ConcurrentExecutions"), limits.get("UnreservedConcurrentExecutions"))
    return Collected(state, run.now(), merge_coverage([coverage, account]))


def collect_changed_versions(
    connect: Connect, run: Run, names: Sequence[str], start: datetime, end: datetime
) -> Collected[tuple[Version, ...]]:
    """The versions that were published, and the functions that were changed, from start to before end; oldest first."""

    def read_one(name: str) -> list[Version]:
        with explaining("read the versions of a Lambda function", name):
            return [_version(name, entry) for entry in
                    all_pages(connect("lambda"), "list_versions_by_function", "Versions", FunctionName=name)]

    found, coverage = gather(run, "versions of lambda-function", names, read_one)
    chosen = [version for versions in found for version in versions if start <= version.modified < end]
    return Collected(tuple(sorted(chosen, key=lambda version: (version.modified, version.function))), run.now(), coverage)


def _version(name: str, entry: Mapping[str, Any]) -> Version:
    return Version(name, str(entry.get("Version") or ""), modified_at(str(entry.get("LastModified") or "")),
                   str(entry.get("Description") or "")[:200])


def modified_at(text: str) -> datetime:
    """A time as Lambda writes it ("2026-11-21T20:05:00.000+0000"); long ago where there is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(timezone.utc)
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=timezone.utc)
