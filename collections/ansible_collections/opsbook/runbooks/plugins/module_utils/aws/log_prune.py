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
from typing import Any

from ..core.change import Change, Kept, Plan, no_undo, one_step
from ..core.coverage import Collected, merge_coverage
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
    uses, coverage = gather(run, KIND, old, lambda name: read_use(connect, old[name], now))
    young = tuple(group for group in groups if group.name not in old)
    # A group deleted while it was looked at is no gap.
    gone = tuple(gap.resource.partition(":")[2] for gap in coverage.missing if gap.reason == "does not exist")
    missing = tuple(gap for gap in coverage.missing if gap.reason != "does not exist")
    whole = merge_coverage([type(coverage)(coverage.read, missing)])
    return Collected(Groups(tuple(uses), young, (*absent, *gone)), now, whole)
