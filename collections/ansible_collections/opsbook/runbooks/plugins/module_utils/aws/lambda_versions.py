# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Old versions of Lambda functions: which may go, which stay and why.

Procedure 000-09's seed deletes every published version: AWS refuses those behind an alias, and the rest includes the
one to roll back to. Kept here: `$LATEST`, what an alias points to (also by weight), what has provisioned concurrency,
what an event source invokes, and the newest N.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.change import Change, Kept, Plan, no_undo, one_step
from ..core.coverage import Collected
from ..core.errors import Refused
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import Operation, Outcome, refuse_incomplete
from ..core.run import Run
from .calls import all_pages
from .client import Connect
from .errors import explaining, is_missing
from .gathering import gather
from .lambda_functions import function_names

KIND = "lambda-version"
NO_UNDO = no_undo("A deleted version cannot be restored; publish the same code again and it gets a new number.")


@dataclass(frozen=True)
class FunctionVersions:
    """A function's published versions.

    :param name: the function
    :param versions: version number to the SHA-256 of its code; `$LATEST` is not among them
    :param used: version number to why it is in use
    """

    name: str
    versions: Mapping[int, str]
    used: Mapping[int, str]


def prune(connect: Connect, run: Run, wanted: Sequence[str], keep: int) -> Operation[tuple[FunctionVersions, ...]]:
    """The operation: delete published versions that nothing uses, but for the newest.

    :param wanted: functions by name or pattern; none means none, as for every operation that changes something
    :param keep: how many of the newest stay besides those in use
    """
    return Operation(
        collect=lambda: collect_versions(connect, run, wanted),
        plan=lambda collected: plan_prune(collected, keep, run.limits),
        apply=lambda change: apply_prune(connect, change),
        verify=lambda collected, plan: verify_prune(connect, run, collected, plan),
    )


def collect_versions(connect: Connect, run: Run, wanted: Sequence[str]) -> Collected[tuple[FunctionVersions, ...]]:
    """Read versions and everything that may use one, of all functions meant.

    :raises OperationError: when functions or event sources cannot be listed
    """
    if not wanted:
        return Collected((), run.now())
    client = connect("lambda")
    names = function_names(connect, wanted)
    with explaining("list event source mappings", "all functions"):
        sources = [str(mapping.get("FunctionArn", "")) for mapping in
                   all_pages(client, "list_event_source_mappings", "EventSourceMappings")]

    def read_one(name: str) -> FunctionVersions:
        with explaining("read the versions of a Lambda function", name):
            versions = _published(client, name)
            return FunctionVersions(name, versions, _users(client, name, sources) if versions else {})

    functions, coverage = gather(run, "lambda-function", names, read_one)
    return Collected(tuple(functions), run.now(), coverage)


def plan_prune(collected: Collected[tuple[FunctionVersions, ...]], keep: int, limits: Limits) -> Plan:
    """Decide which versions go.

    :raises Refused: when anything could not be read: a version that looks unused may not be
    """
    if keep < 1:
        raise Refused("prune Lambda versions", f"keep={keep}", "the newest version is the one to roll back to",
                      "Keep at least 1.")
    refuse_incomplete(collected.coverage, "decide which Lambda versions are unused")
    changes: list[Change] = []
    kept: list[Kept] = []
    for function in collected.state:
        newest = sorted(function.versions, reverse=True)[:keep]
        for version in sorted(function.versions):
            resource = f"{KIND}:{function.name}:{version}"
            reason = _stays(function, version, newest, limits)
            if reason:
                kept.append(Kept(resource, reason))
            else:
                changes.append(_deletion(function, version, resource))
    return one_step(changes, kept, sum(len(function.versions) for function in collected.state), "published versions")


def apply_prune(connect: Connect, change: Change) -> Outcome:
    """Delete one version. Gone already is fine; in use since it was planned is AWS's refusal, and an error."""
    name, version = change.handle["function"], change.handle["version"]
    with explaining("delete a version of a Lambda function", f"{name}:{version}"):
        try:
            connect("lambda").delete_function(FunctionName=name, Qualifier=str(version))
        except Exception as error:
            if not is_missing(error):
                raise
            return Outcome(change.resource, {"already_gone": True})
    return Outcome(change.resource)


def verify_prune(
    connect: Connect, run: Run, collected: Collected[tuple[FunctionVersions, ...]], plan: Plan
) -> list[Evidence]:
    """Read the versions of every function back: those planned are gone, all others are there."""
    gone = {(change.handle["function"], change.handle["version"]) for change in plan.changes}

    def read_one(name: str) -> tuple[str, list[int]]:
        return name, sorted(_published(connect("lambda"), name))

    read, _coverage = gather(run, "lambda-function", [function.name for function in collected.state], read_one)
    now = dict(read)
    evidence = []
    for function in collected.state:
        stays = sorted(version for version in function.versions if (function.name, version) not in gone)
        goes = {version for name, version in gone if name == function.name}
        actual = now.get(function.name)
        # What was published meanwhile is nobody's fault.
        right = None if actual is None else set(stays) <= set(actual) and not goes & set(actual)
        evidence.append(Evidence("published versions", f"lambda-function:{function.name}", stays, actual, right))
    return evidence


def _published(client: Any, name: str) -> dict[int, str]:
    """Version number to the SHA-256 of its code."""
    with explaining("list the versions of a Lambda function", name):
        return {int(version["Version"]): str(version.get("CodeSha256", "")) for version in
                all_pages(client, "list_versions_by_function", "Versions", FunctionName=name)
                if version["Version"] != "$LATEST"}


def _users(client: Any, name: str, sources: Sequence[str]) -> dict[int, str]:
    used: dict[int, str] = {}
    aliases: dict[str, int] = {}
    for alias in all_pages(client, "list_aliases", "Aliases", FunctionName=name):
        weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        for version in [alias["FunctionVersion"], *weights]:
            if version != "$LATEST":
                used[int(version)] = f"alias {alias['Name']}"
        if alias["FunctionVersion"] != "$LATEST":
            aliases[alias["Name"]] = int(alias["FunctionVersion"])
    provisioned = [config["FunctionArn"] for config in all_pages(
        client, "list_provisioned_concurrency_configs", "ProvisionedConcurrencyConfigs", FunctionName=name)]
    for arns, why in ((provisioned, "provisioned concurrency"), (sources, "an event source")):
        for arn in arns:
            version = _version_of(arn, name, aliases)
            if version:
                used.setdefault(version, why)
    return used


def _version_of(arn: str, name: str, aliases: Mapping[str, int]) -> int:
    """The version that a qualified ARN ends in, by number or alias; 0 where there is none."""
    before, _sign, qualifier = arn.rpartition(f":function:{name}:")
    if not before:
        return 0
    return int(qualifier) if qualifier.isdigit() else aliases.get(qualifier, 0)


def _stays(function: FunctionVersions, version: int, newest: Sequence[int], limits: Limits) -> str:
    if version in function.used:
        return f"used by {function.used[version]}"
    if version in newest:
        return f"one of the newest {len(newest)}"
    if limits.protects(function.name) or limits.protects(f"{function.name}:{version}"):
        return "protected"
    return ""


def _deletion(function: FunctionVersions, version: int, resource: str) -> Change:
    return Change(
        resource, "delete", {"code_sha256": function.versions[version]}, None,
        f"delete version {version} of {function.name}", NO_UNDO, {"function": function.name, "version": version})
