# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The backups of everything that a system has, whatever kind of source it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ..core.coverage import Collected, merge_coverage
from ..core.run import Run
from .backups import Source
from .client import Connect
from .dynamodb_backups import collect_table_backups
from .rds_snapshots import collect_instance_snapshots
from .s3_backups import Objects, collect_object_backups


def collect_backups(
    connect: Connect, run: Run, tables: Sequence[str], instances: Sequence[str], places: Sequence[Objects],
    max_age: timedelta,
) -> Collected[tuple[Source, ...]]:
    """Read the backups of DynamoDB tables, of RDS instances, and those in S3 buckets, in this order."""
    parts = []
    if tables:
        parts.append(collect_table_backups(connect, run, tables, max_age))
    if instances:
        parts.append(collect_instance_snapshots(connect, run, instances))
    if places:
        parts.append(collect_object_backups(connect, run, places))
    return Collected(tuple(source for part in parts for source in part.state), run.now(),
                     merge_coverage(part.coverage for part in parts))
