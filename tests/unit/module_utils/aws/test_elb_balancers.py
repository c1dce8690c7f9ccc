"""Who may connect to a load balancer."""

from __future__ import annotations

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_balancers import Balancer, Opening


def balancer(groups: tuple[str, ...], openings: tuple[Opening, ...] | None) -> Balancer:
    return Balancer("front", "app/front/0a", "active", "internet-facing", "front.example", groups, (), openings)


@pytest.mark.parametrize(("protocol", "ports", "lets_in"), [
    ("tcp", (443, 443), True), ("tcp", (80, 80), False), ("tcp", (0, 65535), True), ("-1", (None, None), True),
    ("udp", (443, 443), False), ("6", (400, 500), True),
])
def test_a_rule_lets_in_at_its_ports(protocol: str, ports: tuple[int | None, int | None], lets_in: bool) -> None:
    assert Opening("sg", protocol, *ports, ("0.0.0.0/0",)).lets_in(443) is lets_in


@pytest.mark.parametrize(("groups", "openings", "reachable"), [
    ((), (), True),
    (("sg",), (), False),
    (("sg",), None, None),
    (("sg",), (Opening("sg", "tcp", 443, 443, ("10.0.0.0/8",)),), True),
])
def test_without_groups_nothing_is_closed_and_unread_groups_say_nothing(
    groups: tuple[str, ...], openings: tuple[Opening, ...] | None, reachable: bool | None
) -> None:
    assert balancer(groups, openings).reachable(443) is reachable


@pytest.mark.parametrize(("sources", "to_the_world"), [
    (("0.0.0.0/0",), True), (("::/0",), True), (("10.0.0.0/8", "sg-1"), False), ((), False),
])
def test_the_world_has_two_names(sources: tuple[str, ...], to_the_world: bool) -> None:
    assert Opening("sg", "tcp", 443, 443, sources).to_the_world is to_the_world
