# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups of DynamoDB tables.

ListBackups answers with an empty list for a table that does not exist, so each table is described too: "there is no
backup" and "there is no such table" are different faults. Made on demand or by DynamoDB itself when a table was
deleted; backups of AWS Backup are not in this list (DynamoDB API reference, ListBackups).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from ..core.coverage import Collected, merge_coverage
from ..core.run import Run
from .backups import Backup, Source
from .calls import all_pages
from .client import Connect
from .dynamodb_tables import KIND, choose_tables
from .errors import explaining, is_missing
from .gathering import gather

SOURCE_TYPE = "dynamodb_table"
AVAILABLE = "AVAILABLE"

# As long as the backups that DynamoDB makes itself live. Older ones are asked for only where there is none.
LOOK_BACK = timedelta(days=35)


def collect_table_backups(
    connect: Connect, run: Run, wanted: Sequence[str], max_age: timedelta
) -> Collected[tuple[Source, ...]]:
    """Read the backups of the tables meant by names and patterns.

    One that is named and does not exist is part of the state, one that is denied is a gap.
    """
    now = run.now()
    since = now - max(LOOK_BACK, 2 * max_age)
    tables, listing = choose_tables(connect, wanted)

    def read_one(table: str) -> Source:
        with explaining("read the backups of a DynamoDB table", table):
            if not _exists(connect, table):
                return Source(SOURCE_TYPE, table, exists=False)
            # Only where there is none of late: an older one is told apart from none at all.
            found = _available(connect, table, since) or _available(connect, table, None)
            return Source(SOURCE_TYPE, table, backups=found, may_be_empty=True)

    sources, coverage = gather(run, KIND, tables, read_one)
    return Collected(tuple(sources), now, merge_coverage([listing, coverage]))


def _exists(connect: Connect, table: str) -> bool:
    try:
        connect("dynamodb").describe_table(TableName=table)
    except Exception as error:
        if not is_missing(error):
            raise
        return False
    return True


def _available(connect: Connect, table: str, since: datetime | None) -> tuple[Backup, ...]:
    """The backups that can be restored, newest first: neither those being made nor those deleted."""
    bound = {} if since is None else {"TimeRangeLowerBound": since}
    summaries = all_pages(
        connect("dynamodb"), "list_backups", "BackupSummaries", TableName=table, BackupType="ALL", **bound)
    found = [_backup(summary) for summary in summaries if summary["BackupStatus"] == AVAILABLE]
    return tuple(sorted(found, key=lambda backup: (backup.created, backup.arn), reverse=True))


def _backup(summary: Mapping[str, Any]) -> Backup:
    return Backup(
        name=summary["BackupName"], arn=summary["BackupArn"],
        created=summary["BackupCreationDateTime"].astimezone(timezone.utc),
        size=int(summary.get("BackupSizeBytes") or 0), status=summary["BackupStatus"])
