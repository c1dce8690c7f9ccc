"""Which component a change is of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.cloudtrail_events import TrailEvent
from opsbook.diagnosis.service_map import service_map_of
from opsbook.evidence.changes import component_of

MAP = service_map_of([
    {"name": "front", "kind": "load_balancer", "id": "app/front/0a", "calls": ["api"]},
    {"name": "api", "kind": "ecs_service", "target_group": "targetgroup/api-tasks/0b"},
    {"name": "api-resolver", "kind": "lambda_function"},
    {"name": "postgres", "kind": "rds_instance", "id": "main-db"},
])


@pytest.mark.parametrize(("resources", "parameters", "component"), [
    (("api",), {"cluster": "prod", "service": "api"}, "api"),
    (("arn:aws:ecs:eu-west-1:123456789012:service/prod/api",), {}, "api"),
    (("arn:aws:lambda:eu-west-1:123456789012:function:api-resolver:live",), {}, "api-resolver"),
    ((), {"functionName": "api-resolver", "name": "live"}, "api-resolver"),
    ((), {"dBInstanceIdentifier": "main-db"}, "postgres"),
    ((), {"loadBalancerArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/front/0a"}, "front"),
    ((), {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/api-tasks/0b"}, "api"),
    ((), {"family": "api-something-else"}, ""),
    ((), {}, ""),
])
def test_a_call_is_of_the_component_that_it_names(
    resources: tuple[str, ...], parameters: dict[str, str], component: str
) -> None:
    event = TrailEvent(datetime(2026, 11, 21, tzinfo=UTC), "ecs", "Update", "somebody", "", resources, parameters)
    assert component_of(event, MAP) == component
