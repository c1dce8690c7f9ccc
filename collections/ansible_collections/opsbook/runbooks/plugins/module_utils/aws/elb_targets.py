# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Target groups of load balancers (ELBv2): which targets are healthy, and why the others are not.

Sources, Elastic Load Balancing API reference (TargetHealth, DescribeTargetGroups): a target is draining while it is being
deregistered, initial until it was checked often enough, unavailable where health checks are switched off, and unused
where no load balancer asks it. One name that does not exist fails a call that names several, so all groups are listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..core.coverage import Collected, merge_coverage
from ..core.evidence import Evidence
from ..core.run import Run
from .calls import all_pages
from .client import Connect
from .errors import explaining
from .gathering import gather
from .listings import Found, absences, choose

KIND = "target-group"
GROUPS_A_PAGE = 400
HEALTHY = "healthy"
LEAVING = ("draining", "unhealthy.draining")
# What the load balancer does not know is neither healthy nor a fault.
NOT_KNOWN = ("initial", "unavailable")


@dataclass(frozen=True)
class Target:
    """One registered target.

    :param id: instance id, address, or ARN of a function or load balancer
    :param port: None where the target has none (a function)
    :param reason: the code ("Target.Timeout"), empty when healthy
    """

    id: str
    port: int | None
    zone: str
    state: str
    reason: str
    description: str

    @property
    def name(self) -> str:
        """The target as people write it."""
        return self.id if self.port is None else f"{self.id}:{self.port}"


@dataclass(frozen=True)
class TargetGroup:
    """One target group and all its targets."""

    name: str
    arn: str
    protocol: str
    port: int | None
    target_type: str
    load_balancers: tuple[str, ...]
    targets: tuple[Target, ...] = ()

    @property
    def staying(self) -> tuple[Target, ...]:
        """The targets that are not on their way out."""
        return tuple(target for target in self.targets if target.state not in LEAVING)

    @property
    def healthy(self) -> int:
        """How many targets are healthy."""
        return sum(target.state == HEALTHY for target in self.targets)


def collect_target_groups(connect: Connect, run: Run, wanted: Sequence[str]) -> Collected[Found[TargetGroup]]:
    """Read the target groups meant by names and patterns with their targets; none given means all of the region."""

    def list_groups() -> Mapping[str, Mapping[str, Any]]:
        with explaining("list target groups", ", ".join(wanted) or "all"):
            pages = all_pages(connect("elbv2"), "describe_target_groups", "TargetGroups", PageSize=GROUPS_A_PAGE)
            return {str(group["TargetGroupName"]): group for group in pages}

    listed, listing = choose(KIND, wanted, list_groups)
    replies = {str(group["TargetGroupName"]): group for group in listed.items}

    def read_one(name: str) -> TargetGroup:
        with explaining("read the health of targets", name):
            health = connect("elbv2").describe_target_health(TargetGroupArn=replies[name]["TargetGroupArn"])
        return _group(replies[name], health["TargetHealthDescriptions"])

    groups, coverage = gather(run, KIND, replies, read_one)
    return Collected(Found(tuple(groups), listed.absent), run.now(), merge_coverage([listing, coverage]))


def evaluate_target_groups(collected: Collected[Found[TargetGroup]], minimum_healthy: int) -> list[Evidence]:
    """A group is right when all its targets are healthy, those that leave excepted, and there are enough of them."""
    evidence = absences(KIND, collected.state.absent)
    for group in collected.state.items:
        evidence += [_all_healthy(group), _enough(group, minimum_healthy)]
    return evidence


def describe_target_groups(collected: Collected[Found[TargetGroup]]) -> Mapping[str, Any]:
    """The groups as plain data, under `target_groups`."""
    return {"target_groups": [
        {**asdict(group), "load_balancers": list(group.load_balancers), "healthy": group.healthy,
         "unhealthy": sum(target.state not in (HEALTHY, *NOT_KNOWN) for target in group.staying)}
        for group in collected.state.items]}


def _all_healthy(group: TargetGroup) -> Evidence:
    others = [target for target in group.staying if target.state != HEALTHY]
    seen = "; ".join([f"{group.healthy} of {len(group.staying)} healthy", *map(_said, others)])
    ok: bool | None = all(target.state in NOT_KNOWN for target in others)
    return Evidence("targets", f"{KIND}:{group.name}", "all healthy", seen, None if ok and others else ok)


def _enough(group: TargetGroup, minimum: int) -> Evidence:
    possible = group.healthy + sum(target.state in NOT_KNOWN for target in group.staying)
    ok = True if group.healthy >= minimum else None if possible >= minimum else False
    return Evidence("healthy targets", f"{KIND}:{group.name}", f"at least {minimum}", str(group.healthy), ok)


def _said(target: Target) -> str:
    why = ": ".join(part for part in (target.reason, target.description) if part)
    return f"{target.name} {target.state}" + (f" ({why})" if why else "")


def _group(reply: Mapping[str, Any], health: Sequence[Mapping[str, Any]]) -> TargetGroup:
    # An ARN ends with .../app/<name>/<id>.
    balancers = (str(arn).split("/")[-2] for arn in reply.get("LoadBalancerArns") or ())
    return TargetGroup(
        name=reply["TargetGroupName"], arn=reply["TargetGroupArn"], protocol=reply.get("Protocol") or "",
        port=reply.get("Port"), target_type=reply.get("TargetType") or "", load_balancers=tuple(sorted(balancers)),
        targets=tuple(sorted(map(_target, health), key=lambda target: target.name)))


def _target(reply: Mapping[str, Any]) -> Target:
    target, health = reply["Target"], reply.get("TargetHealth") or {}
    return Target(target["Id"], target.get("Port"), target.get("AvailabilityZone") or "", health.get("State") or "",
                  health.get("Reason") or "", health.get("Description") or "")
