"""Whose account a call is about, and who makes it.

moto keeps accounts apart and asks each request for its account; asking for it once, here, also spares moto its search
through all accounts' keys.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
_TEMPORARY = "ASIA"


@dataclass(frozen=True)
class Caller:
    """An account, and the access key or `assumed-role/<role>/<session>` that calls in it."""

    account: str
    principal: str


def caller_of(environ: dict[str, Any], access_key: str, home: str) -> Caller:
    """Who calls: the account that the request names, else the one that the key belongs to, else the lab's own.

    :param home: the account of keys that this lab did not hand out
    """
    account, principal = _owner(access_key)
    return Caller(environ.get(ACCOUNT_HEADER) or account or home, principal)


def _owner(access_key: str) -> tuple[str | None, str]:
    # Whatever has not been imported has handed out no keys.
    sts = sys.modules.get("moto.sts.models")
    if sts is not None and access_key.startswith(_TEMPORARY):
        for account, backends in list(sts.sts_backends.items()):
            for backend in list(backends.values()):
                role = backend.get_assumed_role_from_access_key(access_key)
                if role is not None:
                    return account, role.arn.split(":", 5)[-1]
    iam = sys.modules.get("moto.iam.models")
    if iam is not None:
        for account, backends in list(iam.iam_backends.items()):
            if any(access_key in backend.access_keys for backend in list(backends.values())):
                return account, access_key
    return None, access_key


def arn_of(caller: Caller) -> str:
    """The caller's ARN, as errors and CloudTrail name it."""
    if caller.principal.startswith("assumed-role/"):
        return f"arn:aws:sts::{caller.account}:{caller.principal}"
    return f"arn:aws:iam::{caller.account}:user/{caller.principal}"
