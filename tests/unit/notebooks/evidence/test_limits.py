"""Thresholds: the procedures' by default, a system's own where its inventory says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from opsbook.evidence.limits import InvestigationLimits, limits_of, queue_limits_of
from tests.contract.test_inventory import SCHEMA


@pytest.mark.parametrize(("declared", "name", "value"), [
    ({}, "error_rate_percent", 5.0),
    ({}, "idle_connection", timedelta(minutes=15)),
    ({"investigation_limits": {"error_rate_percent": 2}}, "error_rate_percent", 2),
    ({"investigation_limits": {"idle_connection": "5m"}}, "idle_connection", timedelta(minutes=5)),
    ({"postgres_idle_limits": {"idle": "5m"}}, "idle_connection", timedelta(minutes=5)),
    ({"postgres_idle_limits": {"idle": "5m"}, "investigation_limits": {"idle_connection": "9m"}}, "idle_connection",
     timedelta(minutes=9)),
    ({"postgres_limits": {"maximum_connections_percent": 60}}, "connections_percent", 60),
    ({"dynamodb_limits": {"idle": "healthy"}}, "capacity_percent", 80.0),
])
def test_a_limit_is_the_systems_own_then_its_procedures_then_the_default(
    declared: dict[str, Any], name: str, value: Any
) -> None:
    assert getattr(limits_of(declared), name) == value


def test_a_length_of_time_that_is_none_is_refused() -> None:
    with pytest.raises(Refused, match="read a length of time"):
        limits_of({"investigation_limits": {"idle_connection": "long"}})


def test_the_schema_knows_every_limit() -> None:
    assert set(SCHEMA["properties"]["investigation_limits"]["properties"]) == set(InvestigationLimits().as_dict())


def test_a_queue_may_have_limits_of_its_own() -> None:
    declared = {"sqs_queues": [{"name": "jobs", "maximum_depth": 0}, {"name": "mail", "maximum_age": "5m"}, {"name": "any"}]}
    assert queue_limits_of(declared) == {"jobs": {"queue_depth": 0}, "mail": {"age_of_oldest": 300}, "any": {}}
    assert queue_limits_of({}) == {}
