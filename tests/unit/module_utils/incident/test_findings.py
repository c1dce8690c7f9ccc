"""What findings say to a person."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import say_cost


@pytest.mark.parametrize(("cost", "said"), [
    ({"queries": 1200, "bytes_scanned": 10 * 1024 * 1024}, "1,200 queries, 10.0 MiB scanned"),
    ({"metrics_read": 91}, "91 metrics read"),
    ({}, ""),
])
def test_a_cost_is_said_with_its_units(cost: dict[str, Any], said: str) -> None:
    assert say_cost(cost) == said
