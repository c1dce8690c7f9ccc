"""What our metrics' names mean to a diagnosis: which way is worse, and what kind of trouble they show."""

from __future__ import annotations

from opsbook.diagnosis.robust import BOTH, DOWN, UP

ERRORS, LATENCY, TRAFFIC, RESOURCES = "errors", "latency", "traffic", "resources"
FAMILIES = (ERRORS, LATENCY, TRAFFIC, RESOURCES)
"""Google's four golden signals (Site Reliability Engineering, 2016, chapter 6)."""
HARM = (ERRORS, LATENCY)
"""What callers feel. More traffic or a busier processor is a reason why, and no harm of itself."""

_WORSE_BELOW = ("availab", "credit", "free", "healthy", "hit_r", "remaining", "running")
_NEITHER = ("requests", "invocations", "consumed", "provisioned", "network", "keys", "items", "sent", "deleted", "hits",
            "client_errors")
_LATENCY = ("latency", "duration", "response_time", "lag", "oldest_age")
_ERRORS = ("error", "throttle", "5xx", "failed", "fault", "healthy", "availab", "rejected", "timeout")
DENOMINATORS = ("requests", "invocations")
"""What failures are a share of, in the order in which they are looked for."""


def direction_of(metric: str) -> int:
    """Which way a metric is worse: UP, DOWN, or BOTH where either may be.

    :param metric: its name in our words ("errors", "latency_p95", "free_storage")
    """
    if metric.startswith("un"):
        return UP
    if _has(metric, _WORSE_BELOW):
        return DOWN
    return BOTH if _has(metric, _NEITHER) else UP


def family_of(metric: str) -> str:
    """Which of the golden signals a metric belongs to. What clients do wrong (4xx) is what they send, and no failure."""
    if metric.startswith("client_errors"):
        return TRAFFIC
    if _has(metric, _LATENCY):
        return LATENCY
    if _has(metric, _ERRORS):
        return ERRORS
    return TRAFFIC if _has(metric, DENOMINATORS) else RESOURCES


def per_request(metric: str) -> bool:
    """Whether a latency is a mean, so that what a callee takes longer adds up, call by call, in its callers."""
    return metric == "latency" or metric.endswith(("_avg", "_mean", "_average"))


def _has(metric: str, parts: tuple[str, ...]) -> bool:
    return any(part in metric for part in parts)
