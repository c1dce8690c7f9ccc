"""The estate of the commerce system (procedures 000)."""

from __future__ import annotations

from lab.estate.model import Alarm, Alias, Estate, Function, LogGroup, Metric, Secret, Service, Table

_CLUSTER = "production-cluster"
_LOAD_BALANCER = {"LoadBalancer": "app/commerce/50dc6c495c0c9188"}
_PRODUCTS_TABLE = "tiktok-commerce-products-prod"

_SERVICES = (
    Service(
        cluster=_CLUSTER,
        name="ingestion-api",
        family="tiktok-commerce-ingestion-api",
        image="registry.example/tiktok-commerce-ingestion-api:stable",
        revisions=4,
        desired=3,
        circuit_breaker=True,
        deployed=6,
    ),
    Service(
        cluster=_CLUSTER,
        name="product-service",
        family="tiktok-commerce-product-service",
        image="registry.example/tiktok-commerce-product-service:stable",
        revisions=3,
        desired=2,
        circuit_breaker=False,
        deployed=6,
    ),
)

_FUNCTIONS = (
    Function(
        "tiktok-commerce-caption-parser",
        versions=14,
        aliases=(Alias("live", 14, {"13": 0.1}), Alias("previous", 11)),
    ),
    Function("tiktok-commerce-link-resolver", versions=9, aliases=(Alias("live", 9),), provisioned=7),
    Function(
        "tiktok-commerce-video-indexer",
        versions=8,
        aliases=(Alias("live", 8),),
        queue=("tiktok-commerce-video-jobs", 3),
    ),
    Function("tiktok-commerce-report-mailer"),
    Function("tiktok-commerce-secret-rotation"),
)

_SECRETS = (
    Secret("tiktok-commerce/api-keys", ("client_key", "client_secret"), rotated=8),
    Secret("tiktok-commerce/webhook-signing", ("signing_key",), rotated=8),
    Secret("tiktok-commerce/partner-token", ("token",)),
)

_ORDINARY_LOG_GROUPS = (
    "catalog-import", "checkout-sync", "creator-payouts", "feed-export", "fraud-screening", "image-resizer",
    "inventory-sync", "link-preview", "order-events", "price-updates", "search-indexer", "webhook-relay",
)  # fmt: skip

_LOG_GROUPS = (
    LogGroup("/ecs/tiktok-commerce-ingestion-api", retention=30),
    LogGroup("/ecs/tiktok-commerce-product-service"),
    LogGroup("/aws/apigateway/tiktok-commerce"),
    LogGroup("/aws/lambda/tiktok-commerce-caption-parser", retention=14),
    *(LogGroup(f"/aws/lambda/{function.name}") for function in _FUNCTIONS[1:]),
    LogGroup("/ecs/old-service-logs", retention=30, created=400, last_event=200),
    LogGroup("/ecs/tiktok-commerce-canary-2025", created=300, last_event=None),
    LogGroup("/ecs/tiktok-commerce-legacy-import", retention=14, created=500, last_event=90),
    LogGroup("/ecs/tiktok-commerce-audit", created=500, last_event=1 / 24),
    *(LogGroup(f"/tiktok-commerce/{name}") for name in _ORDINARY_LOG_GROUPS),
)


def _service_dimensions(name: str) -> dict[str, str]:
    return {"ClusterName": _CLUSTER, "ServiceName": name}


_ALARMS = (
    Alarm(
        "production-ingestion-high-cpu", "AWS/ECS", "CPUUtilization", _service_dimensions("ingestion-api"),
        "Average", 80,
    ),
    Alarm("production-ingestion-5xx", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", _LOAD_BALANCER, "Sum", 50),
    Alarm(
        "production-product-high-cpu", "AWS/ECS", "CPUUtilization", _service_dimensions("product-service"),
        "Average", 80,
    ),
    Alarm("production-product-5xx", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", _LOAD_BALANCER, "Sum", 50),
    Alarm(
        "production-caption-parser-errors", "AWS/Lambda", "Errors",
        {"FunctionName": "tiktok-commerce-caption-parser"}, "Sum", 10,
    ),
    Alarm(
        "production-products-throttles", "AWS/DynamoDB", "ThrottledRequests", {"TableName": _PRODUCTS_TABLE},
        "Sum", 1,
    ),
)  # fmt: skip


def _service_metrics(name: str, cpu: float, memory: float) -> tuple[Metric, ...]:
    dimensions = _service_dimensions(name)
    return (
        Metric("AWS/ECS", "CPUUtilization", dimensions, "Percent", cpu, 8),
        Metric("AWS/ECS", "MemoryUtilization", dimensions, "Percent", memory, 3),
    )


def _function_metrics(name: str, invocations: float, milliseconds: float) -> tuple[Metric, ...]:
    dimensions = {"FunctionName": name}
    return (
        Metric("AWS/Lambda", "Invocations", dimensions, "Count", invocations, invocations / 3, whole=True),
        Metric("AWS/Lambda", "Errors", dimensions, "Count", invocations / 500, 0, whole=True),
        Metric("AWS/Lambda", "Duration", dimensions, "Milliseconds", milliseconds, milliseconds / 10),
    )


_METRICS = (
    *_service_metrics("ingestion-api", cpu=42, memory=61),
    *_service_metrics("product-service", cpu=31, memory=55),
    Metric("AWS/ApplicationELB", "RequestCount", _LOAD_BALANCER, "Count", 1800, 600, whole=True),
    Metric("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", _LOAD_BALANCER, "Count", 1.5, 0, whole=True),
    Metric("AWS/ApplicationELB", "TargetResponseTime", _LOAD_BALANCER, "Seconds", 0.12, 0.03),
    *_function_metrics("tiktok-commerce-caption-parser", 240, 180),
    *_function_metrics("tiktok-commerce-link-resolver", 600, 35),
    *_function_metrics("tiktok-commerce-video-indexer", 90, 900),
    *_function_metrics("tiktok-commerce-report-mailer", 4, 1500),
    *_function_metrics("tiktok-commerce-secret-rotation", 0, 400),
)

COMMERCE = Estate(
    system="commerce",
    rotation_function="tiktok-commerce-secret-rotation",
    services=_SERVICES,
    functions=_FUNCTIONS,
    secrets=_SECRETS,
    tables=(Table(_PRODUCTS_TABLE, "product_id", backups=35), Table("tiktok-commerce-videos-prod", "video_id", 35)),
    log_groups=_LOG_GROUPS,
    alarms=_ALARMS,
    metrics=_METRICS,
)
