"""Seed the roles of an account: the operator's, which is assumed from outside, and the functions'."""

from __future__ import annotations

import json
from typing import Any

from lab.accounts import ROLE
from lab.estate.connection import Aws

FUNCTION_ROLE = "lab-function"


def seed_roles(aws: Aws, operators_account: str) -> None:
    """Create the functions' role, and, in every account but the operator's own, the role that the operator assumes."""
    _create(aws, FUNCTION_ROLE, {"Service": "lambda.amazonaws.com"})
    if aws.account != operators_account:
        _create(aws, ROLE, {"AWS": f"arn:aws:iam::{operators_account}:root"})


def _create(aws: Aws, name: str, trusted: dict[str, Any]) -> None:
    statement = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    aws.clients["iam"].create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
