# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CloudWatch log groups: which there are, how long they keep events, and when they were last written to.

Sources: CloudWatch Logs API reference, DescribeLogGroups, LogStream, PutLogEvents, FilterLogEvents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ..core.selection import select
from .calls import all_pages
from .client import Connect
from .errors import explaining

KIND = "log-group"
# The values that PutRetentionPolicy accepts; 0 stands for a group without a policy, whose events never expire.
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)
NEVER = 0
# lastEventTimestamp and lastIngestionTime are "eventually consistent: typically updated in less than an hour, in rare
# situations longer" (LogStream). A day allows for the rare ones.
MARGIN = timedelta(days=1)
# The oldest that an event may be when it is written (PutLogEvents): what the streams' times do not show yet is younger.
OLDEST_WRITTEN = timedelta(days=14)


@dataclass(frozen=True)
class LogGroup:
    """One log group.

    :param retention_days: how long events are kept; 0 when they never expire
    :param stored_bytes: bytes of the events that have not expired, as AWS last counted them
    :param metric_filters: how many metric filters read it
    :param is_protected: whether AWS's deletion protection is on
    :param account_policy: name of the account-level policy that decides the retention instead, or empty
    :param log_class: `STANDARD`, `INFREQUENT_ACCESS`, `DELIVERY` ...
    """

    name: str
    created: datetime
    retention_days: int = NEVER
    stored_bytes: int = 0
    metric_filters: int = 0
    is_protected: bool = False
    account_policy: str = ""
    log_class: str = "STANDARD"

    @property
    def resource(self) -> str:
        """The group as changes and evidence name it."""
        return f"{KIND}:{self.name}"


def list_groups(connect: Connect, wanted: Sequence[str]) -> tuple[list[LogGroup], tuple[str, ...]]:
    """The log groups meant by names and patterns, and the plain names that do not exist. None meant is none.

    All pages are read, narrowed by the prefix that all patterns share; `logGroupNamePattern` is not used, since its
    answers leave the retention out.

    :raises OperationError: when the groups cannot be listed
    """
    if not wanted:
        return [], ()
    prefix = common_prefix(wanted)
    with explaining("list log groups", ", ".join(wanted)):
        found = all_pages(connect("logs"), "describe_log_groups", "logGroups",
                          **({"logGroupNamePrefix": prefix} if prefix else {}))
        groups = {entry["logGroupName"]: _group(entry) for entry in found}
    chosen = select(wanted, sorted(groups))
    return [groups[name] for name in chosen.chosen], chosen.absent


def common_prefix(wanted: Sequence[str]) -> str:
    """What all names and patterns, at least one, begin with, up to the first sign of a pattern."""
    fixed = sorted(re.split(r"[*?\[]", name, maxsplit=1)[0] for name in wanted)
    first, last = fixed[0], fixed[-1]
    # Sorted texts share what the first and the last share.
    length = next((at for at, signs in enumerate(zip(first, last)) if signs[0] != signs[1]), len(first))
    return first[:length]


def last_written(client: Any, name: str, now: datetime) -> datetime | None:
    """When a group was last written to, by event or by arrival; None when it never was.

    The streams' times may be late, so what may be missing from them is searched for among the events themselves.

    :raises OperationError: when streams or events cannot be read
    """
    with explaining("read when a log group was last written to", name):
        # Sorted by the newest event: the first page has the group's newest.
        page = client.describe_log_streams(logGroupName=name, orderBy="LastEventTime", descending=True, limit=50)
        times = [stream[key] for stream in page.get("logStreams") or ()
                 for key in ("lastEventTimestamp", "lastIngestionTime") if stream.get(key)]
        since = int((now - OLDEST_WRITTEN - MARGIN).timestamp() * 1000)
        found = all_pages(client, "filter_log_events", "events", logGroupName=name, startTime=since, limit=1)
        times += [event["timestamp"] for event in [next(found, None)] if event]
    return moment(max(times)) if times else None


def moment(milliseconds: float) -> datetime:
    """A time as CloudWatch Logs gives it, in milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def say_retention(days: int) -> str:
    """A retention in words."""
    return f"{days} d" if days else "never expire"


def _group(entry: Mapping[str, Any]) -> LogGroup:
    return LogGroup(
        name=str(entry["logGroupName"]), created=moment(entry.get("creationTime") or 0),
        retention_days=int(entry.get("retentionInDays") or NEVER), stored_bytes=int(entry.get("storedBytes") or 0),
        metric_filters=int(entry.get("metricFilterCount") or 0),
        is_protected=bool(entry.get("deletionProtectionEnabled")),
        account_policy=str(entry.get("retentionPolicyName") or ""),
        log_class=str(entry.get("logGroupClass") or "STANDARD"))
