"""How much an investigation's log queries may scan: Logs Insights is billed by it, whoever reads the answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError

GIGABYTE = 1_000_000_000


@dataclass
class ScanBudget:
    """Bytes that may be scanned and those that were, shared by all questions of an investigation.

    Queries that run at the same time may pass it together by what each was let; a query alone passes it by what it scans
    between two looks at it.

    :param most: bytes that may be scanned (`log_scan_gb` of the limits)
    """

    most: int
    scanned: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def left(self) -> int:
        """Bytes that the next query may scan.

        :raises OperationError: when there are none left
        """
        if self.scanned >= self.most:
            raise OperationError(
                "ask for logs", "Logs Insights", f"not asked: {self.scanned / GIGABYTE:.1f} GB have been scanned, and "
                f"investigation_limits.log_scan_gb is {self.most / GIGABYTE:g}", "Narrow the window, or raise the limit.")
        return self.most - self.scanned

    def spend(self, scanned: int) -> None:
        """Count what a query has scanned."""
        with self._lock:
            self.scanned += scanned
