"""Many log groups at once, with the ages, retention and events that a lived-in account has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from moto.core.utils import unix_time_millis, utcnow
from moto.logs.exceptions import ResourceAlreadyExistsException
from moto.logs.models import LogGroup, logs_backends

from lab.aws.backends import here, regional
from lab.aws.chance import seed
from lab.aws.control import ControlError
from lab.aws.log_streams import SeededStream, Written

STREAM = "main"
_FEW = 3
# Unless it is said when the last event was, a service is alive.
_JUST_NOW = timedelta(minutes=2)
_MOMENT_ZERO = datetime(1970, 1, 1)


def make_groups(body: Mapping[str, Any]) -> int:
    """`bulk/log-groups` {"groups": [{name, retention?, created_days?, last_event_days?, events?}]}.

    With neither `last_event_days` nor `events` nothing was ever written. The events spread over the fourteen days before
    the last one; without a number there are three.
    """
    backend, made = regional(logs_backends), 0
    for described in body["groups"]:
        try:
            group = backend.create_log_group(str(described["name"]), {})
        except ResourceAlreadyExistsException as error:
            raise ControlError(f"log group {described['name']!r} exists already") from error
        if described.get("retention"):
            backend.put_retention_policy(group.name, int(described["retention"]))
        group.creation_time -= timedelta(days=float(described.get("created_days") or 0.0))
        if described.get("last_event_days") is not None or described.get("events"):
            _write(group, described)
        made += 1
    return made


def _write(group: LogGroup, described: Mapping[str, Any]) -> None:
    age = described.get("last_event_days")
    last = utcnow() - (_JUST_NOW if age is None else timedelta(days=float(age)))
    written = Written(
        source=str(group.name).rsplit("/", 1)[-1],
        chance=f"{seed()}:{here().account}:{here().region}:{group.name}",
        count=max(1, int(described.get("events") or _FEW)),
        last_ms=int(unix_time_millis(last)),
    )
    stream = SeededStream(group, STREAM, written)
    # No event is older than its stream, no stream older than its group.
    stream.creation_time = _MOMENT_ZERO + timedelta(milliseconds=stream.first_event_timestamp)
    group.creation_time = min(group.creation_time, stream.creation_time)
    group.streams[STREAM] = stream
