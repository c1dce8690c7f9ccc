# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots of RDS instances, those that RDS makes each day and those made by hand.

Sources, RDS API reference (DescribeDBSnapshots, DBSnapshot): without a type both kinds are listed. A copy has a new
creation time and the old data, so the time of the original counts. A snapshot's size is the storage allocated, not the data
in it. An instance of an Aurora or Multi-AZ cluster has none of its own, the cluster has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timezone
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import OperationError
from ..core.run import Run
from .backups import Backup, Source
from .calls import all_pages
from .client import Connect
from .errors import explaining
from .gathering import gather
from .rds_instances import GIBIBYTE, KIND, list_instances

SOURCE_TYPE = "rds_instance"
AVAILABLE = "available"


def collect_instance_snapshots(connect: Connect, run: Run, instances: Sequence[str]) -> Collected[tuple[Source, ...]]:
    """Read the snapshots of instances; one that does not exist is part of the state, one that is denied is a gap."""
    names = list(dict.fromkeys(name.lower() for name in instances))
    try:
        existing = list_instances(connect, ", ".join(names))
    except OperationError as error:
        # Without the list nobody knows which of them exist.
        missing = tuple(Gap(f"{KIND}:{name}", error.reason) for name in names)
        return Collected((), run.now(), Coverage(missing=missing))

    def read_one(name: str) -> Source:
        if name not in existing:
            return Source(SOURCE_TYPE, name, exists=False)
        with explaining("read the snapshots of an RDS instance", name):
            return Source(SOURCE_TYPE, name, backups=_available(connect, name, existing[name]))

    sources, coverage = gather(run, KIND, names, read_one)
    return Collected(tuple(sources), run.now(), coverage)


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
        size=int(snapshot.get("AllocatedStorage") or 0) * GIBIBYTE, status=snapshot["Status"])
