"""The estate of the metering system (procedures 002): an API on ECS that counts what customers use."""

from __future__ import annotations

from lab.estate import alarms, growth
from lab.estate.model import (
    Alarm,
    Alias,
    Bucket,
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

_CLUSTER = "ioanyt-prod"
_BALANCER = LoadBalancer("delivery-standard-prod", requests=2100, errors=1.8, seconds=0.09)


def _service(
    name: str, desired: int, cpu: float, target_group: str = "", revisions: int = 3, deployed: float = 4, part: float = 0,
) -> Service:
    return Service(
        name=name,
        family=name,
        image=f"registry.example/ioanyt-{name}:stable",
        desired=desired,
        revisions=revisions,
        deployed=deployed,
        target_group=target_group,
        port=3000,
        cpu=cpu,
        part=part,
        seconds=0.09,
    )


_SERVICES = (
    _service("delivery-standard", desired=2, cpu=44, target_group="delivery-standard-prod", revisions=5, part=0.7),
    _service("delivery-priority", desired=2, cpu=29, target_group="delivery-priority-prod", part=0.18),
    _service("usage-aggregator", desired=2, cpu=57),
    _service("quota-service", desired=2, cpu=21, target_group="quota-service-prod", deployed=11, part=0.12),
    _service("invoice-export", desired=1, cpu=14, deployed=16),
)

_FUNCTIONS = (
    Function("ioanyt-secret-rotation", milliseconds=390),
    Function("ioanyt-usage-rollup", versions=8, aliases=(Alias("live", 8),), calls=12, milliseconds=840),
)

_TABLES = (
    Table("ioanyt-usage-events-prod", "event_id", capacity=(200, 400), reads=62, writes=168),
    Table("ioanyt-usage-totals-prod", "customer_id", capacity=(100, 100), reads=44, writes=31),
    Table("ioanyt-customers-prod", "customer_id", reads=18, writes=1),
    Table("ioanyt-quotas-prod", "quota_id", reads=52, writes=4),
    Table("ioanyt-invoices-prod", "invoice_id", reads=3, writes=1),
    Table("ioanyt-api-keys-prod", "key_id", reads=71, writes=1),
)

_SECRETS = (
    Secret("ioanyt/prod/signing", ("signing_key",), rotated=9),
    Secret("ioanyt/prod/billing-provider", ("account", "token"), rotated=9),
    Secret("ioanyt/prod/webhooks", ("secret",)),
)

_COMPONENTS = (
    "access", "audit", "billing-sync", "config-sync", "customer-import", "dead-letter-replay", "edge-proxy",
    "event-archive", "export-worker", "ledger-check", "plan-catalog", "price-book", "quota-reset", "rate-limiter",
    "schema-registry", "statement-mailer", "tax-rates", "usage-replay",
)  # fmt: skip


def _log_groups(
    services: tuple[Service, ...], functions: tuple[Function, ...], size: int, seed: int
) -> tuple[LogGroup, ...]:
    return (
        *(LogGroup(f"/ecs/{service.name}-prod", events=600) for service in services),
        *growth.function_groups(functions, seed, {}),
        LogGroup("/ecs/delivery-standard-beta", created=330, last_event=None),
        LogGroup("/ecs/delivery-legacy-prod", retention=90, created=700, last_event=160),
        *growth.groups("/ioanyt/", _COMPONENTS, size),
    )


def _alarms(services: tuple[Service, ...]) -> tuple[Alarm, ...]:
    standard, others = services[0], services[1:]
    return (
        alarms.renamed(alarms.balancer_errors(_BALANCER, threshold=105), "delivery-standard-prod-high-error-rate"),
        alarms.balancer_latency("delivery-standard-prod-high-latency", _BALANCER, seconds=1),
        alarms.unhealthy_hosts("delivery-standard-prod-unhealthy-hosts", _BALANCER, standard.target_group),
        alarms.balancer_silence("delivery-standard-prod-low-requests", _BALANCER, requests=1),
        alarms.service_cpu("delivery-standard-prod", _CLUSTER, standard),
        alarms.service_memory("delivery-standard-prod", _CLUSTER, standard),
        *(alarms.service_cpu(f"{service.name}-prod", _CLUSTER, service) for service in others),
        alarms.throttles("usage-events-prod-throttles", _TABLES[0].name),
    )


def metering(size: int = 1, seed: int = 1) -> Estate:
    """The metering system of a lab of this size."""
    services = growth.services(_SERVICES, size)
    functions = growth.functions(_FUNCTIONS, "ioanyt-", {}, size, seed)
    return Estate(
        system="metering",
        rotation_function=_FUNCTIONS[0].name,
        cluster=_CLUSTER,
        services=services,
        functions=functions,
        secrets=_SECRETS,
        tables=growth.tables(_TABLES, size),
        log_groups=_log_groups(services, functions, size, seed),
        alarms=_alarms(services),
        load_balancers=(_BALANCER,),
        queues=growth.queues((Queue("ioanyt-usage-events", 22),), size),
        buckets=(Bucket("ioanyt-usage-archive", dumps=(Dumps("usage/%Y%m%d.parquet", 24, 35, 310),)),),
    )
