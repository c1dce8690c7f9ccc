# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load balancers (ELBv2): are they active, what do they listen to, and do their security groups let anybody in (procedure
002-05).

Sources, Elastic Load Balancing and EC2 API references (DescribeLoadBalancers, DescribeListeners, DescribeSecurityGroups): a
network load balancer may have no security groups, which closes nothing. "Open to the world" is 0.0.0.0/0 or ::/0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.coverage import Collected, Coverage, Gap, merge_coverage
from ..core.run import Run
from .calls import all_pages
from .client import Connect
from .errors import explaining
from .gathering import gather

KIND = "load-balancer"
ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})
ALL_PROTOCOLS = "-1"
SOURCES = (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"), ("UserIdGroupPairs", "GroupId"),
           ("PrefixListIds", "PrefixListId"))


@dataclass(frozen=True)
class Listener:
    """What a load balancer listens to.

    :param certificates: ARNs, of HTTPS and TLS
    :param action: what its default rule does ("forward", "redirect", "fixed-response")
    """

    port: int
    protocol: str
    certificates: tuple[str, ...]
    action: str


@dataclass(frozen=True)
class Opening:
    """One rule of a security group that lets traffic in.

    :param first_port, last_port: None for all ports
    :param sources: address ranges, and ids of groups and prefix lists
    """

    group: str
    protocol: str
    first_port: int | None
    last_port: int | None
    sources: tuple[str, ...]

    @property
    def to_the_world(self) -> bool:
        """Whether it is open to every address."""
        return bool(ANYWHERE & set(self.sources))

    def lets_in(self, port: int) -> bool:
        """Whether it is open for TCP at that port, for whomever."""
        if self.protocol not in ("tcp", "6", ALL_PROTOCOLS):
            return False
        return self.first_port is None or self.last_port is None or self.first_port <= port <= self.last_port


@dataclass(frozen=True)
class Balancer:
    """One load balancer.

    :param id: as CloudWatch calls it ("app/name/0123")
    :param state: "active", "provisioning", "active_impaired" or "failed"
    :param scheme: "internet-facing" or "internal"
    :param openings: what its security groups let in; None where they could not be read
    """

    name: str
    id: str
    state: str
    scheme: str
    dns_name: str
    security_groups: tuple[str, ...]
    listeners: tuple[Listener, ...] = ()
    openings: tuple[Opening, ...] | None = ()

    def reachable(self, port: int) -> bool | None:
        """Whether somebody may connect to a port by its security groups; None where these are not known."""
        if not self.security_groups:
            return True
        return None if self.openings is None else any(opening.lets_in(port) for opening in self.openings)


def collect_balancers(connect: Connect, run: Run, ids: Sequence[str]) -> Collected[tuple[Balancer, ...]]:
    """Read load balancers with their listeners and security groups; one that does not exist is a gap.

    :param ids: as CloudWatch calls them
    :raises OperationError: when load balancers cannot be listed
    """
    with explaining("list load balancers", ", ".join(ids)):
        pages = all_pages(connect("elbv2"), "describe_load_balancers", "LoadBalancers", PageSize=400)
        known = {str(entry["LoadBalancerArn"]).partition("loadbalancer/")[2]: entry for entry in pages}
    absent = tuple(Gap(f"{KIND}:{one}", "does not exist") for one in ids if one not in known)

    def read_one(one: str) -> Balancer:
        with explaining("read the listeners of a load balancer", one):
            listeners = list(all_pages(connect("elbv2"), "describe_listeners", "Listeners",
                                       LoadBalancerArn=known[one]["LoadBalancerArn"]))
        return _balancer(one, known[one], listeners)

    balancers, coverage = gather(run, KIND, [one for one in ids if one in known], read_one)
    opened, more = _openings(connect, run, sorted({group for one in balancers for group in one.security_groups}))
    found = tuple(_with_openings(one, opened) for one in balancers)
    return Collected(found, run.now(), merge_coverage([coverage, Coverage(missing=absent), more]))


def _openings(connect: Connect, run: Run, groups: Sequence[str]) -> tuple[dict[str, tuple[Opening, ...]], Coverage]:
    """The inbound rules by security group."""

    def read_one(group: str) -> tuple[str, tuple[Opening, ...]]:
        with explaining("read a security group", group):
            [reply] = connect("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
        return group, tuple(_opening(group, rule) for rule in reply.get("IpPermissions") or ())

    found, coverage = gather(run, "security-group", groups, read_one)
    return dict(found), coverage


def _with_openings(balancer: Balancer, opened: Mapping[str, tuple[Opening, ...]]) -> Balancer:
    known = all(group in opened for group in balancer.security_groups)
    rules = tuple(rule for group in balancer.security_groups for rule in opened.get(group, ())) if known else None
    return Balancer(balancer.name, balancer.id, balancer.state, balancer.scheme, balancer.dns_name,
                    balancer.security_groups, balancer.listeners, rules)


def _balancer(one: str, reply: Mapping[str, Any], listeners: Sequence[Mapping[str, Any]]) -> Balancer:
    return Balancer(
        name=str(reply.get("LoadBalancerName") or ""), id=one, state=str((reply.get("State") or {}).get("Code") or ""),
        scheme=str(reply.get("Scheme") or ""), dns_name=str(reply.get("DNSName") or ""),
        security_groups=tuple(map(str, reply.get("SecurityGroups") or ())),
        listeners=tuple(sorted(map(_listener, listeners), key=lambda listener: listener.port)))


def _listener(reply: Mapping[str, Any]) -> Listener:
    actions = reply.get("DefaultActions") or [{}]
    arns = (one.get("CertificateArn") for one in reply.get("Certificates") or ())
    return Listener(int(reply.get("Port") or 0), str(reply.get("Protocol") or ""), tuple(str(arn) for arn in arns if arn),
                    str(actions[0].get("Type") or ""))


def _opening(group: str, rule: Mapping[str, Any]) -> Opening:
    sources = [str(entry[key]) for ranges, key in SOURCES for entry in rule.get(ranges) or () if entry.get(key)]
    return Opening(group, str(rule.get("IpProtocol") or ""), rule.get("FromPort"), rule.get("ToPort"), tuple(sources))
