"""Identifiers that AWS draws at random and the lab derives from names, so that an inventory can name what they name.

Standard library only: the AWS process gives them out, the seeding and its metrics refer to them.
"""

from __future__ import annotations

import hashlib
import string

# Of every load balancer and target group; their names make the rest of the ARN theirs alone.
BALANCER = "50dc6c495c0c9188"


def balancer_path(name: str) -> str:
    """A load balancer as metrics call it: the end of its ARN."""
    return f"app/{name}/{BALANCER}"


def target_group_path(name: str) -> str:
    """A target group as metrics call it: the end of its ARN."""
    return f"targetgroup/{name}/{BALANCER}"


def api_id(name: str) -> str:
    """The id of an HTTP API with this name."""
    return _letters(f"api:{name}", string.ascii_lowercase + string.digits, 10)


def distribution_id(alias: str) -> str:
    """The id of a CloudFront distribution with this alias."""
    return "E" + _letters(f"distribution:{alias}", string.ascii_uppercase + string.digits, 13)


def _letters(text: str, alphabet: str, length: int) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "".join(alphabet[byte % len(alphabet)] for byte in digest[:length])
