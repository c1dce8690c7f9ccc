"""Control routes that make many things at once: what hundreds of calls would make, without the calls.

An estate of realistic size is thousands of versions, backups and log groups; over HTTP most of its seeding would be
parsing. These routes call the same methods of moto's backends that the calls end in, and set the ages on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from moto.core.utils import utcnow

from lab.aws import bulk_lambda, bulk_logs, bulk_objects
from lab.aws.backends import regional
from lab.aws.control import ControlError, ControlFunction, ControlRoutes
from lab.aws.locks import service_lock

_DAY = timedelta(days=1)


def install(control: ControlRoutes) -> None:
    """Register the control routes `bulk/...`."""
    for name, service, function in (
        ("backups", "dynamodb", _make_backups),
        ("lambda", "lambda", bulk_lambda.make_functions),
        ("log-groups", "logs", bulk_logs.make_groups),
        ("objects", "s3", bulk_objects.make_objects),
        ("snapshots", "rds", _make_snapshots),
        ("task-definitions", "ecs", _make_definitions),
    ):
        control.route(f"bulk/{name}")(_explained(f"bulk/{name}", service, function))


def _explained(route: str, service: str, function: Callable[[Mapping[str, Any]], int]) -> ControlFunction:
    """A route that answers with how many things it made, and that says what it could not use."""

    def answer(body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            with service_lock(service):
                return {"made": function(body)}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, ControlError):
                raise
            raise ControlError(f"{route} cannot use what it was given: {type(error).__name__}: {error}") from error

    return answer


def _ages(described: Mapping[str, Any]) -> list[timedelta]:
    """The ages of `count` daily copies, the newest first and `newest_hours` old."""
    newest = timedelta(hours=float(described.get("newest_hours", 5.0)))
    return [newest + number * _DAY for number in range(int(described["count"]))]


def _make_backups(body: Mapping[str, Any]) -> int:
    """`bulk/backups` {"tables": [{name, count, newest_hours}]}: on-demand backups, one a day."""
    from moto.dynamodb.exceptions import TableNotFoundException
    from moto.dynamodb.models import dynamodb_backends

    backend, made = regional(dynamodb_backends), 0
    for table in body["tables"]:
        for age in _ages(table):
            moment = utcnow() - age
            try:
                backup = backend.create_backup(str(table["name"]), f"daily-backup-{moment:%Y%m%d}")
            except TableNotFoundException as error:
                raise ControlError(f"there is no table {table['name']!r}") from error
            backup.creation_date_time = moment
            made += 1
    return made


def _make_snapshots(body: Mapping[str, Any]) -> int:
    """`bulk/snapshots` {"instance", "count", "newest_hours"}: automated snapshots, one a day, named as RDS names them."""
    from moto.rds.models import rds_backends

    backend, name, ages = regional(rds_backends), str(body["instance"]), _ages(body)
    if name not in backend.databases:
        raise ControlError(f"there is no RDS instance {name!r}")
    database = backend.databases[name]
    # An instance is older than its snapshots, and the one that was taken when it was created has expired.
    database.created = database.instance_create_time = utcnow() - max(ages, default=timedelta()) - _DAY
    for snapshot in list(backend.database_snapshots.values()):
        if snapshot.db_instance_identifier == name and snapshot.snapshot_type == "automated":
            del backend.database_snapshots[snapshot.db_snapshot_identifier]
    for age in ages:
        moment = utcnow() - age
        snapshot = backend.create_auto_snapshot(name, f"rds:{name}-{moment:%Y-%m-%d-%H-%M}")
        snapshot.created = snapshot.original_snapshot_create_time = moment
    return len(ages)


def _make_definitions(body: Mapping[str, Any]) -> int:
    """`bulk/task-definitions` {"family", "revisions", "containers", "network_mode"}.

    Each revision is registered as RegisterTaskDefinition would; `{revision}` in an environment value is its number.
    """
    from moto.ecs.models import ecs_backends

    backend = regional(ecs_backends)
    for revision in range(1, int(body["revisions"]) + 1):
        backend.register_task_definition(
            str(body["family"]),
            [_numbered(container, revision) for container in body["containers"]],
            None,
            str(body.get("network_mode", "bridge")),
        )
    return int(body["revisions"])


def _numbered(container: Mapping[str, Any], revision: int) -> dict[str, Any]:
    environment = [
        {**variable, "value": str(variable["value"]).replace("{revision}", str(revision))}
        for variable in container.get("environment", [])
    ]
    return {**container, "environment": environment}
