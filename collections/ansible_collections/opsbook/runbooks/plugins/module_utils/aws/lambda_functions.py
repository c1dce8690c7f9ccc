# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lambda functions: which there are and whether they can run.

ListFunctions never returns a function's state (procedure 000-01's seed filters on it and flags every function), so
each function is asked on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..core.coverage import Collected, Coverage, merge_coverage
from ..core.errors import Refused
from ..core.evidence import Evidence
from ..core.run import Run
from ..core.selection import has_pattern, select
from .calls import all_pages
from .client import Connect
from .errors import explaining
from .gathering import gather

KIND = "lambda-function"


@dataclass(frozen=True)
class Function:
    """One function as GetFunctionConfiguration tells it.

    :param timeout: seconds
    :param memory: MiB
    """

    name: str
    state: str
    state_reason: str
    last_update: str
    last_update_reason: str
    runtime: str
    timeout: int
    memory: int
    last_modified: str
    code_sha256: str


def function_names(connect: Connect, wanted: Sequence[str]) -> list[str]:
    """The functions meant by names and patterns. Plain names are taken as they are, without listing the account.

    :raises OperationError: when the functions cannot be listed
    """
    qualified = [name for name in wanted if ":" in name]
    if qualified:
        # By ARN a function would be another resource to `protected`, and to what tells which versions are in use.
        raise Refused("choose Lambda functions", ", ".join(qualified), "they are not named by their own name",
                      "Give the name alone, without ARN, account or version.")
    if wanted and not has_pattern(wanted):
        return list(dict.fromkeys(wanted))
    with explaining("list Lambda functions", ", ".join(wanted) or "all"):
        existing = [str(function["FunctionName"]) for function in
                    all_pages(connect("lambda"), "list_functions", "Functions")]
    chosen = select(wanted, existing)
    return [*sorted(chosen.chosen), *chosen.absent]


def collect_functions(connect: Connect, run: Run, wanted: Sequence[str]) -> Collected[tuple[Function, ...]]:
    """Read the functions meant by names and patterns; none given means all of the region."""

    def read_one(name: str) -> Function:
        with explaining("read a Lambda function", name):
            return function_of(connect("lambda").get_function_configuration(FunctionName=name))

    functions, coverage = gather(run, KIND, function_names(connect, wanted), read_one)
    return Collected(tuple(functions), run.now(), merge_coverage([coverage, _listing(wanted)]))


def evaluate_functions(collected: Collected[tuple[Function, ...]]) -> list[Evidence]:
    """A function is right when its state is Active (Inactive: it only sleeps) and its last update succeeded."""
    evidence = []
    for function in collected.state:
        actual = {"state": function.state, "last_update": function.last_update}
        right = function.state in ("Active", "Inactive") and function.last_update in ("Successful", "")
        evidence.append(Evidence("function state", f"{KIND}:{function.name}",
                                 {"state": "Active", "last_update": "Successful"}, actual, right))
    return evidence


def describe_functions(collected: Collected[tuple[Function, ...]]) -> Mapping[str, Any]:
    """The functions as plain data, under `functions`."""
    return {"functions": [asdict(function) for function in collected.state]}


def function_of(reply: Mapping[str, Any]) -> Function:
    """A Function from the API's shape."""
    return Function(
        name=reply["FunctionName"], state=reply.get("State", ""), state_reason=reply.get("StateReason", ""),
        last_update=reply.get("LastUpdateStatus") or "", last_update_reason=reply.get("LastUpdateStatusReason", ""),
        runtime=reply.get("Runtime", ""), timeout=int(reply.get("Timeout", 0)), memory=int(reply.get("MemorySize", 0)),
        last_modified=reply.get("LastModified", ""), code_sha256=reply.get("CodeSha256", ""))


def _listing(wanted: Sequence[str]) -> Coverage:
    listed = not wanted or has_pattern(wanted)
    return Coverage((f"{KIND}s matching {', '.join(wanted) or '*'}",)) if listed else Coverage()
