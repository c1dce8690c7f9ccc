"""CloudFront as AWS has it, and as an inventory can name it.

An invalidation that is done is `Completed`, which the waiter looks for (CloudFront API reference, Invalidation). AWS and
moto draw the ids of distributions at random; the lab derives them from the alias, since metrics carry them as dimensions.
"""

from __future__ import annotations

from typing import Any

from moto.cloudfront.models import Distribution, Invalidation

from lab.aws.finishing import after_init
from lab.identifiers import distribution_id


def install() -> None:
    """Finish every new invalidation and distribution."""
    after_init(Invalidation, _complete)
    after_init(Distribution, _name)


def _complete(invalidation: Any) -> None:
    invalidation.status = "Completed"


def _name(distribution: Any) -> None:
    aliases = distribution.distribution_config.Aliases.get("Items")
    if not aliases:
        return
    drawn, own = distribution.distribution_id, distribution_id(aliases[0])
    distribution.distribution_id = distribution.id = own
    distribution.arn = distribution.arn.replace(drawn, own)
