"""The words in which a system's estate is described. Ages are in days before now, unless they say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """An ECS service whose last deployment has completed; with a target group it is behind the load balancer."""

    name: str
    family: str
    image: str
    desired: int
    revisions: int = 3
    circuit_breaker: bool = True
    deployed: float = 6
    target_group: str = ""
    port: int = 8080
    cpu: float = 35
    memory: float = 55
    part: float = 0  # of the load balancer's requests
    seconds: float = 0.1  # to answer one


@dataclass(frozen=True)
class Alias:
    """A Lambda alias, with a weighted second version where `weights` names one."""

    name: str
    version: int
    weights: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Function:
    """A Lambda function with versions 1 to `versions`, called `calls` times a minute for `milliseconds` each."""

    name: str
    versions: int = 0
    aliases: tuple[Alias, ...] = ()
    provisioned: int | None = None
    queue: tuple[str, int] | None = None  # an SQS queue's name and the version that it feeds
    calls: float = 0
    milliseconds: float = 100


@dataclass(frozen=True)
class Secret:
    """A secret with random fields; `rotated` says when it last was, None that it does not rotate."""

    name: str
    fields: tuple[str, ...]
    rotated: float | None = None
    rotation_days: int = 30


@dataclass(frozen=True)
class Index:
    """A global secondary index of a table on demand. Only what is used is published: 0 is no data point."""

    name: str
    key: str
    reads: float = 0
    writes: float = 0


@dataclass(frozen=True)
class Table:
    """A DynamoDB table with a daily backup for `backups` days, the newest one `newest_hours` old.

    `capacity` is what is provisioned to read and to write, in units a second; None is on demand.
    """

    name: str
    key: str
    backups: int = 35
    newest_hours: float = 5
    capacity: tuple[int, int] | None = None
    reads: float = 12
    writes: float = 4
    indexes: tuple[Index, ...] = ()


@dataclass(frozen=True)
class LogGroup:
    """A log group; `last_event` None means that nothing was ever written to it.

    `events` is how many there are, in the two weeks before the last one.
    """

    name: str
    retention: int | None = None
    created: float | None = None
    last_event: float | None = 2 / 1440
    events: int = 3


@dataclass(frozen=True)
class Alarm:
    """A metric alarm in state OK."""

    name: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    statistic: str
    threshold: float
    comparison: str = "GreaterThanThreshold"


@dataclass(frozen=True)
class Metric:
    """A metric with a value a minute around `level`.

    Parts of the level: `daily` is how far it goes up by day and down at night, `weekly` how much less it is at weekends,
    `noise` its standard deviation. `whole` is of what is counted, `sparse` of what is published only while it is not zero.
    With a `spread`, each value is the mean of about `samples` durations a minute, none above `most` (0: no bound).
    """

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    unit: str
    level: float
    daily: float = 0
    weekly: float = 0
    noise: float = 0.04
    whole: bool = False
    region: str = ""  # where not the system's own
    spread: float = 0
    samples: float = 1000
    most: float = 0
    sparse: bool = False


@dataclass(frozen=True)
class LoadBalancer:
    """An application load balancer: requests a minute, how many of them end in a 5xx, and seconds to answer."""

    name: str
    requests: float
    errors: float
    seconds: float


@dataclass(frozen=True)
class Database:
    """An RDS instance with a snapshot a day; storage in GiB."""

    name: str
    storage: int
    free: float
    connections: float
    cpu: float = 30
    snapshots: int = 35
    newest_hours: float = 4


@dataclass(frozen=True)
class Cache:
    """An ElastiCache cluster, a member of `group` where it is replicated."""

    name: str
    used: float
    connections: float
    group: str = ""
    node_type: str = "cache.t3.medium"


@dataclass(frozen=True)
class Queue:
    """An SQS queue with as many messages, and with a dead-letter queue after five attempts."""

    name: str
    messages: int = 0
    dead_letters: bool = True

    @property
    def dead_letter_queue(self) -> str:
        """The name of the queue that takes what cannot be worked off."""
        return f"{self.name}-dead-letters"


@dataclass(frozen=True)
class Dumps:
    """Objects that a backup job writes every `hours`, `count` of them; `name` is a pattern for strftime."""

    name: str
    hours: float
    count: int
    megabytes: float
    newest_hours: float = 2


@dataclass(frozen=True)
class Bucket:
    """An S3 bucket, with the backups in it."""

    name: str
    versioned: bool = False
    dumps: tuple[Dumps, ...] = ()


@dataclass(frozen=True)
class Api:
    """An HTTP API of API Gateway in front of one function."""

    name: str
    function: str
    routes: tuple[str, ...]
    requests: float


@dataclass(frozen=True)
class Distribution:
    """A CloudFront distribution."""

    alias: str
    origin: str
    requests: float


@dataclass(frozen=True)
class Estate:
    """Everything that one system consists of in AWS."""

    system: str
    rotation_function: str = ""
    cluster: str = ""
    services: tuple[Service, ...] = ()
    functions: tuple[Function, ...] = ()
    secrets: tuple[Secret, ...] = ()
    tables: tuple[Table, ...] = ()
    log_groups: tuple[LogGroup, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    load_balancers: tuple[LoadBalancer, ...] = ()
    databases: tuple[Database, ...] = ()
    caches: tuple[Cache, ...] = ()
    queues: tuple[Queue, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    apis: tuple[Api, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    metrics: tuple[Metric, ...] = ()  # beside those that follow from the parts
