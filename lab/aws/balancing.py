"""Load balancers: every registered target is healthy, unless somebody said otherwise; target groups come in pages.

Sources: Elastic Load Balancing API reference (DescribeTargetHealth, TargetHealth and its reason codes,
DescribeTargetGroups: a page holds 400 groups at most).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.elbv2 import models
from moto.elbv2.exceptions import ValidationError
from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup, elbv2_backends
from moto.elbv2.responses import ELBV2Response
from moto.elbv2.utils import make_arn_for_load_balancer, make_arn_for_target_group

from lab.aws.backends import regional
from lab.aws.control import ControlError
from lab.aws.locks import service_lock
from lab.aws.paging import BadToken, page_of
from lab.identifiers import BALANCER

# The states that a target can be put into, with the reason code and description that AWS gives for each.
STATES: Mapping[str, tuple[str | None, str | None]] = {
    "healthy": (None, None),
    "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"),
    "draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
    "initial": ("Elb.InitialHealthChecking", "Initial health checks in progress"),
    "unavailable": ("Elb.InternalError", "Health checks failed due to an internal error"),
}
_LARGEST_PAGE = 400
HealthFor = Callable[[FakeTargetGroup, dict[str, Any], Any], FakeHealthStatus]


def install() -> None:
    """Let target groups remember what was said of their targets."""
    healthy: HealthFor = FakeTargetGroup.health_for

    def health_for(self: FakeTargetGroup, target: dict[str, Any], ec2_backend: Any) -> FakeHealthStatus:
        status = healthy(self, target, ec2_backend)
        told = _told(self).get(str(target["Id"]))
        if told is None or target["Id"] not in self.targets:
            return status
        return FakeHealthStatus(status.instance_id, status.port, status.health_check_port, *told)

    FakeTargetGroup.health_for = health_for
    _derive_ids()
    ELBV2Response.describe_target_groups = _describe_target_groups


def _derive_ids() -> None:
    """Let load balancers and target groups have ids that follow from their names: metrics carry them as dimensions."""
    models.make_arn_for_load_balancer = lambda account_id, lb_id, name, region_name: str(
        make_arn_for_load_balancer(account_id, BALANCER, name, region_name)
    )
    models.make_arn_for_target_group = lambda account_id, tg_id, name, region_name: str(
        make_arn_for_target_group(account_id, BALANCER, name, region_name)
    )


def _describe_target_groups(self: ELBV2Response) -> ActionResult:
    """In pages, as AWS gives them."""
    groups = self.elbv2_backend.describe_target_groups(
        self._get_param("LoadBalancerArn"), self._get_param("TargetGroupArns", []), self._get_param("Names", [])
    )
    size = min(int(self._get_param("PageSize") or _LARGEST_PAGE), _LARGEST_PAGE)
    try:
        page, marker = page_of(list(groups), size, self._get_param("Marker"), lambda group: str(group.arn))
    except BadToken as error:
        raise ValidationError("The marker is invalid") from error
    return ActionResult({"TargetGroups": page, "NextMarker": marker})


def set_health(body: Mapping[str, Any]) -> dict[str, Any]:
    """`elb/targets` {"group", "target", "state", "reason"?, "description"?}: from now on; target `*` means all."""
    state = str(body.get("state"))
    if state not in STATES:
        raise ControlError(f"state must be one of {', '.join(STATES)}, not {state!r}")
    with service_lock("elbv2"):
        group = _group(str(body.get("group")))
        wanted = str(body.get("target", "*"))
        targets = [target for target in group.targets if wanted in ("*", target)]
        if not targets:
            raise ControlError(f"{group.name} has no target {wanted!r}; it has {', '.join(group.targets) or 'none'}")
        reason, description = STATES[state]
        told = (state, body.get("reason") or reason, body.get("description") or description)
        for target in targets:
            _told(group)[target] = told
    return {"group": group.name, "targets": targets, "state": state}


def _told(group: FakeTargetGroup) -> dict[str, tuple[str, str | None, str | None]]:
    told: dict[str, tuple[str, str | None, str | None]] = group.__dict__.setdefault("lab_health", {})
    return told


def _group(name: str) -> FakeTargetGroup:
    groups = regional(elbv2_backends).target_groups.values()
    for group in groups:
        if name in (group.name, group.arn):
            return group
    raise ControlError(f"there is no target group {name!r}; known: {', '.join(group.name for group in groups) or 'none'}")
