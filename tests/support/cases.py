"""A case for the readers of evidence: what a notebook's case is, without a notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import Connect, connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from opsbook.diagnosis.service_map import ServiceMap, service_map_of
from opsbook.evidence.pieces import Span
from opsbook.evidence.scan_budget import GIGABYTE, ScanBudget
from tests.support.labs import ROOT, Lab


@dataclass(frozen=True)
class Example:
    """A case of a system: its window ends now unless it is said when."""

    declared: Mapping[str, Any]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    window: timedelta = timedelta(hours=1)
    before: timedelta = timedelta(hours=3)
    run: Run = field(default_factory=lambda: Run(timeout=60))
    connected: Connect | None = None
    log_scan: ScanBudget = field(default_factory=lambda: ScanBudget(100 * GIGABYTE))

    @property
    def span(self) -> Span:
        return Span(self.now - self.window, self.now)

    @property
    def baseline(self) -> Span:
        return self.span.before(self.before)

    @property
    def service_map(self) -> ServiceMap:
        return service_map_of(self.declared.get("service_map") or ())

    @cached_property
    def _connector(self) -> Connect:
        return connector(self.declared["opsbook_aws"], 4)

    def aws(self) -> Connect:
        if self.connected is not None:
            return self.connected
        if "opsbook_aws" not in self.declared:
            raise OperationError("connect to AWS", "this system", "the inventory declares no opsbook_aws")
        return self._connector


def declared_in(lab: Lab, system: str) -> dict[str, Any]:
    """What the lab's inventory declares for a system, templates resolved."""
    done = subprocess.run([sys.executable, "-m", "opsbook.runner.declared", system], cwd=ROOT, check=False,
                          env={**os.environ, "OPSBOOK_LAB_FOLDER": str(lab.folder)}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{system} does not resolve: {done.stderr}")
    declared: dict[str, Any] = json.loads(done.stdout)
    return declared
