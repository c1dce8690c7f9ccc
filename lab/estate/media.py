"""What the media system (procedures 003) has in AWS: queues, backups, secrets, logs and alarms of its one host."""

from __future__ import annotations

from lab.estate import alarms, growth
from lab.estate.metrics import counted
from lab.estate.model import Alarm, Bucket, Dumps, Estate, Function, LogGroup, Metric, Queue, Secret

_HOST = {"Host": "media-host-1"}
_NAMESPACE = "MediaSearch"
# A dump of the database every six hours, and the media files once a day, for 35 days.
_BACKUPS = Bucket(
    "media-search-backups",
    versioned=True,
    dumps=(
        Dumps("postgres/media-%Y%m%d-%H%M.dump", hours=6, count=140, megabytes=15),
        Dumps("media/media-files-%Y%m%d.tar", hours=24, count=35, megabytes=5200, newest_hours=7),
    ),
)
_QUEUES = (
    Queue("media-processing", 18),
    Queue("media-embeddings", 9),
    Queue("media-thumbnails", 4),
    Queue("media-notifications"),
)

_FUNCTIONS = (Function("media-search-secret-rotation", milliseconds=430),)

_SECRETS = (
    Secret("media-search/stripe", ("secret_key", "webhook_secret"), rotated=15),
    Secret("media-search/openai", ("api_key",), rotated=15),
    Secret("media-search/session", ("signing_key",), rotated=6),
    Secret("media-search/smtp", ("user", "password")),
)

_UNITS = (
    "api", "auth", "backup", "certificates", "cost-tracking", "cron", "exporter", "health-check", "kernel", "log-rotation",
    "nginx-access", "nginx-error", "queue-admin", "redis", "syslog", "usage-report", "worker", "worker-video",
)  # fmt: skip


def _log_groups(functions: tuple[Function, ...], size: int, seed: int) -> tuple[LogGroup, ...]:
    return (
        LogGroup("/media-search/postgres", retention=30, events=240),
        *growth.groups("/media-search/", _UNITS, size),
        *growth.function_groups(functions, seed, {}),
        LogGroup("/media-search/old-api-v1", retention=30, created=520, last_event=240),
        LogGroup("/media-search/staging-trial", created=190, last_event=None),
    )


def _alarms() -> tuple[Alarm, ...]:
    return (
        Alarm("media-host-high-cpu", _NAMESPACE, "CPUUtilization", _HOST, "Average", 80),
        Alarm("media-host-high-memory", _NAMESPACE, "MemoryUtilization", _HOST, "Average", 90),
        Alarm("media-host-disk", _NAMESPACE, "DiskUtilization", _HOST, "Average", 85),
        *(alarms.queue_depth(f"{queue.name}-queue-depth", queue.name, 1000) for queue in _QUEUES),
    )


def _metrics() -> tuple[Metric, ...]:
    """What the agent on the host publishes."""
    return (
        counted(_NAMESPACE, "HttpRequests", _HOST, 940),
        counted(_NAMESPACE, "HttpErrors", _HOST, 0.4),
        Metric(_NAMESPACE, "HttpRequestDuration", _HOST, "Seconds", 0.094, 0.15, 0.05, noise=0.08, spread=0.7, samples=940),
        Metric(_NAMESPACE, "CPUUtilization", _HOST, "Percent", 41, 0.2, 0.08),
        Metric(_NAMESPACE, "MemoryUtilization", _HOST, "Percent", 68, 0.03, 0.01),
        Metric(_NAMESPACE, "DiskUtilization", _HOST, "Percent", 57, 0.01, 0.01, noise=0.002),
    )


def media(size: int = 1, seed: int = 1) -> Estate:
    """The media system of a lab of this size."""
    return Estate(
        system="media",
        rotation_function=_FUNCTIONS[0].name,
        functions=_FUNCTIONS,
        secrets=_SECRETS,
        log_groups=_log_groups(_FUNCTIONS, size, seed),
        alarms=_alarms(),
        queues=growth.queues(_QUEUES, size),
        buckets=(_BACKUPS, Bucket("media-search-files", versioned=True)),
        metrics=_metrics(),
    )
