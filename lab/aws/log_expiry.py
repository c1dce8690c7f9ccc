"""How old the events of a log group may be: older ones are not returned any more."""

from __future__ import annotations

from datetime import timedelta

from moto.core.utils import unix_time_millis, utcnow
from moto.logs.models import LogGroup


def oldest_allowed(group: LogGroup) -> int:
    """The oldest time that an event of this group may have, in milliseconds; 0 without retention."""
    if not group.retention_in_days:
        return 0
    return int(unix_time_millis(utcnow() - timedelta(days=int(group.retention_in_days))))
