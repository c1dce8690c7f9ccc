"""Another account and region of the lab's AWS, reached by a role, as a system of its own account has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3

ACCOUNT_HEADER = "x-moto-account-id"


@dataclass(frozen=True)
class Elsewhere:
    """One account and region.

    :param endpoint: of the lab's AWS
    """

    endpoint: str
    account: str = "345678901234"
    region: str = "eu-west-1"

    @property
    def options(self) -> dict[str, str]:
        """What a module's options say of it."""
        return {"region": self.region, "assume_role_arn": f"arn:aws:iam::{self.account}:role/opsbook-operations"}

    def client(self, service: str) -> Any:
        """A client that prepares the ground there; its calls are not audited."""
        client = boto3.client(service, endpoint_url=self.endpoint, region_name=self.region,
                              aws_access_key_id="LABSEEDER", aws_secret_access_key="lab")
        client.meta.events.register("before-send", self._as_account)
        return client

    def _as_account(self, request: Any, **_: Any) -> None:
        request.headers[ACCOUNT_HEADER] = self.account
