"""DynamoDB's list of backups as AWS has it: by time, type and table, in pages; and backups that can be aged.

Source: DynamoDB API reference (ListBackups): the lower bound of the time range is inclusive, the upper one is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Backup
from moto.dynamodb.responses import DynamoHandler

from lab.aws.backdate import register_backdate
from lab.aws.backends import regional
from lab.aws.control import ControlError, ControlRoutes

_LARGEST_PAGE = 100


def install(control: ControlRoutes) -> None:
    """Rebind moto's ListBackups and let backups be aged."""
    DynamoHandler.list_backups = _list_backups
    register_backdate("backup", _backdate_backup)


def _list_backups(self: DynamoHandler) -> ActionResult:
    request: Mapping[str, Any] = self.body
    limit = request.get("Limit", _LARGEST_PAGE)
    if not 1 <= limit <= _LARGEST_PAGE:
        bound = f"less than or equal to {_LARGEST_PAGE}" if limit > _LARGEST_PAGE else "greater than or equal to 1"
        raise MockValidationException(
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: "
            f"Member must have value {bound}"
        )
    start = request.get("ExclusiveStartBackupArn", "")
    backups = [backup for backup in _wanted(self, request) if backup.arn > start]
    answer: dict[str, Any] = {"BackupSummaries": [backup.summary for backup in backups[:limit]]}
    if len(backups) > limit:
        answer["LastEvaluatedBackupArn"] = backups[limit - 1].arn
    return ActionResult(answer)


def _wanted(self: DynamoHandler, request: Mapping[str, Any]) -> list[Backup]:
    kind = request.get("BackupType", "ALL")
    # moto has made UTC times without zone of the request's numbers, as its own are.
    lower, upper = request.get("TimeRangeLowerBound"), request.get("TimeRangeUpperBound")
    found = [
        backup
        for backup in self.dynamodb_backend.list_backups(request.get("TableName"))
        if kind in ("ALL", backup.type)
        and (lower is None or backup.creation_date_time >= lower)
        and (upper is None or backup.creation_date_time < upper)
    ]
    return sorted(found, key=lambda backup: str(backup.arn))


def _backdate_backup(name: str, age: timedelta) -> None:
    """Age one backup: by its ARN, as `table/name`, or by its name where only one table has such a backup."""
    backups = regional(dynamodb_backends).backups.values()
    found = [backup for backup in backups if name in (backup.arn, backup.name, f"{backup.table.name}/{backup.name}")]
    if not found:
        raise ControlError(f"there is no backup {name!r}")
    if len(found) > 1:
        tables = ", ".join(sorted(backup.table.name for backup in found))
        raise ControlError(f"{len(found)} backups are named {name!r} ({tables}): say <table>/<name>, or the ARN")
    found[0].creation_date_time -= age
