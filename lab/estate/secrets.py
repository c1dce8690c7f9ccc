"""The secrets of one lab: random, like no real provider's, and listed as canaries for tests to look for."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lab.estate.model import Estate

ACCESS_KEY = "LABOPERATOR"


def new_secrets(estates: Iterable[Estate]) -> dict[str, Any]:
    """The operator's secret key, the receivers' tokens, and the fields of every secret of these estates."""
    return {
        "secret_key": secrets.token_hex(20),
        "receivers": {
            # As an incoming webhook's path: team, bot and the token proper.
            "slack": f"LABTEAM/LABBOT/{secrets.token_hex(12)}",
            **{name: secrets.token_hex(16) for name in ("pagerduty", "statuspage")},
        },
        "values": {
            secret.name: {field: secrets.token_hex(24) for field in secret.fields}
            for estate in estates
            for secret in estate.secrets
        },
    }


def canaries(value: Any) -> Iterator[str]:
    """Every secret text in what `new_secrets` returned."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from canaries(part)
    else:
        yield str(value).rpartition("/")[2]
