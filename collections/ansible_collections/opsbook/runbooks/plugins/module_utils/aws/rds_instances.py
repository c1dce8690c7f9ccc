# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""RDS instances: whether they are available, how much storage is left, and how many connections there are.

Sources, RDS user guide (Viewing instance status, CloudWatch instance-level metrics): an instance that is being backed up or
whose storage is being optimised can be used all the while. Aurora's storage grows by itself: its instances have neither an
allocated size nor FreeStorageSpace. A gauge without a data point says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from ..core.coverage import Collected, merge_coverage
from ..core.durations import say_duration
from ..core.evidence import Evidence
from ..core.run import Run
from .calls import all_pages
from .client import Connect
from .errors import explaining
from .listings import Found, absences, choose
from .metrics import MINUTE, Metric, Reading, collect_metrics

KIND = "rds-instance"
GIBIBYTE = 2**30
# Published every minute, a few minutes late at times.
LOOK_BACK = timedelta(minutes=15)
USABLE = ("available", "backing-up", "storage-optimization")
FREE_STORAGE, CONNECTIONS = "FreeStorageSpace", "DatabaseConnections"
STATISTICS = {FREE_STORAGE: "Minimum", CONNECTIONS: "Maximum"}


@dataclass(frozen=True)
class Instance:
    """One instance.

    :param storage: allocated, in GiB
    :param maximum_storage: what it may grow to by itself, in GiB; None where it does not grow
    :param cluster: the Aurora or Multi-AZ cluster that it is part of, else empty
    """

    name: str
    status: str
    engine: str
    engine_version: str
    instance_class: str
    storage: int
    maximum_storage: int | None
    multi_az: bool
    endpoint: str
    port: int | None
    cluster: str

    @property
    def has_own_storage(self) -> bool:
        """Whether its storage can run full."""
        return not self.engine.startswith("aurora") and self.storage > 0


@dataclass(frozen=True)
class Instances:
    """The instances chosen, and what CloudWatch shows of them by metric and instance."""

    found: Found[Instance]
    readings: Mapping[tuple[str, str], Reading] = field(default_factory=dict)

    def free_percent(self, instance: Instance) -> float | None:
        """Per cent of the allocated storage that is free; None where that is not known."""
        reading = self.readings.get((FREE_STORAGE, instance.name))
        if reading is None or reading.newest is None or not instance.has_own_storage:
            return None
        return round(100 * reading.newest / (instance.storage * GIBIBYTE), 1)

    def now(self, metric: str, instance: Instance) -> int | None:
        """What a gauge shows now, None where that is not known."""
        reading = self.readings.get((metric, instance.name))
        return None if reading is None or reading.newest is None else int(reading.newest)


def list_instances(connect: Connect, asked: str) -> dict[str, Mapping[str, Any]]:
    """Every instance of the region as the API shows it, by name, all pages.

    :raises OperationError: when they cannot be listed
    """
    with explaining("list RDS instances", asked):
        pages = all_pages(connect("rds"), "describe_db_instances", "DBInstances")
        return {str(instance["DBInstanceIdentifier"]): instance for instance in pages}


def collect_instances(connect: Connect, run: Run, wanted: Sequence[str]) -> Collected[Instances]:
    """Read the instances meant by names and patterns and their metrics; none given means all of the region."""
    # RDS keeps names in small letters, whatever is given.
    names = [name.lower() for name in wanted]
    listed, listing = choose(KIND, names, lambda: list_instances(connect, ", ".join(names) or "all"))
    instances = tuple(_instance(reply) for reply in listed.items)
    metrics = [
        Metric(f"{metric} of {instance.name}", "AWS/RDS", metric, {"DBInstanceIdentifier": instance.name}, statistic)
        for instance in instances for metric, statistic in STATISTICS.items()
        if metric != FREE_STORAGE or instance.has_own_storage]
    measured = collect_metrics(connect, run, metrics, None, LOOK_BACK, MINUTE)
    readings = {(reading.metric.metric, reading.metric.dimensions["DBInstanceIdentifier"]): reading
                for reading in measured.state.readings}
    return Collected(Instances(Found(instances, listed.absent), readings), measured.now,
                     merge_coverage([listing, measured.coverage]))


def evaluate_instances(collected: Collected[Instances], minimum_free_storage: int) -> list[Evidence]:
    """An instance is right when it is available and enough of its storage is free.

    :param minimum_free_storage: per cent
    """
    state = collected.state
    evidence = absences(KIND, state.found.absent)
    for instance in state.found.items:
        resource = f"{KIND}:{instance.name}"
        evidence.append(Evidence("status", resource, "available", instance.status, instance.status in USABLE))
        if (FREE_STORAGE, instance.name) in state.readings:
            evidence.append(_storage(instance, resource, state, minimum_free_storage))
    return evidence


def describe_instances(collected: Collected[Instances]) -> Mapping[str, Any]:
    """The instances as plain data, under `instances`."""
    state = collected.state
    return {"instances": [
        {**{key: value for key, value in asdict(instance).items() if key not in ("storage", "maximum_storage")},
         "cluster": instance.cluster or None, "storage_gib": instance.storage,
         "maximum_storage_gib": instance.maximum_storage, "free_storage_bytes": state.now(FREE_STORAGE, instance),
         "free_storage_percent": state.free_percent(instance), "connections": state.now(CONNECTIONS, instance)}
        for instance in state.found.items]}


def _storage(instance: Instance, resource: str, state: Instances, minimum: int) -> Evidence:
    free, size = state.free_percent(instance), state.now(FREE_STORAGE, instance)
    seen = f"no data point in {say_duration(LOOK_BACK)}"
    if free is not None and size is not None:
        seen = f"{free:g} % ({size / GIBIBYTE:.1f} GiB)"
    return Evidence("free storage", resource, f"at least {minimum} % of {instance.storage} GiB", seen,
                    None if free is None else free >= minimum)


def _instance(reply: Mapping[str, Any]) -> Instance:
    endpoint = reply.get("Endpoint") or {}
    return Instance(
        name=reply["DBInstanceIdentifier"], status=reply.get("DBInstanceStatus") or "not told",
        engine=reply.get("Engine") or "", engine_version=reply.get("EngineVersion") or "",
        instance_class=reply.get("DBInstanceClass") or "", storage=int(reply.get("AllocatedStorage") or 0),
        maximum_storage=reply.get("MaxAllocatedStorage"), multi_az=bool(reply.get("MultiAZ")),
        endpoint=endpoint.get("Address") or "", port=endpoint.get("Port"),
        cluster=reply.get("DBClusterIdentifier") or "")
