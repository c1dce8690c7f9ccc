# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CloudFront distributions: whether they are enabled and everywhere in force.

CloudFront is one for all regions. A distribution is named by its id, by one of its aliases, or by its own domain name. What
requests to origins carry in custom headers may be a secret, and is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from ..core.coverage import Collected
from ..core.evidence import Evidence
from ..core.run import Run
from .client import Connect
from .errors import explaining
from .listings import Found, absences, choose

KIND = "cloudfront-distribution"
DEPLOYED = "Deployed"


@dataclass(frozen=True)
class Distribution:
    """One distribution.

    :param status: "Deployed", or "InProgress" while a change is on its way to all edge locations
    :param origins: domain names of what it serves
    """

    id: str
    arn: str
    domain_name: str
    aliases: tuple[str, ...]
    status: str
    enabled: bool
    last_modified: str
    origins: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be named by."""
        return (self.id, *self.aliases, self.domain_name)

    @property
    def resource(self) -> str:
        """The distribution as evidence names it, by an alias where it has one."""
        return f"{KIND}:{self.aliases[0] if self.aliases else self.id}"


def collect_distributions(connect: Connect, run: Run, wanted: Sequence[str]) -> Collected[Found[Distribution]]:
    """Read the distributions meant by ids, aliases and patterns of them; none given means all of the account."""
    # DNS names are the same in large and small letters, ids are not.
    names = [name.lower() if "." in name else name for name in wanted]

    def read_all() -> Mapping[str, Distribution]:
        with explaining("list CloudFront distributions", ", ".join(wanted) or "all"):
            return {name: distribution for distribution in _distributions(connect) for name in distribution.names}

    found, coverage = choose(KIND, names, read_all)
    # One may have been chosen by several of its names.
    once = {distribution.id: distribution for distribution in found.items}
    ordered = tuple(sorted(once.values(), key=lambda distribution: distribution.resource))
    return Collected(Found(ordered, found.absent), run.now(), coverage)


def evaluate_distributions(collected: Collected[Found[Distribution]]) -> list[Evidence]:
    """A distribution is right when it is enabled and its configuration is in force everywhere."""
    return absences(KIND, collected.state.absent) + [
        Evidence("status", one.resource, f"{DEPLOYED}, enabled",
                 f"{one.status}, {'enabled' if one.enabled else 'disabled'}", one.enabled and one.status == DEPLOYED)
        for one in collected.state.items]


def describe_distributions(collected: Collected[Found[Distribution]]) -> Mapping[str, Any]:
    """The distributions as plain data, under `distributions`."""
    return {"distributions": [
        {**asdict(one), "aliases": list(one.aliases), "origins": list(one.origins)} for one in collected.state.items]}


def _distributions(connect: Connect) -> Iterator[Distribution]:
    for page in connect("cloudfront").get_paginator("list_distributions").paginate():
        for reply in page["DistributionList"].get("Items") or ():
            yield _distribution(reply)


def _distribution(reply: Mapping[str, Any]) -> Distribution:
    modified = reply.get("LastModifiedTime")
    return Distribution(
        id=reply["Id"], arn=reply.get("ARN") or "", domain_name=str(reply.get("DomainName") or "").lower(),
        aliases=tuple(sorted(str(alias).lower() for alias in (reply.get("Aliases") or {}).get("Items") or ())),
        status=reply.get("Status") or "not told", enabled=bool(reply.get("Enabled")),
        last_modified=modified.astimezone(timezone.utc).isoformat() if isinstance(modified, datetime) else "",
        origins=tuple(sorted(str(origin["DomainName"]) for origin in (reply.get("Origins") or {}).get("Items") or ())))
