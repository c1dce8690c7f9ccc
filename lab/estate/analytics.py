"""The estate of the analytics system (procedures 001): a platform on ECS that follows social media channels."""

from __future__ import annotations

from lab.estate import alarms, growth
from lab.estate.model import (
    Alarm,
    Alias,
    Bucket,
    Cache,
    Database,
    Dumps,
    Estate,
    Function,
    LoadBalancer,
    LogGroup,
    Queue,
    Secret,
    Service,
)

_CLUSTER = "social-analytics-cluster"
_IMAGES = "registry.example/social-analytics"
_BALANCER = LoadBalancer("social-analytics", requests=1250, errors=1, seconds=0.31)
_DATABASE = Database("social-analytics-db", storage=100, free=46, connections=41, cpu=34)
_REPORTS = Database("social-analytics-reports", storage=200, free=121, connections=9, cpu=22)
_CACHE = Cache("social-analytics-redis", used=1.4, connections=63)


def _service(
    name: str, family: str, desired: int, cpu: float, target_group: str = "", deployed: float = 5, part: float = 0,
    seconds: float = 0.1,
) -> Service:
    return Service(
        name=name,
        family=f"social-analytics-{family}",
        image=f"{_IMAGES}-{family}:stable",
        desired=desired,
        deployed=deployed,
        target_group=target_group,
        port=8000,
        cpu=cpu,
        part=part,
        seconds=seconds,
    )


_SERVICES = (
    _service("backend-service", "backend", desired=2, cpu=38, target_group="social-analytics-backend", part=0.55,
             seconds=0.38),
    _service("frontend-service", "frontend", desired=2, cpu=17, target_group="social-analytics-frontend", part=0.42,
             seconds=0.14),
    _service("scheduler-service", "scheduler", desired=1, cpu=11),
    _service("collector-service", "collector", desired=3, cpu=52, deployed=9),
    _service("report-service", "report", desired=1, cpu=24, target_group="social-analytics-report", deployed=12, part=0.03,
             seconds=1.4),
)  # fmt: skip

_FUNCTIONS = (
    Function("social-analytics-secret-rotation", milliseconds=410),
    Function("social-analytics-alert-forwarder", versions=9, aliases=(Alias("live", 9),), calls=3, milliseconds=120),
)

_SECRETS = (
    Secret("production/social-analytics/twitch/credentials", ("client_id", "client_secret"), rotated=12),
    Secret("production/social-analytics/youtube/credentials", ("api_key",), rotated=12),
    Secret("production/social-analytics/signing", ("signing_key",), rotated=20),
    Secret("production/social-analytics/database", ("username", "password")),
)

_JOBS = (
    "audience-overlap", "channel-growth", "comment-sentiment", "competitor-watch", "cross-post", "engagement-rate",
    "follower-churn", "hashtag-trends", "influencer-score", "mention-alerts", "monthly-report", "post-schedule",
    "rate-limits", "story-views", "token-refresh", "twitch-streams", "video-retention", "youtube-uploads",
)  # fmt: skip


def _log_groups(
    services: tuple[Service, ...], functions: tuple[Function, ...], size: int, seed: int
) -> tuple[LogGroup, ...]:
    return (
        *(LogGroup(f"/ecs/{service.family}", 30 if service.target_group else None, events=480) for service in services),
        *growth.function_groups(functions, seed, {}),
        LogGroup("/aws/rds/instance/social-analytics-db/postgresql", events=144),
        LogGroup("/aws/rds/instance/social-analytics-reports/postgresql", events=48),
        LogGroup("/aws/elasticache/social-analytics-redis", events=36),
        LogGroup("/ecs/social-analytics-importer-2024", retention=30, created=460, last_event=210),
        *growth.groups("/social-analytics/jobs/", _JOBS, size),
    )


def _alarms(services: tuple[Service, ...]) -> tuple[Alarm, ...]:
    return (
        *(alarms.service_cpu(f"production-{service.name}", _CLUSTER, service) for service in services),
        alarms.renamed(alarms.service_cpu("", _CLUSTER, services[0]), "production-ecs-high-cpu"),
        alarms.renamed(alarms.service_memory("", _CLUSTER, services[0]), "production-ecs-high-memory"),
        alarms.renamed(alarms.balancer_errors(_BALANCER, threshold=40), "production-alb-5xx"),
        alarms.balancer_latency("production-alb-high-response-time", _BALANCER, seconds=2),
        *alarms.database("production-rds", _DATABASE),
        alarms.evictions("production-redis-evictions", _CACHE),
        alarms.queue_depth("production-collect-depth", "social-analytics-collect", 500),
    )


def analytics(size: int = 1, seed: int = 1) -> Estate:
    """The analytics system of a lab of this size."""
    services = growth.services(_SERVICES, size)
    functions = growth.functions(_FUNCTIONS, "social-analytics-", {}, size, seed)
    return Estate(
        system="analytics",
        rotation_function=_FUNCTIONS[0].name,
        cluster=_CLUSTER,
        services=services,
        functions=functions,
        secrets=_SECRETS,
        log_groups=_log_groups(services, functions, size, seed),
        alarms=_alarms(services),
        load_balancers=(_BALANCER,),
        databases=(_DATABASE, _REPORTS),
        caches=(_CACHE,),
        queues=growth.queues((Queue("social-analytics-collect", 14), Queue("social-analytics-reports", 1)), size),
        buckets=(Bucket("social-analytics-exports", dumps=(Dumps("exports/%Y%m%d.parquet", 24, 35, 48),)),),
    )
