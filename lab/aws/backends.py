"""The moto backend that holds this lab's state of a service."""

from __future__ import annotations

import os
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID

from lab.aws.settings import ACCOUNT_VARIABLE, Settings


def account_id() -> str:
    """The lab's account: moto's own default outside of a lab."""
    return os.environ.get(ACCOUNT_VARIABLE) or str(DEFAULT_ACCOUNT_ID)


def regional(backends: Any) -> Any:
    """The backend of the lab's account and region, from moto's `<service>_backends`."""
    return backends[account_id()][Settings.region]


def worldwide(backends: Any) -> Any:
    """The backend of a service without regions (IAM, S3)."""
    return backends[account_id()]["aws"]
