# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log groups that nothing uses any more: which may go, which stay and why.

Procedures 000-09's and 004-12's seeds delete log groups by name, recent events included. Here only a group goes that
never had an event, or whose newest event is past the group's own retention, and that nothing reads or will write to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..core.change import Change, Kept, Plan, no_undo, one_step
from ..core.coverage import Collected, Coverage, merge_coverage
from ..core.durations import parse_duration, say_duration
from ..core.errors import Missing, OperationError, OutcomeUnknown
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import Operation, Outcome
from ..core.run import Run
from .calls import all_pages, call_once
from .client import Connect
from .errors import explaining, is_missing
from .gathering import gather
from .log_groups import KIND, MARGIN, NEVER, LogGroup, last_written, list_groups, say_retention

NO_UNDO = no_undo("A deleted log group is gone with its settings; it can be created anew, its events were expired.")
LAMBDA_PREFIX = "/aws/lambda/"


@dataclass(frozen=True)
class GroupUse:
    """A log group and what shows whether it is used.

    :param written: when it was last written to; None when never
    :param subscriptions: names of its subscription filters
    :param function: the Lambda function that exists and writes to it, or empty
    """

    group: LogGroup
    written: datetime | None = None
    subscriptions: tuple[str, ...] = ()
    function: str = ""


@dataclass(frozen=True)
class Groups:
    """The log groups chosen.

    :param old: those older than the least age, with their use
    :param young: those younger; nothing more was read about them
    :param absent: names that do not exist
    """

    old: tuple[GroupUse, ...]
    young: tuple[LogGroup, ...] = ()
    absent: tuple[str, ...] = ()


def prune(connect: Connect, once: Connect, run: Run, wanted: Sequence[str], min_age: str) -> Operation[Groups]:
    """The operation: delete log groups that nothing uses.

    :param once: connections that do not retry, for the deletions
    :param wanted: log groups by name or pattern
    :param min_age: since creation ("30d"); younger groups stay
    """
    least = parse_duration(min_age)
    return Operation(
        collect=lambda: collect_use(connect, run, wanted, least),
        plan=lambda collected: plan_prune(collected, least, run.limits),
        apply=lambda change: apply_prune(connect, once, run, change),
        verify=lambda collected, plan: verify_prune(connect, wanted, collected, plan),
    )


def collect_use(connect: Connect, run: Run, wanted: Sequence[str], least: timedelta) -> Collected[Groups]:
    """Read what shows the use of each group that is old enough.

    :raises OperationError: when the groups cannot be listed
    """
    groups, absent = list_groups(connect, wanted)
    now = run.now()
    old = {group.name: group for group in groups if now - group.created >= least}
    young = tuple(group for group in groups if group.name not in old)
    uses, coverage = gather(run, KIND, old, lambda name: read_use(connect, old[name], now))
    listed = Coverage(tuple(group.resource for group in young))
    return Collected(Groups(tuple(uses), young, absent), now, merge_coverage([listed, coverage]))


def read_use(connect: Connect, group: LogGroup, now: datetime) -> GroupUse:
    """Read what shows the use of one group.

    :raises OperationError: when any of it cannot be read
    """
    client = connect("logs")
    with explaining("list the subscription filters of a log group", group.name):
        filters = [str(entry["filterName"]) for entry in all_pages(
            client, "describe_subscription_filters", "subscriptionFilters", logGroupName=group.name)]
    return GroupUse(group, last_written(client, group.name, now), tuple(filters), _function(connect, group.name))


def plan_prune(collected: Collected[Groups], least: timedelta, limits: Limits) -> Plan:
    """Decide which groups go. A group that could not be read whole stays, and the coverage says so."""
    state = collected.state
    changes: list[Change] = []
    kept = [Kept(gap.resource, f"could not be read ({gap.reason})") for gap in collected.coverage.missing]
    kept += [Kept(f"{KIND}:{name}", "does not exist") for name in state.absent]
    kept += [Kept(group.resource, f"created within the last {say_duration(least)}") for group in state.young]
    for use in state.old:
        reason = "protected" if limits.protects(use.group.name) else why_used(use, collected.now)
        if reason:
            kept.append(Kept(use.group.resource, reason))
        else:
            changes.append(_deletion(use))
    considered = len(state.old) + len(state.young) + len(collected.coverage.missing)
    return one_step(changes, kept, considered, "log groups")


def why_used(use: GroupUse, now: datetime) -> str:
    """Why a group counts as used; empty when nothing uses it."""
    group = use.group
    if use.function:
        return f"the Lambda function {use.function} writes to it"
    if use.subscriptions:
        return f"read by the subscription filter {', '.join(use.subscriptions)}"
    if group.metric_filters:
        return "read by metric filters"
    if group.is_protected:
        return "its deletion protection is on"
    if use.written is None:
        return "still stores events" if group.stored_bytes else ""
    if group.retention_days == NEVER:
        return "no retention policy, and it has events"
    if now - use.written < timedelta(days=group.retention_days) + MARGIN:
        return f"written to within its retention ({say_retention(group.retention_days)})"
    return "still stores events" if group.stored_bytes else ""


def apply_prune(connect: Connect, once: Connect, run: Run, change: Change) -> Outcome:
    """Delete one group, after another look at it. Gone already is fine.

    :raises OperationError: when the group is used by now; it is not deleted
    """
    planned: LogGroup = change.handle["group"]
    if not _is_there(connect, run, planned):
        return Outcome(change.resource, {"already_gone": True})
    client = once("logs")
    try:
        call_once(run, lambda: client.delete_log_group(logGroupName=planned.name), "delete a log group", planned.name)
    except Missing:
        return Outcome(change.resource, {"already_gone": True})
    except OutcomeUnknown:
        # Not sent again: an application may have made the group anew meanwhile, with events in it.
        if list_groups(connect, [planned.name])[0]:
            raise
    return Outcome(change.resource)


def verify_prune(connect: Connect, wanted: Sequence[str], collected: Collected[Groups], plan: Plan) -> list[Evidence]:
    """List the groups again: those planned are gone, the others that were looked at are there."""
    planned = {change.resource for change in plan.changes}
    there = {group.resource for group in list_groups(connect, wanted)[0]}
    evidence = []
    for use in collected.state.old:
        expected = "gone" if use.group.resource in planned else "present"
        actual = "present" if use.group.resource in there else "gone"
        evidence.append(Evidence("log group", use.group.resource, expected, actual, actual == expected))
    return evidence


def _is_there(connect: Connect, run: Run, planned: LogGroup) -> bool:
    groups, absent = list_groups(connect, [planned.name])
    if absent:
        return False
    reason = "it was deleted and made anew since it was looked at" if groups[0].created != planned.created \
        else why_used(read_use(connect, groups[0], run.now()), run.now())
    if reason:
        raise OperationError("delete a log group", planned.name, f"it is used after all: {reason}",
                             "It was not deleted. Run again to look at it anew.")
    return True


def _function(connect: Connect, name: str) -> str:
    """The Lambda function that writes to a group of its name, where it exists."""
    if not name.startswith(LAMBDA_PREFIX):
        return ""
    function = name[len(LAMBDA_PREFIX):]
    with explaining("look for the Lambda function of a log group", function):
        try:
            connect("lambda").get_function_configuration(FunctionName=function)
        except Exception as error:
            if not is_missing(error):
                raise
            return ""
    return function


def _deletion(use: GroupUse) -> Change:
    group, events = use.group, "expired" if use.written else "never any"
    return Change(
        group.resource, "delete", {"retention_days": group.retention_days, "events": events}, None,
        f"delete the log group {group.name} (events: {events})", NO_UNDO, {"group": group})
