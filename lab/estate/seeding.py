"""Make the estates of a lab exist: all systems and their parts side by side, since each waits mostly for the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

from lab.accounts import HOME, place_of
from lab.estate.compute import seed_functions, seed_services
from lab.estate.connection import Aws, Connector
from lab.estate.data import seed_buckets, seed_caches, seed_databases, seed_lock_table, seed_record_bucket, seed_tables
from lab.estate.edge import seed_edge
from lab.estate.identity import seed_roles
from lab.estate.messaging import seed_queues
from lab.estate.model import Estate
from lab.estate.rotation import seed_secrets
from lab.estate.systems import estates
from lab.estate.watching import seed_alarms, seed_log_groups, seed_metrics

_WORKERS = 6
Secrets = Mapping[str, Mapping[str, str]]
Work = Callable[[], None]


def seed(connector: Connector, endpoint: str, settings: Mapping[str, Any], values: Secrets) -> None:
    """Create everything in an empty AWS; `values` are the secrets' fields by secret name.

    Raises what the first failing call raised; the lab is useless then.
    """
    now = datetime.now(UTC)
    home = place_of(HOME, settings)
    at_home = connector.connect(endpoint, home.account, home.region)
    work: list[Work] = [partial(seed_record_bucket, at_home, settings["record_bucket"])]
    # A lab without systems has the lock table too: tests of the lock itself need no estate.
    if HOME not in settings["systems"]:
        work.append(partial(seed_lock_table, at_home, settings["lock_table"]))
    for estate in estates(settings["systems"], settings["size"], settings["seed"]):
        place = place_of(estate.system, settings)
        aws = connector.connect(endpoint, place.account, place.region)
        work += [partial(seed_roles, aws, home.account), partial(seed_lock_table, aws, settings["lock_table"])]
        work += _work(aws, estate, now, values)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for done in [pool.submit(function) for function in work]:
            done.result()


def _work(aws: Aws, estate: Estate, now: datetime, values: Secrets) -> list[Work]:
    """The independent parts of one estate, the longest first."""

    def functions_and_what_needs_them() -> None:
        seed_queues(aws, estate)
        seed_functions(aws, estate)
        seed_secrets(aws, estate, values)
        seed_edge(aws, estate)

    return [
        partial(seed_services, aws, estate),
        functions_and_what_needs_them,
        partial(seed_tables, aws, estate),
        partial(seed_log_groups, aws, estate),
        partial(seed_metrics, aws, estate),
        partial(seed_alarms, aws, estate),
        partial(seed_databases, aws, estate),
        partial(seed_buckets, aws, estate, now),
        partial(seed_caches, aws, estate),
    ]
