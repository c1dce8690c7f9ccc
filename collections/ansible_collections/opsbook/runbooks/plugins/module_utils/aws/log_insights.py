# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CloudWatch Logs Insights: a query over log groups, its rows, and what it cost.

Sources, CloudWatch Logs API reference (StartQuery, GetQueryResults, StopQuery) and the quotas of Logs:

* Times are whole seconds, both ends included; a query is billed by the bytes it scans, and goes on when nobody waits for it.
* At most 10,000 rows come back, and nothing says whether there were more: as many rows as asked for are taken for a cut.
* Only so many queries run at once in an account and region; more are refused (LimitExceededException) and wait here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.errors import OperationError
from ..core.run import Run
from .client import Connect
from .errors import code_of, explaining, is_aws

MOST_ROWS = 10_000
GROUPS_PER_QUERY = 50
COMPLETE = "Complete"
ON_ITS_WAY = frozenset({"Scheduled", "Running", "Unknown"})
POINTER = "@ptr"
TOO_MANY_RUN = "LimitExceededException"
"""A place comes free when a query ends. A rate that is exceeded is another thing: botocore has tried again already."""


@dataclass(frozen=True)
class QueryResult:
    """What a query brought.

    :param rows: field to text, as Insights writes values; fields that a row lacks are not there
    :param matched, scanned: log events that matched and that were looked at
    :param bytes_scanned: what the query is billed by
    :param cut: whether there may be more rows than came back
    """

    rows: tuple[Mapping[str, str], ...]
    matched: int = 0
    scanned: int = 0
    bytes_scanned: int = 0
    cut: bool = False


class ScannedTooMuch(OperationError):
    """A query was stopped because it went on scanning; what it had scanned by then is billed.

    :ivar bytes_scanned: as far as Insights had said
    """

    bytes_scanned: int = 0


def run_query(
    connect: Connect, run: Run, groups: Sequence[str], query: str, start: datetime, end: datetime,
    limit: int = MOST_ROWS, timeout: float = 60.0, most_bytes: float = math.inf,
) -> QueryResult:
    """Run one query to its end; one that does not get there is stopped, whatever the reason.

    :param groups: names of log groups, at most 50; one that does not exist fails the query
    :param query: in the language of Logs Insights
    :param start, end: start included, end not
    :param limit: the most rows to bring, at most 10,000
    :param timeout: seconds to wait for it
    :param most_bytes: what it may scan; it is stopped when it is seen to have scanned more and still runs
    :raises OperationError: when it cannot be started, fails, or is not done in time
    :raises ScannedTooMuch: when it was stopped for what it scans
    """
    client, resource = connect("logs"), ", ".join(groups)
    deadline = min(run.deadline, run.clock.monotonic() + timeout)
    request = {"logGroupNames": list(groups), "queryString": query, "startTime": math.floor(start.timestamp()),
               "endTime": max(math.floor(start.timestamp()), math.ceil(end.timestamp()) - 1), "limit": limit}
    query_id = _started(client, run, request, resource, deadline)
    finished = False
    try:
        reply = _awaited(client, run, query_id, resource, deadline, most_bytes)
        finished = reply["status"] not in ON_ITS_WAY
    finally:
        if not finished:
            _stop(client, query_id)
    if not finished and _scanned(reply) > most_bytes:
        why = f"it had scanned {_scanned(reply)} bytes of the {most_bytes:.0f} that it might, and was stopped"
        error = ScannedTooMuch("query logs with Insights", resource, why, "Narrow the window, or ask fewer log groups.")
        error.bytes_scanned = _scanned(reply)
        raise error
    if reply["status"] != COMPLETE:
        late = "it was not done in time and was stopped: narrow the window"
        raise OperationError("query logs with Insights", resource, f"it ended as {reply['status']}" if finished else late)
    return result_of(reply, limit)


def result_of(reply: Mapping[str, Any], limit: int) -> QueryResult:
    """The result from the API's shape."""
    rows = tuple({str(entry["field"]): str(entry.get("value", "")) for entry in row if entry.get("field") != POINTER}
                 for row in reply.get("results") or ())
    said = reply.get("statistics") or {}
    return QueryResult(rows, int(said.get("recordsMatched") or 0), int(said.get("recordsScanned") or 0),
                       _scanned(reply), len(rows) >= limit)


def _scanned(reply: Mapping[str, Any]) -> int:
    """What a query has scanned so far: Insights says so while it runs, too."""
    return int((reply.get("statistics") or {}).get("bytesScanned") or 0)


def _started(client: Any, run: Run, request: Mapping[str, Any], resource: str, deadline: float) -> str:
    """The id of the started query; while too many run already, it is tried again."""

    def look() -> str:
        try:
            return str(client.start_query(**request)["queryId"])
        except Exception as error:
            if is_aws(error) and code_of(error) == TOO_MANY_RUN and run.clock.monotonic() < deadline:
                return ""
            raise

    with explaining("query logs with Insights", resource):
        return run.poll(0.5, 5.0).until(look, bool, lambda seen: "" if seen else "as many log queries run as may").seen


def _awaited(
    client: Any, run: Run, query_id: str, resource: str, deadline: float, most_bytes: float
) -> Mapping[str, Any]:
    """The last reply: at the query's end, at ours, or when it has scanned more than it may."""

    def look() -> Mapping[str, Any]:
        with explaining("read the results of a log query", resource):
            reply: Mapping[str, Any] = client.get_query_results(queryId=query_id)
        return reply

    return run.poll(0.1, 2.0).until(
        look, lambda reply: (reply["status"] not in ON_ITS_WAY or run.clock.monotonic() >= deadline
                             or _scanned(reply) > most_bytes),
        lambda reply: f"log query over {resource}: {reply['status']}").seen


def _stop(client: Any, query_id: str) -> None:
    """Stop a query that nobody waits for any more. It may have ended by itself; then there is nothing to stop."""
    try:
        client.stop_query(queryId=query_id)
    except Exception as error:
        if not is_aws(error):
            raise
