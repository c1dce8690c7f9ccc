# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A retention policy on every log group, by rules on its name.

Sources: CloudWatch Logs API reference, PutRetentionPolicy and DeleteRetentionPolicy: only listed values are legal;
events past their retention are deleted for good, usually within 72 hours; an account-level policy overrides a group's.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.change import Change, Kept, Plan, Undo, one_step
from ..core.coverage import Collected, Coverage, Gap
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import Operation, Outcome, refuse_incomplete
from ..core.run import Run
from .client import Connect
from .errors import explaining
from .log_groups import KIND, NEVER, LogGroup, list_groups, say_retention

MODULE = "opsbook.runbooks.log_group_retention"


@dataclass(frozen=True)
class Rule:
    """Groups whose name matches the pattern keep events for so many days, 0 for ever."""

    pattern: str
    days: int


@dataclass(frozen=True)
class Wishes:
    """What is wanted.

    :param rules: the first that matches a group's name counts
    :param change_existing: whether a policy that is there may be changed
    :param allow_shorter: whether one may become shorter
    """

    rules: tuple[Rule, ...]
    change_existing: bool = False
    allow_shorter: bool = False

    def days_for(self, name: str) -> int | None:
        """The days of the first rule that matches; None where none does."""
        return next((rule.days for rule in self.rules if fnmatch.fnmatchcase(name, rule.pattern)), None)


def wishes_of(options: Mapping[str, Any]) -> Wishes:
    """The wishes of the module's options."""
    rules = tuple(Rule(rule["pattern"], rule["days"]) for rule in options["rules"])
    return Wishes(rules, options["change_existing"], options["allow_shorter"])


def retain(connect: Connect, run: Run, wishes: Wishes) -> Operation[tuple[LogGroup, ...]]:
    """The operation: set retention policies."""
    return Operation(
        collect=lambda: collect_groups(connect, run, wishes),
        plan=lambda collected: plan_retention(collected, wishes, run.limits),
        apply=lambda change: apply_retention(connect, change),
        verify=lambda collected, plan: verify_retention(connect, wishes, collected, plan),
    )


def collect_groups(connect: Connect, run: Run, wishes: Wishes) -> Collected[tuple[LogGroup, ...]]:
    """Read the log groups that a rule matches.

    :raises OperationError: when they cannot be listed
    """
    groups, absent = list_groups(connect, [rule.pattern for rule in wishes.rules])
    gaps = tuple(Gap(f"{KIND}:{name}", "does not exist") for name in absent)
    return Collected(tuple(groups), run.now(), Coverage(tuple(group.resource for group in groups), gaps))


def plan_retention(collected: Collected[tuple[LogGroup, ...]], wishes: Wishes, limits: Limits) -> Plan:
    """Decide which groups get another policy.

    :raises Refused: when a group that a rule names does not exist
    """
    refuse_incomplete(collected.coverage, "decide on the retention of log groups")
    changes: list[Change] = []
    kept: list[Kept] = []
    for group in collected.state:
        days = wishes.days_for(group.name)
        if days is None:
            continue
        reason = _stays(group, days, wishes, limits)
        if reason:
            kept.append(Kept(group.resource, reason))
        else:
            changes.append(_policy(group, days))
    return one_step(changes, kept, len(collected.state), "log groups that a rule matches")


def apply_retention(connect: Connect, change: Change) -> Outcome:
    """Set or remove one policy; repeating it changes nothing."""
    name, days = change.handle["group"], change.handle["days"]
    client = connect("logs")
    with explaining("set the retention of a log group", name):
        if days == NEVER:
            client.delete_retention_policy(logGroupName=name)
        else:
            client.put_retention_policy(logGroupName=name, retentionInDays=days)
    return Outcome(change.resource)


def verify_retention(
    connect: Connect, wishes: Wishes, collected: Collected[tuple[LogGroup, ...]], plan: Plan
) -> list[Evidence]:
    """Read the groups back: those planned have the new policy, all others the one they had."""
    wanted = {change.resource: change.handle["days"] for change in plan.changes}
    groups, _absent = list_groups(connect, [rule.pattern for rule in wishes.rules])
    now = {group.name: group.retention_days for group in groups}
    evidence = []
    for group in collected.state:
        expected = wanted.get(group.resource, group.retention_days)
        actual = now.get(group.name)
        evidence.append(Evidence("retention in days (0: for ever)", group.resource, expected,
                                 "the group is gone" if actual is None else actual, actual == expected))
    return evidence


def _stays(group: LogGroup, days: int, wishes: Wishes, limits: Limits) -> str:
    present = group.retention_days
    if limits.protects(group.name):
        return "protected"
    if group.account_policy:
        return f"the account policy {group.account_policy} decides its retention"
    if group.log_class == "DELIVERY":
        return "groups of the delivery class keep events for one day"
    if present == days:
        return f"is {say_retention(days)} already"
    if present != NEVER and not wishes.change_existing:
        return f"has a policy of its own ({say_retention(present)}; change_existing is false)"
    if present != NEVER and days != NEVER and days < present and not wishes.allow_shorter:
        return f"would be shortened from {say_retention(present)} to {say_retention(days)} (allow_shorter is false)"
    return ""


def _policy(group: LogGroup, days: int) -> Change:
    undo = Undo(MODULE, {"rules": [{"pattern": group.name, "days": group.retention_days}],
                         "change_existing": True, "allow_shorter": True},
                "Events that AWS has deleted meanwhile do not come back.")
    return Change(
        group.resource, "set_retention", {"retention_days": group.retention_days}, {"retention_days": days},
        f"retention of {group.name}: {say_retention(group.retention_days)} -> {say_retention(days)}", undo,
        {"group": group.name, "days": days})
