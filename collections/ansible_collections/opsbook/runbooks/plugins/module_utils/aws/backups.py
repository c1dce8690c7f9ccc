# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups of anything: is there one, is it young enough, is its size plausible.

What is read differs by kind of source (a DynamoDB table, an RDS instance, objects in S3); what makes a backup good does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..core.coverage import Collected
from ..core.durations import say_duration
from ..core.evidence import Evidence

# A backup much smaller than the one before it is more often a failed dump than a shrunken table (procedure 003-03).
SMALLEST_SHARE = 0.1


@dataclass(frozen=True)
class Backup:
    """One backup that can be restored.

    :param created: when it was requested (UTC)
    :param size: bytes of data; None where that is not told
    """

    name: str
    arn: str
    created: datetime
    size: int | None
    status: str


@dataclass(frozen=True)
class Source:
    """Something that is backed up.

    :param source_type: what it is ("dynamodb_table")
    :param name: its name
    :param exists: False where the source itself is not there (of backups in S3, their bucket)
    :param backups: what could be restored, newest first
    :param older: how many more there are that were counted only
    :param max_age: how old the newest may be; None: as for every other source
    :param may_be_empty: whether a backup of 0 bytes can be right, as that of an empty table
    :param size: bytes of all that were counted; None where that is not told
    :param listed_after: where the listing began, and what is older was left out; empty where all were listed
    """

    source_type: str
    name: str
    exists: bool = True
    backups: tuple[Backup, ...] = ()
    older: int = 0
    max_age: timedelta | None = None
    may_be_empty: bool = False
    listed_after: str = ""
    size: int | None = None

    @property
    def resource(self) -> str:
        """The source as evidence and coverage name it ("dynamodb-table:orders")."""
        return f"{self.source_type.replace('_', '-')}:{self.name}"


def evaluate_backups(collected: Collected[tuple[Source, ...]], max_age: timedelta) -> list[Evidence]:
    """A source is right when it exists and its newest backup is young enough and of plausible size.

    :param max_age: of sources that have none of their own
    """
    evidence: list[Evidence] = []
    for source in collected.state:
        if not source.exists:
            evidence.append(Evidence("source", source.resource, "exists", "does not exist", False))
            continue
        evidence.append(_age(source, collected.now, max_age if source.max_age is None else source.max_age))
        if source.backups:
            evidence += _size(source)
    return evidence


def describe_backups(collected: Collected[tuple[Source, ...]]) -> Mapping[str, Any]:
    """The sources as plain data, under `backups`."""
    return {"backups": [_described(source, collected.now) for source in collected.state]}


def _age(source: Source, now: datetime, max_age: timedelta) -> Evidence:
    expected = f"younger than {say_duration(max_age)}"
    if not source.backups:
        since = f" after {source.listed_after}" if source.listed_after else ""
        return Evidence("newest backup", source.resource, expected, f"there is no backup{since}", False)
    age = now - source.backups[0].created
    return Evidence("newest backup", source.resource, expected,
                    f"{source.backups[0].name}, {say_duration(age)} old", age <= max_age)


def _size(source: Source) -> list[Evidence]:
    """One entry; none where no size is told, or nothing is expected of it."""
    newest = source.backups[0].size
    if newest is None:
        return []
    smallest, expected = (0.0, []) if source.may_be_empty else (1.0, ["more than 0 bytes"])
    for before in source.backups[1:2]:
        if before.size:
            smallest = max(smallest, before.size * SMALLEST_SHARE)
            expected.append(f"at least a tenth of the {before.size} bytes of {before.name}")
    if not expected:
        return []
    return [Evidence("size of the newest backup", source.resource, ", ".join(expected), f"{newest} bytes",
                     newest >= smallest)]


def _described(source: Source, now: datetime) -> dict[str, Any]:
    return {
        "source_type": source.source_type,
        "source": source.name,
        "exists": source.exists,
        "newest": _described_backup(source.backups[0], now) if source.backups else None,
        "count": len(source.backups) + source.older,
        "total_size_bytes": source.size,
    }


def _described_backup(backup: Backup, now: datetime) -> dict[str, Any]:
    return {
        "name": backup.name,
        "arn": backup.arn,
        "created": backup.created.isoformat(),
        "age_hours": round((now - backup.created).total_seconds() / 3600, 2),
        "size_bytes": backup.size,
        "status": backup.status,
    }
