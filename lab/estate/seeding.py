"""Make the estate of a lab exist: all groups side by side, since each waits mostly for the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any

from lab.estate.compute import seed_functions, seed_secrets, seed_services
from lab.estate.connection import Aws
from lab.estate.data import seed_alarms, seed_log_groups, seed_metrics, seed_stores, seed_tables
from lab.estate.model import Estate, Metric
from lab.estate.systems import ESTATES

_WORKERS = 4


def seed(aws: Aws, settings: Mapping[str, Any], values: Mapping[str, Mapping[str, str]]) -> None:
    """Create everything in an empty AWS; `values` are the secrets' fields by secret name.

    Raises what the first failing call raised; the lab is useless then.
    """
    now = datetime.now(UTC)
    work: list[Callable[[], None]] = [lambda: seed_stores(aws, settings["lock_table"], settings["record_bucket"])]
    for system in settings["systems"]:
        work += _work(aws, ESTATES[system], now, values)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for done in [pool.submit(function) for function in work]:
            done.result()


def _work(aws: Aws, estate: Estate, now: datetime, values: Mapping[str, Mapping[str, str]]) -> list[Callable[[], None]]:
    """The independent parts of one estate, the longest first."""

    def functions_and_secrets() -> None:
        seed_functions(aws, estate)
        seed_secrets(aws, estate, values)

    by_namespace = groupby(sorted(estate.metrics, key=_namespace), _namespace)
    return [
        *(partial(seed_metrics, aws, namespace, list(metrics), now) for namespace, metrics in by_namespace),
        lambda: seed_tables(aws, estate, now),
        functions_and_secrets,
        lambda: seed_log_groups(aws, estate, now),
        lambda: seed_services(aws, estate),
        lambda: seed_alarms(aws, estate),
    ]


def _namespace(metric: Metric) -> str:
    return metric.namespace
