"""The words in which a system's estate is described. Ages are in days before now, unless they say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """An ECS service whose last deployment has completed."""

    cluster: str
    name: str
    family: str
    image: str
    revisions: int
    desired: int
    circuit_breaker: bool
    deployed: float


@dataclass(frozen=True)
class Alias:
    """A Lambda alias, with a weighted second version where `weights` names one."""

    name: str
    version: int
    weights: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Function:
    """A Lambda function with versions 1 to `versions`."""

    name: str
    versions: int = 0
    aliases: tuple[Alias, ...] = ()
    provisioned: int | None = None
    queue: tuple[str, int] | None = None  # an SQS queue's name and the version that it feeds


@dataclass(frozen=True)
class Secret:
    """A secret with random fields; `rotated` says when it last was, None that it does not rotate."""

    name: str
    fields: tuple[str, ...]
    rotated: float | None = None
    rotation_days: int = 30


@dataclass(frozen=True)
class Table:
    """A DynamoDB table with a daily backup for `backups` days, the newest one `newest_hours` old."""

    name: str
    key: str
    backups: int = 0
    newest_hours: float = 5.0


@dataclass(frozen=True)
class LogGroup:
    """A log group; `last_event` None means that nothing was ever written to it."""

    name: str
    retention: int | None = None
    created: float | None = None
    last_event: float | None = 2 / 1440


@dataclass(frozen=True)
class Alarm:
    """A metric alarm in state OK."""

    name: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    statistic: str
    threshold: float


@dataclass(frozen=True)
class Metric:
    """A metric with one point a minute around `level`, `swing` up and down within a day, and some noise."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    unit: str
    level: float
    swing: float
    whole: bool = False


@dataclass(frozen=True)
class Estate:
    """Everything that one system consists of in AWS."""

    system: str
    rotation_function: str
    services: tuple[Service, ...] = ()
    functions: tuple[Function, ...] = ()
    secrets: tuple[Secret, ...] = ()
    tables: tuple[Table, ...] = ()
    log_groups: tuple[LogGroup, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    metrics: tuple[Metric, ...] = ()
