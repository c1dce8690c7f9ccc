"""CloudWatch Logs as AWS has it: legal retention values only, events that expire, patterns and pages of log groups.

Sources: CloudWatch Logs API reference (PutRetentionPolicy, DescribeLogGroups, PutLogEvents).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from moto.core.utils import unix_time_millis, utcnow
from moto.logs.exceptions import InvalidParameterException
from moto.logs.models import LogGroup, LogsBackend, LogStream, logs_backends
from moto.logs.responses import LogsResponse

from lab.aws import log_filtering, logs_insights
from lab.aws.backdate import register_backdate
from lab.aws.backends import regional
from lab.aws.control import ControlError, ControlRoutes
from lab.aws.log_expiry import oldest_allowed
from lab.aws.log_streams import sizes_of
from lab.aws.paging import BadToken, page_of

LEGAL_RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
_LARGEST_PAGE = 50
_LARGEST_BATCH_AGE = timedelta(days=14)
# What AWS adds to each event when it counts bytes.
_EVENT_OVERHEAD = 26


def install(control: ControlRoutes) -> None:
    """Rebind moto's Logs and let groups and streams be aged."""
    LogsResponse.put_retention_policy = _put_retention_policy
    LogsResponse.describe_log_groups = _describe_log_groups
    log_filtering.install()
    logs_insights.install()
    _hide_expired_events()
    _count_bytes()
    _refuse_expired_events()
    register_backdate("log-group", _backdate_group)
    register_backdate("log-stream", _backdate_stream)


# --- requests --------------------------------------------------------------------------------------------------------


def _put_retention_policy(self: LogsResponse) -> str:
    days = self._get_param("retentionInDays")
    if days not in LEGAL_RETENTION_DAYS:
        raise InvalidParameterException(f"Invalid retention value. Valid values are: {list(LEGAL_RETENTION_DAYS)}")
    self.logs_backend.put_retention_policy(self._get_param("logGroupName"), days)
    return ""


def _describe_log_groups(self: LogsResponse) -> str:
    prefix, pattern = self._get_param("logGroupNamePrefix"), self._get_param("logGroupNamePattern")
    if prefix and pattern:
        raise InvalidParameterException(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        )
    limit = int(self._get_param("limit", _LARGEST_PAGE))
    if not 1 <= limit <= _LARGEST_PAGE:
        bound = f"less than or equal to {_LARGEST_PAGE}" if limit > _LARGEST_PAGE else "greater than or equal to 1"
        raise InvalidParameterException(constraint=f"Member must have value {bound}", parameter="limit", value=limit)
    groups = _matching(self.logs_backend.groups.values(), prefix, pattern)
    try:
        page, token = page_of(groups, limit, self._get_param("nextToken"), lambda group: str(group.name))
    except BadToken as error:
        raise InvalidParameterException("The specified nextToken is invalid.") from error
    described = {"logGroups": [{**group.to_describe_dict(), "logGroupClass": "STANDARD"} for group in page]}
    return json.dumps(described if token is None else {**described, "nextToken": token})


def _matching(groups: Iterable[LogGroup], prefix: str | None, pattern: str | None) -> list[LogGroup]:
    """By prefix, or by a part of the name, whatever its case."""
    found = [
        group
        for group in groups
        if group.name.startswith(prefix or "") and (pattern or "").lower() in group.name.lower()
    ]
    return sorted(found, key=lambda group: str(group.name))


# --- retention -------------------------------------------------------------------------------------------------------


def _hide_expired_events() -> None:
    """Expired events are not returned. The stream keeps its times, as on AWS: they show when it was last used."""
    read = LogStream.get_log_events

    def get_log_events(self: LogStream, start_time: Any, *arguments: Any) -> Any:
        return read(self, max(int(start_time or 0), oldest_allowed(self.log_group)), *arguments)

    LogStream.get_log_events = get_log_events


def _count_bytes() -> None:
    """A group's bytes are those of its unexpired events; streams have reported 0 since 2019."""
    describe_group, describe_stream = LogGroup.to_describe_dict, LogStream.to_describe_dict

    def group_to_dict(self: LogGroup) -> dict[str, Any]:
        oldest = oldest_allowed(self)
        sizes = [
            size + _EVENT_OVERHEAD for stream in self.streams.values() for at, size in sizes_of(stream) if at >= oldest
        ]
        return {**describe_group(self), "storedBytes": sum(sizes)}

    def stream_to_dict(self: LogStream) -> dict[str, Any]:
        return {**describe_stream(self), "storedBytes": 0}

    LogGroup.to_describe_dict = group_to_dict
    LogStream.to_describe_dict = stream_to_dict


def _refuse_expired_events() -> None:
    """An event older than the group's retention is refused as expired, as one older than 14 days is as too old."""
    put = LogsBackend.put_log_events

    def put_log_events(
        self: LogsBackend, log_group_name: str, log_stream_name: str, log_events: list[dict[str, Any]]
    ) -> tuple[str, dict[str, Any]]:
        group = self.groups.get(log_group_name)
        oldest = oldest_allowed(group) if group else 0
        too_old = int(unix_time_millis(utcnow() - _LARGEST_BATCH_AGE))
        expired = [event for event in log_events if too_old <= event["timestamp"] < oldest]
        kept = [event for event in log_events if event not in expired]
        token, refused = put(self, log_group_name, log_stream_name, kept)
        if expired:
            # The index is exclusive: it is that of the first event which was not expired.
            refused["expiredLogEventEndIndex"] = log_events.index(expired[-1]) + 1
        return token, refused

    LogsBackend.put_log_events = put_log_events


# --- ages ------------------------------------------------------------------------------------------------------------


def _group(name: str) -> LogGroup:
    groups = regional(logs_backends).groups
    if name not in groups:
        raise ControlError(f"there is no log group {name!r}")
    return groups[name]


def _backdate_group(name: str, age: timedelta) -> None:
    """Age when the group was created; its streams keep their times."""
    _group(name).creation_time -= age


def _backdate_stream(name: str, age: timedelta) -> None:
    """Age `group:stream`: its creation, its events, and when they came in."""
    group_name, _, stream_name = name.rpartition(":")
    stream = _group(group_name).streams.get(stream_name)
    if stream is None:
        raise ControlError(f"there is no log stream {name!r}; name it <group>:<stream>")
    milliseconds = int(age.total_seconds() * 1000)
    stream.creation_time -= age
    if stream.last_ingestion_time is not None:
        stream.last_ingestion_time -= age
    for event in stream.events:
        event.timestamp -= milliseconds
        event.ingestion_time -= milliseconds
