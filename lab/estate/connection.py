"""Connections of the estate's seeding: AWS clients whose calls leave no audit lines, and control requests.

Making a client takes milliseconds even when its service's model is read already, and most systems need few services:
clients are made when they are asked for, from one session a region with one loader for all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config

from lab.control_client import Control

# The AWS process does not audit what this key does: seeding is not somebody's work.
SEEDER_KEY = "LABSEEDER"
# Says whose account a call is about, which the seeder's key does not.
ACCOUNT_HEADER = "x-moto-account-id"
SERVICES = (
    "apigatewayv2", "cloudfront", "cloudwatch", "dynamodb", "ec2", "ecs", "elasticache", "elbv2", "iam", "lambda", "logs",
    "rds", "s3", "secretsmanager", "sqs", "sts",
)  # fmt: skip
# What every system needs: prepared while the server still starts.
PREPARED = ("cloudwatch", "dynamodb", "ecs", "iam", "lambda", "secretsmanager")
# Checking the parameters of twenty thousand metric points takes longer than sending them.
_CONFIG = Config(
    parameter_validation=False,
    proxies={},
    inject_host_prefix=False,
    max_pool_connections=8,
    retries={"mode": "standard", "total_max_attempts": 2},
    s3={"addressing_style": "path"},
)
_UNUSED = "http://127.0.0.1:9"


class Clients(Mapping[str, Any]):
    """One account's clients by service, each made when it is first asked for; safe for threads."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}

    def __getitem__(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                if service not in SERVICES:
                    raise KeyError(service)
                self._made[service] = self._make(service)
            return self._made[service]

    def __iter__(self) -> Iterator[str]:
        return iter(SERVICES)

    def __len__(self) -> int:
        return len(SERVICES)


@dataclass(frozen=True)
class Aws:
    """One account and region of the lab's AWS as the seeding sees it."""

    endpoint: str
    region: str
    account: str
    clients: Mapping[str, Any]

    def control(self, route: str, **body: Any) -> Any:
        """Ask a control route about this account and region; raises LabError when it refuses."""
        place = {"account": self.account, "region": self.region}
        return Control(self.endpoint).post(f"/lab/{route}", {**place, **body})

    def backdate(self, kind: str, name: str, days: float) -> None:
        """Make one thing older."""
        self.control("backdate", kind=kind, name=name, days=days)


class Connector:
    """Reads service models before the endpoint is known: most of a client's cost."""

    def __init__(self, region: str, prepare: Iterable[str] = PREPARED) -> None:
        self._region = region
        self._loader = botocore.loaders.Loader()
        self._sessions: dict[str, Any] = {}
        self._lock = threading.Lock()
        for service in prepare:
            self._client(service, _UNUSED, "", region)

    def connect(self, endpoint: str, account: str, region: str | None = None) -> Aws:
        """The AWS at this address, as this account and region see it; costs nothing until a client is asked for."""
        place = region or self._region
        return Aws(endpoint, place, account, Clients(lambda service: self._client(service, endpoint, account, place)))

    def _client(self, service: str, endpoint: str, account: str, region: str) -> Any:
        # One at a time: sessions are not safe for threads. The names come from SERVICES, not from literals.
        with self._lock:
            create: Any = self._session(region).client
            client = create(service, endpoint_url=endpoint, config=_CONFIG)
        client.meta.events.register("before-sign", _says(account))
        return client

    def _session(self, region: str) -> Any:
        if region not in self._sessions:
            core = botocore.session.get_session()
            core.register_component("data_loader", self._loader)
            self._sessions[region] = boto3.Session(SEEDER_KEY, "unchecked", region_name=region, botocore_session=core)
        return self._sessions[region]


def _says(account: str) -> Callable[..., None]:
    def add_header(request: Any, **_: Any) -> None:
        request.headers[ACCOUNT_HEADER] = account

    return add_header
