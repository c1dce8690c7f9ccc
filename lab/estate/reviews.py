"""The estate of the reviews system (procedures 004): functions behind an HTTP API, tables, and a site on CloudFront."""

from __future__ import annotations

from lab.estate import alarms, growth
from lab.estate.model import (
    Alarm,
    Alias,
    Api,
    Bucket,
    Distribution,
    Dumps,
    Estate,
    Function,
    Index,
    LogGroup,
    Queue,
    Secret,
    Table,
)

_API = Api(
    "reviews-api",
    "reviews-list",
    ("GET /api/reviews", "GET /api/reviews/{id}", "POST /api/reviews", "DELETE /api/reviews/{id}"),
    requests=1400,
)

_FUNCTIONS = (
    Function("reviews-list", versions=25, aliases=(Alias("live", 25, {"24": 0.05}),), calls=760, milliseconds=48),
    Function("reviews-create", versions=19, aliases=(Alias("live", 19), Alias("previous", 18)), calls=180, milliseconds=130),
    Function("reviews-sentiment", versions=16, aliases=(Alias("live", 16),), provisioned=15, calls=90, milliseconds=740),
    Function(
        "reviews-moderate", versions=12, aliases=(Alias("live", 12),), queue=("reviews-moderation", 12), calls=95,
        milliseconds=520,
    ),
    Function("reviews-secret-rotation", milliseconds=400),
)  # fmt: skip
_WORKLOADS = {
    "answer": (24, 110), "authorizer": (700, 12), "cleanup": (1, 2600), "delete": (5, 70), "digest-mailer": (2, 1900),
    "export": (1, 4200), "get": (340, 31), "helpful-vote": (85, 27), "image-upload": (40, 610), "import": (2, 3100),
    "product-sync": (15, 330), "rating-average": (120, 41), "report-abuse": (6, 64), "search-index": (110, 85),
    "spam-score": (95, 210), "summary": (30, 1450), "translate": (45, 560), "update": (28, 90), "webhook": (60, 38),
}  # fmt: skip

_TABLES = (
    Table("reviews-prod", "review_id", capacity=(300, 120), reads=121, writes=33),
    Table("reviews-products-prod", "product_id", reads=80, writes=6),
    Table("reviews-users-prod", "user_id", reads=35, writes=3),
    Table("reviews-ratings-prod", "product_id", capacity=(150, 80), reads=74, writes=21),
    # Votes are counted by review once in a while, and a report is seldom escalated: neither index is read, and the other is
    # not even written, since it holds only what has its key.
    Table("reviews-votes-prod", "vote_id", reads=11, writes=14, indexes=(Index("by-review", "review_id", writes=14),)),
    Table("reviews-reports-prod", "report_id", reads=1, writes=1, indexes=(Index("by-escalation", "escalated_to"),)),
    Table("reviews-images-prod", "image_id", reads=19, writes=5),
    Table("reviews-sessions-prod", "session_id", reads=45, writes=28),
)

_SECRETS = (
    Secret("reviews/prod/jwt-signing", ("signing_key",), rotated=11),
    Secret("reviews/prod/model-provider", ("api_key",), rotated=11),
    Secret("reviews/prod/webhook", ("secret",), rotated=25),
    Secret("reviews/prod/search", ("user", "password")),
)

_JOBS = (
    "access", "audit", "backfill", "build", "cdn", "consent", "etl", "experiments", "feature-flags", "moderation-console",
    "partner-feed", "release", "seo", "site-preview", "synthetic-checks", "waf",
)  # fmt: skip


def _log_groups(functions: tuple[Function, ...], size: int, seed: int) -> tuple[LogGroup, ...]:
    return (
        *growth.function_groups(functions, seed, {"reviews-list": 14, "reviews-create": None}),
        LogGroup("/aws/apigateway/reviews-api", events=720),
        LogGroup("/aws/lambda/reviews-legacy-list", retention=14, created=600, last_event=120),
        LogGroup("/aws/lambda/reviews-prototype", created=240, last_event=None),
        *growth.groups("/reviews/", _JOBS, size),
    )


def _alarms() -> tuple[Alarm, ...]:
    return (
        *(alarms.function_errors(f"{function.name}-errors", function.name, 15) for function in _FUNCTIONS[:4]),
        *(alarms.function_duration(f"{function.name}-slow", function.name, 3000) for function in _FUNCTIONS[:4]),
        alarms.api_errors("reviews-api-5xx", _API.name),
        alarms.throttles("reviews-table-throttles", "reviews-prod"),
        alarms.throttles("reviews-ratings-throttles", "reviews-ratings-prod"),
        alarms.queue_depth("reviews-moderation-depth", "reviews-moderation", 500),
    )


def reviews(size: int = 1, seed: int = 1) -> Estate:
    """The reviews system of a lab of this size."""
    functions = growth.functions(_FUNCTIONS, "reviews-", _WORKLOADS, size, seed)
    return Estate(
        system="reviews",
        rotation_function="reviews-secret-rotation",
        functions=functions,
        secrets=_SECRETS,
        tables=growth.tables(_TABLES, size),
        log_groups=_log_groups(functions, size, seed),
        alarms=_alarms(),
        queues=growth.queues((Queue("reviews-moderation", 7),), size),
        buckets=(
            Bucket("reviews-site-prod", versioned=True),
            Bucket("reviews-backups", dumps=(Dumps("export/%Y%m%d.json.gz", 24, 35, 96),)),
        ),
        apis=(_API,),
        distributions=(Distribution("reviews.example.com", "reviews-site-prod.s3.us-west-2.amazonaws.com", 5200),),
    )
