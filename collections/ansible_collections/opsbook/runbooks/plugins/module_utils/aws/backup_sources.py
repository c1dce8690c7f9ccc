# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The backups of everything that a system has, whatever kind of source it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ..core.coverage import Collected, Coverage, Gap, merge_coverage
from ..core.run import Run
from .backups import Source
from .client import Connect
from .dynamodb_backups import collect_table_backups
from .dynamodb_tables import KIND as TABLE
from .rds_instances import KIND as INSTANCE
from .rds_snapshots import collect_instance_snapshots
from .s3_backups import Objects, collect_object_backups


def collect_backups(
    connect: Connect, run: Run, tables: Sequence[str], instances: Sequence[str], places: Sequence[Objects],
    max_age: timedelta,
) -> Collected[tuple[Source, ...]]:
    """Read the backups of DynamoDB tables, of RDS instances, and those in S3 buckets, in this order."""
    parts = []
    if tables:
        parts.append(_found(TABLE, tables, collect_table_backups(connect, run, tables, max_age)))
    if instances:
        parts.append(_found(INSTANCE, instances, collect_instance_snapshots(connect, run, instances)))
    if places:
        parts.append(collect_object_backups(connect, run, places, max_age))
    return Collected(tuple(source for part in parts for source in part.state), run.now(),
                     merge_coverage(part.coverage for part in parts))


def _found(kind: str, wanted: Sequence[str], part: Collected[tuple[Source, ...]]) -> Collected[tuple[Source, ...]]:
    """The part, with a gap where patterns chose nothing: good backups of other kinds say nothing of this one."""
    if part.state or not part.coverage.complete:
        return part
    gap = Gap(f"{kind}s matching {', '.join(wanted)}", "there is none, so nothing is known of its backups")
    return Collected(part.state, part.now, Coverage(missing=(gap,)))
