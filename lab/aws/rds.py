"""RDS as AWS has it: snapshots come in pages. Source: RDS API reference (DescribeDBSnapshots: MaxRecords is 20 to 100)."""

from __future__ import annotations

from collections.abc import Callable

from moto.core.responses import ActionResult, PaginatedResult
from moto.core.utils import get_pagination_model
from moto.rds.responses import RDSResponse


def install() -> None:
    """Rebind moto's DescribeDBSnapshots."""
    # What a page's marker names; moto knows it of other lists only.
    get_pagination_model("rds")["DescribeDBSnapshots"]["unique_attribute"] = "db_snapshot_identifier"
    describe: Callable[[RDSResponse], ActionResult] = RDSResponse.describe_db_snapshots

    def describe_db_snapshots(self: RDSResponse) -> ActionResult:
        return PaginatedResult(describe(self).result)

    RDSResponse.describe_db_snapshots = describe_db_snapshots
