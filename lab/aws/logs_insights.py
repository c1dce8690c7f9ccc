"""The actions of Logs Insights: queries that run for a moment, are really evaluated, can be stopped, and say what they cost.

Sources: CloudWatch Logs API reference (StartQuery, GetQueryResults, StopQuery, DescribeQueries).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from moto.core.exceptions import JsonRESTError
from moto.core.utils import unix_time_millis, utcnow
from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.models import LogGroup, LogsBackend, LogStream
from moto.logs.responses import LogsResponse

from lab.aws.event_rows import EventRow
from lab.aws.insights_evaluation import MOST_ROWS, Result, evaluate
from lab.aws.insights_expressions import Row
from lab.aws.insights_grammar import Command, Grammar
from lab.aws.insights_tokens import MalformedQuery
from lab.aws.log_expiry import oldest_allowed
from lab.aws.traffic_streams import INGESTED_AFTER, TrafficStream, events_between

SCHEDULED, RUNNING, COMPLETE, CANCELLED = "Scheduled", "Running", "Complete", "Cancelled"
_MOST_GROUPS = 50
_MOST_REMEMBERED = 1000
_LONGEST_QUERY = 10_000


@dataclass
class Query:
    """A query that was started. It goes on as somebody looks at it: scheduled, running, complete."""

    id: str
    groups: tuple[str, ...]
    commands: list[Command]
    text: str
    start: int
    end: int
    created: int
    status: str = SCHEDULED
    result: Result | None = None
    statistics: dict[str, float] = field(default_factory=lambda: dict(_NOTHING))


_NOTHING: Mapping[str, float] = {"recordsMatched": 0.0, "recordsScanned": 0.0, "bytesScanned": 0.0}


def install() -> None:
    """Rebind moto's actions."""
    LogsResponse.start_query = _start_query
    LogsResponse.get_query_results = _get_query_results
    LogsResponse.stop_query = _stop_query
    LogsResponse.describe_queries = _describe_queries


def _queries(backend: LogsBackend) -> dict[str, Query]:
    found: dict[str, Query] = backend.__dict__.setdefault("lab_queries", {})
    return found


# --- requests --------------------------------------------------------------------------------------------------------


def _start_query(self: LogsResponse) -> str:
    groups = _group_names(self)
    start, end, text = self._get_param("startTime"), self._get_param("endTime"), self._get_param("queryString") or ""
    if start is None or end is None or int(start) < 0 or int(end) < int(start):
        raise InvalidParameterException("Invalid time range: the start time must not be after the end time")
    if not 0 < len(text) <= _LONGEST_QUERY:
        raise _malformed(MalformedQuery("the query is empty or too long"), text)
    try:
        commands = Grammar(text).commands()
        limit = self._get_param("limit")
        if limit is not None:
            commands.append(Command("limit", number=_limit(int(limit))))
        evaluate(commands, [])
    except MalformedQuery as error:
        raise _malformed(error, text) from error
    queries = _queries(self.logs_backend)
    query = Query(str(uuid.uuid4()), groups, commands, text, int(start) * 1000, int(end) * 1000, _now())
    queries[query.id] = query
    for forgotten in list(queries)[:-_MOST_REMEMBERED]:
        del queries[forgotten]
    return json.dumps({"queryId": query.id})


def _limit(wanted: int) -> int:
    if not 1 <= wanted <= MOST_ROWS:
        raise InvalidParameterException(
            constraint=f"Member must have value between 1 and {MOST_ROWS}", parameter="limit", value=wanted
        )
    return wanted


def _group_names(self: LogsResponse) -> tuple[str, ...]:
    """Exactly one way of naming groups; each must exist."""
    single, several = self._get_param("logGroupName"), self._get_param("logGroupNames")
    identifiers = self._get_param("logGroupIdentifiers")
    given = [way for way in ([single] if single else None, several, identifiers) if way]
    if len(given) != 1:
        raise InvalidParameterException("Exactly one of logGroupName, logGroupNames and logGroupIdentifiers is needed")
    names = tuple(str(name).rpartition(":log-group:")[2].removesuffix(":*") for name in given[0])
    if len(names) > _MOST_GROUPS:
        raise InvalidParameterException(f"At most {_MOST_GROUPS} log groups can be queried at once")
    for name in names:
        if name not in self.logs_backend.groups:
            raise ResourceNotFoundException(f"Log group '{name}' does not exist for account ID '{self.current_account}'")
    return names


def _get_query_results(self: LogsResponse) -> str:
    query = _known(self)
    if query.status == RUNNING:
        _complete(self.logs_backend, query)
    elif query.status == SCHEDULED:
        query.status = RUNNING
    rows = query.result.rows if query.result else []
    return json.dumps({
        "queryLanguage": "CWLI",
        "results": [[{"field": name, "value": value} for name, value in row] for row in rows],
        "statistics": query.statistics,
        "status": query.status,
    })


def _stop_query(self: LogsResponse) -> str:
    query = _known(self)
    if query.status not in (SCHEDULED, RUNNING):
        raise InvalidParameterException(f"Query is not running, its status is {query.status}")
    query.status = CANCELLED
    return json.dumps({"success": True})


def _describe_queries(self: LogsResponse) -> str:
    name, status = self._get_param("logGroupName"), self._get_param("status")
    found = [
        {"queryId": query.id, "queryString": query.text, "status": query.status, "createTime": query.created,
         "logGroupName": group, "queryLanguage": "CWLI"}
        for query in _queries(self.logs_backend).values() for group in query.groups
        if name in (None, group) and status in (None, query.status)
    ]  # fmt: skip
    return json.dumps({"queries": found[::-1]})


def _known(self: LogsResponse) -> Query:
    query = _queries(self.logs_backend).get(str(self._get_param("queryId")))
    if query is None:
        raise ResourceNotFoundException("Query does not exist")
    return query


def _malformed(error: MalformedQuery, text: str) -> JsonRESTError:
    refusal = JsonRESTError("MalformedQueryException", str(error))
    location = {"startCharOffset": error.at, "endCharOffset": max(error.end, min(len(text), error.at + 1))}
    compiled = {"location": location, "message": str(error)}
    refusal.description = json.dumps(
        {"__type": "MalformedQueryException", "message": str(error), "queryCompileError": compiled}
    )
    return refusal


# --- evaluation ------------------------------------------------------------------------------------------------------


def _complete(backend: LogsBackend, query: Query) -> None:
    counted = {"records": 0, "bytes": 0}
    query.result = evaluate(query.commands, _rows(backend, query, counted))
    query.status = COMPLETE
    query.statistics = {
        "recordsMatched": float(query.result.matched),
        "recordsScanned": float(counted["records"]),
        "bytesScanned": float(counted["bytes"]),
    }


def _rows(backend: LogsBackend, query: Query, counted: dict[str, int]) -> Iterator[Row]:
    for name in query.groups:
        group = backend.groups.get(name)
        if group is not None:
            yield from _of_group(backend, group, query, counted)


def _of_group(backend: LogsBackend, group: LogGroup, query: Query, counted: dict[str, int]) -> Iterator[Row]:
    start = max(query.start, oldest_allowed(group))
    for stream in group.streams.values():
        # The range includes its last second.
        for row in _of_stream(stream, start, query.end + 999):
            row.place = (backend.account_id, group.name, stream.log_stream_name)
            counted["records"] += 1
            counted["bytes"] += len(row.message.encode())
            yield row


def _of_stream(stream: LogStream, start: int, end: int) -> Iterator[EventRow]:
    if isinstance(stream, TrafficStream):
        for number, (at, text) in enumerate(stream.lines_between(start, end)):
            yield EventRow(at, at + INGESTED_AFTER, text, number)
    else:
        for event in events_between(stream, start, end):
            yield EventRow(event.timestamp, event.ingestion_time, event.message, event_id=str(event.event_id))


def _now() -> int:
    return int(unix_time_millis(utcnow()))
