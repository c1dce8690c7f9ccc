# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""DynamoDB tables: whether they can be used, and how much of their throughput is.

Sources, DynamoDB developer guide (Metrics and dimensions, Burst capacity, Quotas):

* A table's metrics have the dimension TableName alone and leave its global secondary indexes out; an index has its own,
  with TableName and GlobalSecondaryIndexName. ThrottledRequests would need Operation as well; the throttle events do not.
* The sum over a period divided by its seconds is what compares with the throughput. Maximum and average are of single
  requests. Five minutes are a period here: as long as unused throughput is kept for bursts.
* Throttle events are published when there are any: no data point means none. Consumption is published of what is used,
  which says nothing of what no data point means, unless there is one of the other direction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ..core.coverage import Collected, Coverage, merge_coverage
from ..core.run import Run
from ..core.selection import has_pattern
from .calls import all_pages
from .client import Connect
from .errors import explaining, is_missing
from .gathering import gather
from .listings import Found, choose
from .metrics import Metric, Reading, Window, collect_metrics

KIND = "dynamodb-table"
PERIOD = 300
ON_DEMAND = "PAY_PER_REQUEST"
DIRECTIONS = ("Read", "Write")


@dataclass(frozen=True)
class Limit:
    """Units per second that may be used.

    :param source: what says so: "provisioned", "maximum" (of an on-demand table), "quota" (of the account)
    """

    units: int
    source: str


@dataclass(frozen=True)
class Part:
    """What has a throughput of its own: the table itself, or one of its global secondary indexes.

    :param index: empty for the table itself
    """

    table: str
    index: str
    status: str
    read: Limit
    write: Limit

    @property
    def name(self) -> str:
        """Its name in metrics' names."""
        return f"{self.table}/{self.index}" if self.index else self.table

    @property
    def resource(self) -> str:
        """Its name in evidence."""
        return f"dynamodb-index:{self.name}" if self.index else f"{KIND}:{self.name}"

    def limit(self, direction: str) -> Limit:
        """Of "Read" or "Write"."""
        return self.read if direction == "Read" else self.write


@dataclass(frozen=True)
class Table:
    """One table.

    :param parts: itself, then its indexes
    """

    name: str
    status: str
    billing_mode: str
    items: int
    size: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Tables:
    """The tables chosen, and their metrics over one window by name of the metric."""

    found: Found[Table]
    window: Window
    readings: Mapping[str, Reading] = field(default_factory=dict)

    def consumed(self, part: Part, direction: str) -> Reading | None:
        """Units consumed; None where that could not be read."""
        return self.readings.get(consumed_name(part, direction))

    def throttled(self, part: Part, direction: str) -> Reading | None:
        """Throttle events; None where they could not be read."""
        return self.readings.get(throttled_name(part, direction))


def consumed_name(part: Part, direction: str) -> str:
    """What the metric of consumed units is called."""
    return f"Consumed{direction}CapacityUnits of {part.name}"


def throttled_name(part: Part, direction: str) -> str:
    """What the metric of throttle events is called."""
    return f"{direction}ThrottleEvents of {part.name}"


def collect_tables(
    connect: Connect, run: Run, wanted: Sequence[str], end: str | None, length: timedelta, on_demand_limit: int
) -> Collected[Tables]:
    """Read the tables meant by names and patterns and their metrics; none given means all of the region.

    :param end: of the window that the metrics are read over, ISO 8601; None means now
    :param length: of that window
    :param on_demand_limit: units per second that an on-demand table without a maximum of its own may use
    """
    names, listing = choose_tables(connect, wanted)

    def read_one(name: str) -> Table | None:
        with explaining("read a DynamoDB table", name):
            try:
                reply = connect("dynamodb").describe_table(TableName=name)["Table"]
            except Exception as error:
                if not is_missing(error):
                    raise
                return None
        return table_of(reply, on_demand_limit)

    answers, coverage = gather(run, KIND, names, read_one)
    tables = tuple(table for table in answers if table is not None)
    unread = {gap.resource for gap in coverage.missing}
    read = {table.name for table in tables}
    absent = tuple(name for name in names if name not in read and f"{KIND}:{name}" not in unread)
    metrics = [metric for table in tables for part in table.parts for metric in metrics_of(part)]
    measured = collect_metrics(connect, run, metrics, end, length, PERIOD)
    readings = {reading.metric.name: reading for reading in measured.state.readings}
    return Collected(Tables(Found(tables, absent), measured.state.window, readings), measured.now,
                     merge_coverage([listing, coverage, measured.coverage]))


def metrics_of(part: Part) -> list[Metric]:
    """What is read of a table or an index, each with the exact dimensions it is published with."""
    dimensions = {"TableName": part.table, **({"GlobalSecondaryIndexName": part.index} if part.index else {})}
    metrics = []
    for direction in DIRECTIONS:
        metrics.append(Metric(consumed_name(part, direction), "AWS/DynamoDB", f"Consumed{direction}CapacityUnits",
                              dimensions, "Sum"))
        metrics.append(Metric(throttled_name(part, direction), "AWS/DynamoDB", f"{direction}ThrottleEvents",
                              dimensions, "Sum", "zero"))
    return metrics


def table_of(reply: Mapping[str, Any], on_demand_limit: int) -> Table:
    """A Table from the API's shape."""
    mode = (reply.get("BillingModeSummary") or {}).get("BillingMode") or "PROVISIONED"
    name, status = str(reply["TableName"]), str(reply.get("TableStatus") or "")
    indexes = sorted(reply.get("GlobalSecondaryIndexes") or (), key=lambda index: str(index["IndexName"]))

    def part(of: Mapping[str, Any], index: str, state: str) -> Part:
        return Part(name, index, state, *(_limit(of, mode, direction, on_demand_limit) for direction in DIRECTIONS))

    return Table(
        name=name, status=status, billing_mode=mode, items=int(reply.get("ItemCount") or 0),
        size=int(reply.get("TableSizeBytes") or 0),
        parts=(part(reply, "", status),
               *(part(index, str(index["IndexName"]), str(index.get("IndexStatus") or "")) for index in indexes)))


def _limit(reply: Mapping[str, Any], mode: str, direction: str, on_demand_limit: int) -> Limit:
    if mode != ON_DEMAND:
        return Limit(int((reply.get("ProvisionedThroughput") or {}).get(f"{direction}CapacityUnits") or 0), "provisioned")
    maximum = int((reply.get("OnDemandThroughput") or {}).get(f"Max{direction}RequestUnits") or 0)
    # -1 says that a maximum was taken away.
    return Limit(maximum, "maximum") if maximum > 0 else Limit(on_demand_limit, "quota")


def choose_tables(connect: Connect, wanted: Sequence[str]) -> tuple[list[str], Coverage]:
    """The names of the tables meant. Plain names are taken as they are, without listing, also those of no table.

    :param wanted: names and patterns; none chooses every table of the region
    """
    if wanted and not has_pattern(wanted):
        return list(dict.fromkeys(wanted)), Coverage()

    def list_tables() -> Mapping[str, str]:
        with explaining("list DynamoDB tables", ", ".join(wanted) or "all"):
            return {str(name): str(name) for name in all_pages(connect("dynamodb"), "list_tables", "TableNames")}

    found, listing = choose(KIND, wanted, list_tables)
    return [*found.items, *found.absent], listing
