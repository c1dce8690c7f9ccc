"""The estate of the commerce system (procedures 000): a link hub on ECS and Lambda."""

from __future__ import annotations

from lab.estate import alarms, growth
from lab.estate.model import (
    Alarm,
    Alias,
    Api,
    Bucket,
    Cache,
    Dumps,
    Estate,
    Function,
    LoadBalancer,
    LogGroup,
    Queue,
    Secret,
    Service,
    Table,
)

_PREFIX = "tiktok-commerce-"
_CLUSTER = "production-cluster"
_PRODUCTS_TABLE = "tiktok-commerce-products-prod"
_BALANCER = LoadBalancer("commerce", requests=1800, errors=1.5, seconds=0.12)

_SERVICES = (
    Service(
        name="ingestion-api",
        family="tiktok-commerce-ingestion-api",
        image="registry.example/tiktok-commerce-ingestion-api:stable",
        revisions=4,
        desired=3,
        target_group="tiktok-commerce-ingestion",
        cpu=42,
        memory=61,
        part=0.62,
        seconds=0.095,
    ),
    Service(
        name="product-service",
        family="tiktok-commerce-product-service",
        image="registry.example/tiktok-commerce-product-service:stable",
        desired=2,
        circuit_breaker=False,
        target_group="tiktok-commerce-product",
        cpu=31,
        part=0.38,
        seconds=0.16,
    ),
)

_FUNCTIONS = (
    Function(
        "tiktok-commerce-caption-parser",
        versions=14,
        aliases=(Alias("live", 14, {"13": 0.1}), Alias("previous", 11)),
        calls=240,
        milliseconds=180,
    ),
    Function(
        "tiktok-commerce-link-resolver",
        versions=9,
        aliases=(Alias("live", 9),),
        provisioned=7,
        calls=600,
        milliseconds=35,
    ),
    Function(
        "tiktok-commerce-video-indexer",
        versions=8,
        aliases=(Alias("live", 8),),
        queue=("tiktok-commerce-video-jobs", 3),
        calls=90,
        milliseconds=900,
    ),
    Function("tiktok-commerce-report-mailer", calls=4, milliseconds=1500),
    Function("tiktok-commerce-secret-rotation", milliseconds=400),
)
# Calls a minute and milliseconds a call.
_WORKLOADS = {
    "click-recorder": (420, 22), "creator-sync": (35, 640), "currency-rates": (2, 310), "feed-publisher": (60, 270),
    "price-watcher": (48, 190), "session-cleanup": (1, 2200), "stock-alerts": (9, 140), "thumbnail-maker": (75, 820),
    "webhook-intake": (130, 45),
}  # fmt: skip

_TABLES = (
    Table(_PRODUCTS_TABLE, "product_id", capacity=(100, 100), reads=38, writes=11),
    Table("tiktok-commerce-videos-prod", "video_id", reads=24, writes=9),
    Table("tiktok-commerce-clicks-prod", "click_id", reads=6, writes=45),
    Table("tiktok-commerce-creators-prod", "creator_id", capacity=(50, 20), reads=14, writes=2),
    Table("tiktok-commerce-links-prod", "link_id", reads=60, writes=3),
    Table("tiktok-commerce-orders-prod", "order_id", capacity=(40, 40), reads=9, writes=7),
)

_SECRETS = (
    Secret("tiktok-commerce/api-keys", ("client_key", "client_secret"), rotated=8),
    Secret("tiktok-commerce/webhook-signing", ("signing_key",), rotated=8),
    Secret("tiktok-commerce/partner-token", ("token",)),
    Secret("tiktok-commerce/feed-export", ("user", "password")),
)

_ORDINARY_LOG_GROUPS = (
    "catalog-import", "checkout-sync", "creator-payouts", "feed-export", "fraud-screening", "image-resizer",
    "inventory-sync", "link-preview", "order-events", "price-updates", "search-indexer", "webhook-relay",
)  # fmt: skip
_SPECIAL_LOG_GROUPS = (
    LogGroup("/ecs/old-service-logs", retention=30, created=400, last_event=200),
    LogGroup("/ecs/tiktok-commerce-canary-2025", created=300, last_event=None),
    LogGroup("/ecs/tiktok-commerce-legacy-import", retention=14, created=500, last_event=90),
    LogGroup("/ecs/tiktok-commerce-audit", created=500, last_event=1 / 24),
)
_RETENTION = {
    "tiktok-commerce-caption-parser": 14,
    **dict.fromkeys((function.name for function in _FUNCTIONS[1:]), None),
}


def _log_groups(functions: tuple[Function, ...], size: int, seed: int) -> tuple[LogGroup, ...]:
    return (
        *(LogGroup(f"/ecs/{name}", retention=30, events=600) for name in growth.indexed(_SERVICES[0].family, size)),
        *(LogGroup(f"/ecs/{name}", events=480) for name in growth.indexed(_SERVICES[1].family, size)),
        LogGroup("/aws/apigateway/tiktok-commerce", events=720),
        *growth.function_groups(functions, seed, _RETENTION),
        *_SPECIAL_LOG_GROUPS,
        *growth.groups("/tiktok-commerce/", _ORDINARY_LOG_GROUPS, size),
    )


def _alarms(services: tuple[Service, ...]) -> tuple[Alarm, ...]:
    errors = alarms.balancer_errors(_BALANCER, threshold=50)
    return (
        alarms.renamed(errors, "production-ingestion-5xx"),
        alarms.renamed(errors, "production-product-5xx"),
        *(
            alarms.service_cpu(f"production-{service.name.replace('-api', '').replace('-service', '')}", _CLUSTER, service)
            for service in services
        ),
        alarms.function_errors("production-caption-parser-errors", _FUNCTIONS[0].name),
        alarms.function_errors("production-link-resolver-errors", _FUNCTIONS[1].name),
        alarms.throttles("production-products-throttles", _PRODUCTS_TABLE),
        alarms.throttles("production-videos-throttles", "tiktok-commerce-videos-prod"),
        alarms.queue_depth("production-video-jobs-depth", "tiktok-commerce-video-jobs", 100),
    )


def commerce(size: int = 1, seed: int = 1) -> Estate:
    """The commerce system of a lab of this size."""
    services = growth.services(_SERVICES, size)
    functions = growth.functions(_FUNCTIONS, _PREFIX, _WORKLOADS, size, seed)
    return Estate(
        system="commerce",
        rotation_function="tiktok-commerce-secret-rotation",
        cluster=_CLUSTER,
        services=services,
        functions=functions,
        secrets=_SECRETS,
        tables=growth.tables(_TABLES, size),
        log_groups=_log_groups(functions, size, seed),
        alarms=_alarms(services),
        load_balancers=(_BALANCER,),
        caches=(Cache("tiktok-commerce-redis-001", used=0.9, connections=46, group="tiktok-commerce-redis"),),
        queues=growth.queues((Queue("tiktok-commerce-video-jobs", 6), Queue("tiktok-commerce-link-events", 3)), size),
        buckets=(
            Bucket("tiktok-commerce-assets-prod", versioned=True),
            Bucket(
                "tiktok-commerce-backups",
                dumps=(
                    Dumps("terraform/%Y%m%d/terraform.tfstate", 24, 30, 0.4),
                    Dumps("exports/%Y%m%d.json.gz", 24, 35, 220),
                ),
            ),
        ),
        apis=(Api("tiktok-commerce", "tiktok-commerce-link-resolver", ("GET /links/{id}", "POST /links"), 620),),
    )
