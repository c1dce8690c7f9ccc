"""Roles that can be assumed: those that exist, in every account that has any.

moto lets everybody assume any role of any account, so a role that is named wrongly would lead into an empty account where
all is well. An account without roles is nobody's estate; there moto's way is kept.
"""

from __future__ import annotations

from typing import Any

from moto.iam.models import iam_backends
from moto.sts.exceptions import STSClientError
from moto.sts.models import STSBackend

_PARTITION = "aws"


def install() -> None:
    """Rebind moto's AssumeRole."""
    assume = STSBackend.assume_role

    def assume_role(self: STSBackend, role_arn: str, **request: Any) -> Any:
        account = role_arn.split(":")[4] if role_arn.count(":") >= 5 else ""
        roles = iam_backends[account][_PARTITION].roles.values() if account else ()
        if roles and not any(role.arn == role_arn for role in roles):
            # AWS says the same of a role that does not exist and of one that does not trust the caller.
            raise STSClientError("AccessDenied", f"Not authorized to perform: sts:AssumeRole on resource: {role_arn}")
        return assume(self, role_arn=role_arn, **request)

    STSBackend.assume_role = assume_role
