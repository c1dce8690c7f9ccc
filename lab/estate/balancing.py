"""Seed load balancers: their target groups, the targets in them, and the listeners in front."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from lab.estate.connection import Aws
from lab.estate.model import Estate, Service

# Where tasks have their addresses; a service's targets take the next ones.
_NETWORK = ipaddress.ip_network("172.31.0.0/20")
_FIRST_ADDRESS = 20


def seed_target_groups(aws: Aws, estate: Estate) -> dict[str, str]:
    """Create the load balancers with a target group a service, every target registered; returns ARNs by group name."""
    behind = [service for service in estate.services if service.target_group]
    if not behind or not estate.load_balancers:
        return {}
    subnets = aws.clients["ec2"].describe_subnets()["Subnets"]
    vpc = subnets[0]["VpcId"]
    chosen = [subnet["SubnetId"] for subnet in subnets if subnet["VpcId"] == vpc][:2]
    addresses = _addresses()
    groups = {service.target_group: _seed_group(aws, service, vpc, addresses) for service in behind}
    for balancer in estate.load_balancers:
        _seed_balancer(aws, balancer.name, chosen, list(groups.values()))
    return groups


def _addresses() -> Iterator[str]:
    return (str(_NETWORK[number]) for number in range(_FIRST_ADDRESS, _NETWORK.num_addresses - 1))


def _seed_group(aws: Aws, service: Service, vpc: str, addresses: Iterator[str]) -> str:
    elb = aws.clients["elbv2"]
    group = elb.create_target_group(
        Name=service.target_group, Protocol="HTTP", Port=service.port, VpcId=vpc, TargetType="ip", HealthCheckPath="/health"
    )["TargetGroups"][0]["TargetGroupArn"]
    targets = [{"Id": next(addresses), "Port": service.port} for _ in range(service.desired)]
    elb.register_targets(TargetGroupArn=group, Targets=targets)
    return str(group)


def _seed_balancer(aws: Aws, name: str, subnets: Sequence[str], groups: Sequence[str]) -> None:
    """A load balancer that sends to the first group, and by path to each of the others."""
    elb = aws.clients["elbv2"]
    balancer = elb.create_load_balancer(Name=name, Subnets=list(subnets), Type="application")["LoadBalancers"][0]
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": groups[0]}],
    )["Listeners"][0]["ListenerArn"]
    for priority, group in enumerate(groups[1:], start=1):
        elb.create_rule(
            ListenerArn=listener,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": [f"/{group.split('/')[1]}/*"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )
