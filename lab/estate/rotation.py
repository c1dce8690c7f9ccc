"""Seed the secrets, those that rotate with their function and the time when they last did."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from lab.estate.connection import Aws
from lab.estate.model import Estate, Secret
from lab.folders import LabError

_ROTATION_SECONDS = 10.0
_POLL_SECONDS = 0.05


def seed_secrets(aws: Aws, estate: Estate, values: Mapping[str, Mapping[str, str]]) -> None:
    """Create the secrets with these fields by name, and rotate those that rotate once; after the functions."""
    rotating = [secret for secret in estate.secrets if secret.rotated is not None]
    for secret in estate.secrets:
        aws.clients["secretsmanager"].create_secret(Name=secret.name, SecretString=json.dumps(values[secret.name]))
    for secret in rotating:
        _rotate(aws, secret, estate.rotation_function)
    for secret in rotating:
        _wait_for_rotation(aws, secret.name)
        aws.backdate("secret", secret.name, secret.rotated or 0.0)


def _rotate(aws: Aws, secret: Secret, function: str) -> None:
    aws.clients["secretsmanager"].rotate_secret(
        SecretId=secret.name,
        RotationLambdaARN=f"arn:aws:lambda:{aws.region}:{aws.account}:function:{function}",
        RotationRules={"AutomaticallyAfterDays": secret.rotation_days},
    )


def _wait_for_rotation(aws: Aws, name: str) -> None:
    deadline = time.monotonic() + _ROTATION_SECONDS
    while "LastRotatedDate" not in aws.clients["secretsmanager"].describe_secret(SecretId=name):
        if time.monotonic() > deadline:
            raise LabError(f"the first rotation of {name} did not end within {_ROTATION_SECONDS:g} seconds")
        time.sleep(_POLL_SECONDS)
