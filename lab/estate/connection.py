"""Connections of the estate's seeding: AWS clients whose calls leave no audit lines, and control requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from lab.control_client import post

# The AWS process does not audit what this key does: seeding is not somebody's work.
SEEDER_KEY = "LABSEEDER"
SERVICES = ("cloudwatch", "dynamodb", "ecs", "iam", "lambda", "logs", "s3", "secretsmanager", "sqs")
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


@dataclass(frozen=True)
class Aws:
    """The lab's AWS as the seeding sees it."""

    endpoint: str
    region: str
    account: str
    clients: Mapping[str, Any]

    def control(self, route: str, **body: Any) -> Any:
        """Ask a control route; raises LabError when it refuses."""
        return post(self.endpoint, f"/lab/{route}", body)

    def backdate(self, kind: str, name: str, days: float) -> None:
        """Make one thing older."""
        self.control("backdate", kind=kind, name=name, days=days)


class Connector:
    """Prepares clients before the endpoint is known: most of a client's cost is reading the service's model."""

    def __init__(self, region: str) -> None:
        self._session = boto3.session.Session(SEEDER_KEY, "unchecked", region_name=region)
        self._region = region
        self._clients(_UNUSED)

    def connect(self, endpoint: str, account: str) -> Aws:
        """Clients of the AWS at this address."""
        return Aws(endpoint, self._region, account, self._clients(endpoint))

    def _clients(self, endpoint: str) -> dict[str, Any]:
        # The names come from SERVICES, not from literals that type stubs could check.
        create: Any = self._session.client
        return {service: create(service, endpoint_url=endpoint, config=_CONFIG) for service in SERVICES}
