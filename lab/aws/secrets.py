"""Secrets Manager as AWS has it: reads follow AWSCURRENT, and a rotation runs, takes its time and may fail.

A rotation moves through the states a rotation function leaves behind: RotateSecret attaches AWSPENDING to a version
without a value; createSecret gives it one; finishSecret moves AWSCURRENT to it and AWSPREVIOUS to the version before.
A failed rotation leaves AWSPENDING where it is, and the next RotateSecret is refused and attempts it again.
Sources: Secrets Manager API reference (RotateSecret), AWS's rotation function templates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.utils import get_backend
from moto.secretsmanager.exceptions import (
    InvalidParameterException,
    InvalidRequestException,
    ResourceNotFoundException,
    SecretHasNoValueException,
    SecretNotFoundException,
)
from moto.secretsmanager.models import FakeSecret, ReplicaSecret, SecretsManagerBackend, secretsmanager_backends
from moto.secretsmanager.responses import SecretsManagerResponse

from lab.aws.backdate import register_backdate
from lab.aws.backends import regional
from lab.aws.control import ControlError, ControlRoutes
from lab.aws.paging import BadToken, page_of
from lab.aws.secret_rotation import OUTCOMES, Behaviour, Rotations, current_version, pending_version

_MARKED_DELETED = "You tried to perform the operation on a secret that's currently marked deleted."
_NO_FUNCTION = (
    "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN configured and you "
    "didn't include such an ARN as a parameter in this call."
)
_LARGEST_PAGE = 100
_DAY = 86_400

_rotations = Rotations()


def install(control: ControlRoutes) -> None:
    """Rebind moto's Secrets Manager; register the control route `secrets/rotation` and the ageing of secrets."""
    # moto remembers the current version apart from the stages, and forgets it when stages are moved.
    FakeSecret.default_version_id = property(current_version, lambda self, value: None)
    SecretsManagerBackend.rotate_secret = _rotate_secret
    SecretsManagerResponse.list_secret_version_ids = _list_secret_version_ids
    _read_current_by_default()
    _leave_out_deprecated_versions()
    control.route("secrets/rotation")(_set_behaviour)
    control.on_reset(_rotations.reset)
    register_backdate("secret", _backdate_secret)


# --- reads -----------------------------------------------------------------------------------------------------------


def _read_current_by_default() -> None:
    read = SecretsManagerBackend.get_secret_value

    def get_secret_value(
        self: SecretsManagerBackend, secret_id: str, version_id: str | None, version_stage: str | None
    ) -> dict[str, Any]:
        if self._is_valid_identifier(secret_id) and not version_id:
            version_stage = version_stage or "AWSCURRENT"
            versions = self.secrets[secret_id].versions.values()
            if not any(version_stage in version["version_stages"] for version in versions):
                raise SecretHasNoValueException(version_stage)
        answer: dict[str, Any] = read(self, secret_id, version_id, version_stage)
        return answer

    SecretsManagerBackend.get_secret_value = get_secret_value


def _leave_out_deprecated_versions() -> None:
    """DescribeSecret and ListSecrets name only versions with a stage, and a rotation's schedule once there is one."""
    show = FakeSecret.to_dict

    def to_dict(self: FakeSecret) -> dict[str, Any]:
        shown: dict[str, Any] = show(self)
        for name in ("VersionIdsToStages", "SecretVersionsToStages"):
            if name in shown:
                shown[name] = {version: stages for version, stages in shown[name].items() if stages}
        if "RotationRules" in shown:
            shown["RotationRules"] = getattr(self, "lab_rules", shown["RotationRules"])
        return shown

    FakeSecret.to_dict = to_dict


def _list_secret_version_ids(self: SecretsManagerResponse) -> str:
    secret = _secret(self.backend, self._get_param("SecretId"))
    deprecated = bool(self._get_param("IncludeDeprecated"))
    versions = [
        {"VersionId": version_id, "VersionStages": version["version_stages"], "CreatedDate": version["createdate"]}
        for version_id, version in sorted(secret.versions.items())
        if deprecated or version["version_stages"]
    ]
    size = min(int(self._get_param("MaxResults") or _LARGEST_PAGE), _LARGEST_PAGE)
    try:
        page, token = page_of(versions, size, self._get_param("NextToken"), lambda version: str(version["VersionId"]))
    except BadToken as error:
        raise InvalidParameterException("Invalid NextToken.") from error
    answer = {"ARN": secret.arn, "Name": secret.name, "Versions": page}
    return json.dumps(answer if token is None else {**answer, "NextToken": token})


def _secret(backend: SecretsManagerBackend, secret_id: str) -> FakeSecret:
    if not backend._is_valid_identifier(secret_id):
        raise SecretNotFoundException()
    return backend.secrets[secret_id]


# --- rotation --------------------------------------------------------------------------------------------------------


def _rotate_secret(
    self: SecretsManagerBackend,
    secret_id: str,
    client_request_token: str | None = None,
    rotation_lambda_arn: str | None = None,
    rotation_rules: dict[str, Any] | None = None,
    rotate_immediately: bool = True,
) -> str:
    secret = _secret(self, secret_id)
    _check_rotatable(self, secret, rotation_lambda_arn)
    token = self._from_client_request_token(client_request_token)
    repeated = client_request_token is not None and token in secret.versions
    pending = pending_version(secret)
    if pending is not None and pending != token:
        _rotations.attempt(secret, pending)
        raise InvalidRequestException("A previous rotation isn't complete. That rotation will be reattempted.")
    _configure(secret, rotation_lambda_arn, rotation_rules)
    if not rotate_immediately:
        return _receipt(secret, None)
    if not repeated:
        # The version has no value before the rotation function gives it one.
        secret.versions[token] = {
            "createdate": _rotations.now(),
            "version_id": token,
            "version_stages": ["AWSPENDING"],
        }
    if not repeated or pending == token:
        _rotations.attempt(secret, token)
    return _receipt(secret, token)


def _check_rotatable(backend: SecretsManagerBackend, secret: FakeSecret, function_arn: str | None) -> None:
    if isinstance(secret, ReplicaSecret):
        raise InvalidParameterException("Operation not permitted on a replica secret.")
    if secret.is_deleted():
        raise InvalidRequestException(_MARKED_DELETED)
    function_arn = function_arn or secret.rotation_lambda_arn
    if not function_arn:
        raise InvalidRequestException(_NO_FUNCTION)
    try:
        get_backend(backend.account_id, backend.region_name).get_function(function_arn)
    except UnknownFunctionException as error:
        raise ResourceNotFoundException(f"Resource not found for ARN '{function_arn}'.") from error


def _configure(secret: FakeSecret, function_arn: str | None, rules: Mapping[str, Any] | None) -> None:
    """Keep what a request leaves out, as AWS does."""
    if rules:
        days = rules.get("AutomaticallyAfterDays")
        if days is not None and not 1 <= days <= 1000:
            raise InvalidParameterException("RotationRules.AutomaticallyAfterDays must be within 1-1000.")
        secret.lab_rules = dict(rules)
        secret.auto_rotate_after_days = days or 0
    secret.rotation_lambda_arn = function_arn or secret.rotation_lambda_arn
    secret.rotation_requested = secret.rotation_enabled = True
    if secret.auto_rotate_after_days:
        secret.next_rotation_date = _rotations.now() + secret.auto_rotate_after_days * _DAY


def _receipt(secret: FakeSecret, version_id: str | None) -> str:
    receipt = {"ARN": secret.arn, "Name": secret.name}
    return json.dumps(receipt if version_id is None else {**receipt, "VersionId": version_id})


# --- control ---------------------------------------------------------------------------------------------------------


def _named(name: Any) -> FakeSecret:
    backend = regional(secretsmanager_backends)
    if not isinstance(name, str) or name not in backend.secrets:
        raise ControlError(f"there is no secret {name!r}")
    return backend.secrets[name]


def _set_behaviour(body: Mapping[str, Any]) -> dict[str, Any]:
    """`secrets/rotation`: how the rotations of one secret go from now on."""
    secret = _named(body.get("secret"))
    outcome = body.get("outcome", "ok")
    if outcome not in OUTCOMES:
        raise ControlError(f"outcome must be one of {', '.join(OUTCOMES)}, not {outcome!r}")
    try:
        seconds = float(body["seconds"]) if "seconds" in body else OUTCOMES[outcome]
    except (TypeError, ValueError) as error:
        raise ControlError(f"seconds must be a number, not {body['seconds']!r}") from error
    if seconds < 0:
        raise ControlError("seconds must not be negative")
    _rotations.behave(secret, Behaviour(outcome, seconds))
    return {"secret": secret.name, "outcome": outcome, "seconds": seconds}


def _backdate_secret(name: str, age: timedelta) -> None:
    """Age a secret with all its versions: when it was created, changed, rotated, and is next due."""
    secret, seconds = _named(name), int(age.total_seconds())
    for attribute in ("created_date", "last_changed_date", "last_rotation_date", "next_rotation_date"):
        moment = getattr(secret, attribute)
        if moment is not None:
            setattr(secret, attribute, moment - seconds)
    for version in secret.versions.values():
        version["createdate"] -= seconds
