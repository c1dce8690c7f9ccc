# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots of RDS instances, those that RDS makes each day and those made by hand.

Sources, RDS API reference (DescribeDBSnapshots, DBSnapshot): without a type both kinds are listed. A copy has a new
creation time and the old data, so the time of the original counts. An instance of an Aurora or Multi-AZ cluster has none of
its own, the cluster has them. What is told of a size is the storage allocated, of which Aurora has none, and never the data
in it: a snapshot has no size here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timezone
from typing import Any

from ..core.coverage import Collected, merge_coverage
from ..core.run import Run
from .backups import Backup, Source
from .calls import all_pages
from .client import Connect
from .errors import explaining
from .gathering import gather
from .listings import choose
from .rds_instances import KIND, list_instances

SOURCE_TYPE = "rds_instance"
AVAILABLE = "available"


def collect_instance_snapshots(connect: Connect, run: Run, wanted: Sequence[str]) -> Collected[tuple[Source, ...]]:
    """Read the snapshots of the instances meant by names and patterns.

    One that is named and does not exist is part of the state, one that is denied is a gap.
    """
    # RDS keeps names in small letters, whatever is given.
    names = list(dict.fromkeys(name.lower() for name in wanted))
    listed, listing = choose(KIND, names, lambda: list_instances(connect, ", ".join(names)))
    existing = {str(instance["DBInstanceIdentifier"]): instance for instance in listed.items}

    def read_one(name: str) -> Source:
        with explaining("read the snapshots of an RDS instance", name):
            return Source(SOURCE_TYPE, name, backups=_available(connect, name, existing[name]))

    sources, coverage = gather(run, KIND, existing, read_one)
    absent = (Source(SOURCE_TYPE, name, exists=False) for name in listed.absent)
    return Collected((*sources, *absent), run.now(), merge_coverage([listing, coverage]))


def _available(connect: Connect, name: str, instance: Mapping[str, Any]) -> tuple[Backup, ...]:
    """The snapshots that can be restored, newest first: neither those being made nor those that failed."""
    cluster = instance.get("DBClusterIdentifier")
    kind, wanted = ("DBClusterSnapshot", {"DBClusterIdentifier": cluster}) if cluster else (
        "DBSnapshot", {"DBInstanceIdentifier": name})
    operation = "describe_db_cluster_snapshots" if cluster else "describe_db_snapshots"
    found = [_backup(snapshot, kind) for snapshot in all_pages(connect("rds"), operation, f"{kind}s", **wanted)
             if snapshot.get("Status") == AVAILABLE]
    return tuple(sorted(found, key=lambda backup: (backup.created, backup.arn), reverse=True))


def _backup(snapshot: Mapping[str, Any], kind: str) -> Backup:
    created = snapshot.get("OriginalSnapshotCreateTime") or snapshot["SnapshotCreateTime"]
    return Backup(
        name=snapshot[f"{kind}Identifier"], arn=snapshot[f"{kind}Arn"], created=created.astimezone(timezone.utc),
        size=None, status=snapshot["Status"])
