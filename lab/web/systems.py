"""What the web application serves for each system, as data: its endpoints, their pages, and the names that lead there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Paths are below `/<system>/`.
Pages = Mapping[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """One application of a system: what is made unhealthy as a whole.

    :param health: the page that says how it is; `ready` the one that names its checks too, where they are two
    :param healthy: the word for that, and `facts` what the page holds beside
    :param pages: JSON pages that always answer
    :param served: JSON pages that fail with the endpoint
    :param site: a page for people, behind a cache; it fails with the endpoint
    """

    version: str
    health: str = ""
    ready: str = ""
    checks: tuple[str, ...] = ()
    healthy: str = "ok"
    facts: Mapping[str, str] = field(default_factory=dict)
    dated: bool = False
    pages: Pages = field(default_factory=dict)
    served: Pages = field(default_factory=dict)
    site: str | None = None


@dataclass(frozen=True)
class Job:
    """A background job of the analytics system: who it asks, and how often."""

    platform: str
    interval_minutes: int


@dataclass(frozen=True)
class System:
    """The web side of one system.

    :param jobs: background jobs by id, listed at `jobs_page`; they stand still when the scheduler does
    :param queues: jobs that wait by queue, shown at `queues_page`
    :param requests: requests a second by route, counted at `metrics_page`
    """

    endpoints: Mapping[str, Endpoint]
    jobs: Mapping[str, Job] = field(default_factory=dict)
    jobs_page: str = ""
    queues: Mapping[str, int] = field(default_factory=dict)
    queues_page: str = ""
    requests: Mapping[str, float] = field(default_factory=dict)
    metrics_page: str = ""


_COMMERCE_CHECKS = ("dynamodb", "redis", "queue")
_COMMERCE = System(
    endpoints={
        "api": Endpoint(
            version="4.2.0",
            health="api/health",
            checks=_COMMERCE_CHECKS,
            pages={"api/links/demo": {"id": "demo", "url": "https://example.org/video/demo"}},
        ),
        "products": Endpoint(
            version="3.7.1",
            health="products/health",
            checks=_COMMERCE_CHECKS,
            pages={"products/products/demo": {"id": "demo", "available": True}},
        ),
    },
)

_ANALYTICS = System(
    endpoints={
        "api": Endpoint(
            version="2.8.3",
            health="health",
            ready="health/ready",
            checks=("database", "redis", "scheduler"),
            served={"api/channels/demo": {"id": "demo", "platform": "twitch", "followers": 18230}},
        ),
    },
    jobs={
        "twitch-streams": Job("twitch", 15),
        "twitch-followers": Job("twitch", 60),
        "youtube-uploads": Job("youtube", 30),
        "youtube-comments": Job("youtube", 60),
        "mention-alerts": Job("twitter", 20),
        "monthly-report": Job("internal", 1440),
    },
    jobs_page="api/jobs",
)

_METERING = System(
    endpoints={
        "api": Endpoint(
            version="1.0.0",
            health="health",
            healthy="healthy",
            facts={"service": "ioanyt-delivery-standard"},
            dated=True,
            served={"api/usage/demo": {"customer": "demo", "period": "current", "units": 4096}},
        ),
    },
)

_MEDIA = System(
    endpoints={
        "api": Endpoint(
            version="5.1.0",
            health="api/health",
            checks=("database", "redis", "storage"),
            served={"api/search": {"query": "demo", "total": 3}},
        ),
    },
    queues={"media-processing": 18, "media-embeddings": 9, "media-thumbnails": 4, "media-notifications": 0},
    queues_page="api/admin/queues/stats",
    requests={"/api/search": 9.4, "/api/upload": 1.2, "/api/media/:id": 4.6, "/api/health": 0.1},
    metrics_page="metrics",
)

_REVIEWS = System(
    endpoints={
        "api": Endpoint(
            version="1.14.0",
            served={"api/reviews": {"items": [{"id": "demo", "rating": 5}], "count": 1}},
        ),
        "site": Endpoint(version="3.2.1", site=""),
    },
)

# Providers that the systems ask and do not own (`kind: external` in their service maps).
_PROVIDERS = System(
    endpoints={
        name: Endpoint(version="1", health=f"{name}/status")
        for name in ("billing-provider", "model-provider", "openai", "payments", "stripe", "tiktok", "twitch", "youtube")
    },
)

SYSTEMS: Mapping[str, System] = {
    "commerce": _COMMERCE,
    "analytics": _ANALYTICS,
    "metering": _METERING,
    "media": _MEDIA,
    "reviews": _REVIEWS,
    "providers": _PROVIDERS,
}

# Names of the estate: each answers with an address or with another name.
ADDRESSES: Mapping[str, str] = dict.fromkeys(
    (
        "api.tiktokcommerce.com", "products.tiktokcommerce.com", "api.social-analytics.example.com",
        "usage.ioanyt.example.com", "media-search.example.com", "api.reviews.example.com",
        "d1reviews.cloudfront.example.com",
    ),
    "127.0.0.1",
)  # fmt: skip
ALIASES: Mapping[str, str] = {
    "www.tiktokcommerce.com": "api.tiktokcommerce.com",
    "app.social-analytics.example.com": "api.social-analytics.example.com",
    "reviews.example.com": "d1reviews.cloudfront.example.com",
}
