"""FilterLogEvents as AWS has it: patterns that are evaluated, events of all streams by time, pages with a token.

Source: CloudWatch Logs API reference (FilterLogEvents).
"""

from __future__ import annotations

import json
from typing import Any

from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.models import LogEvent, LogGroup
from moto.logs.responses import LogsResponse

from lab.aws.filter_patterns import BadPattern, pattern_of
from lab.aws.log_expiry import oldest_allowed
from lab.aws.paging import BadToken, page_of
from lab.aws.traffic_streams import events_between

_LARGEST_PAGE = 10_000
_LARGEST_BYTES = 1 << 20
_FOR_EVER = 1 << 60


def install() -> None:
    """Rebind moto's action."""
    LogsResponse.filter_log_events = _filter_log_events


def _filter_log_events(self: LogsResponse) -> str:
    identifier = self._get_param("logGroupName") or self._get_param("logGroupIdentifier") or ""
    name = str(identifier).rpartition(":log-group:")[2].removesuffix(":*")
    group = self.logs_backend.groups.get(name)
    if group is None:
        raise ResourceNotFoundException("The specified log group does not exist.")
    limit = int(self._get_param("limit") or _LARGEST_PAGE)
    if not 1 <= limit <= _LARGEST_PAGE:
        raise InvalidParameterException(constraint=f"Member must have value between 1 and {_LARGEST_PAGE}",
                                        parameter="limit", value=limit)  # fmt: skip
    found = _matching(self, group)
    try:
        page, token = page_of(found, limit, self._get_param("nextToken"), _place)
    except BadToken as error:
        raise InvalidParameterException("The specified nextToken is invalid.") from error
    page, token = _within_bytes(page, token, found)
    answer: dict[str, Any] = {"events": [_shown(stream, event) for stream, event in page], "searchedLogStreams": []}
    return json.dumps(answer if token is None else {**answer, "nextToken": token})


def _matching(self: LogsResponse, group: LogGroup) -> list[tuple[str, LogEvent]]:
    try:
        matches = pattern_of(self._get_param("filterPattern"))
    except BadPattern as error:
        raise InvalidParameterException(f"Invalid filter pattern: {error}") from error
    names, prefix = self._get_param("logStreamNames"), self._get_param("logStreamNamePrefix")
    if names and prefix:
        raise InvalidParameterException("logStreamNames and logStreamNamePrefix cannot be given together")
    start = max(int(self._get_param("startTime") or 0), oldest_allowed(group))
    end = int(self._get_param("endTime") or _FOR_EVER)
    found = [
        (name, event)
        for name, stream in group.streams.items()
        if (not names or name in names) and name.startswith(prefix or "")
        for event in events_between(stream, start, end)
        if matches(event.message)
    ]
    return sorted(found, key=_place)


def _place(item: tuple[str, LogEvent]) -> str:
    """Where an event stands among all of its group."""
    return f"{item[1].timestamp:015d}/{item[0]}/{item[1].event_id}"


def _within_bytes(
    page: list[tuple[str, LogEvent]], token: str | None, found: list[tuple[str, LogEvent]]
) -> tuple[list[tuple[str, LogEvent]], str | None]:
    """A page holds a megabyte at most."""
    size = 0
    for number, (_, event) in enumerate(page):
        size += len(event.message.encode())
        if size > _LARGEST_BYTES and number:
            return page_of(page, number, None, _place)
    return page, token


def _shown(stream: str, event: LogEvent) -> dict[str, Any]:
    return {**event.to_filter_dict(), "logStreamName": stream}
