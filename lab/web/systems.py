"""What the web application serves for each system: its endpoints as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Endpoint:
    """One endpoint below `/<system>/<endpoint>/`: its health answer and its other pages by path."""

    version: str
    checks: tuple[str, ...]
    pages: Mapping[str, Any] = field(default_factory=dict)


SYSTEMS: Mapping[str, Mapping[str, Endpoint]] = {
    "commerce": {
        "api": Endpoint(
            version="4.2.0",
            checks=("dynamodb", "redis", "queue"),
            pages={"links/demo": {"id": "demo", "url": "https://example.org/video/demo"}},
        ),
        "products": Endpoint(
            version="3.7.1",
            checks=("dynamodb", "redis", "queue"),
            pages={"products/demo": {"id": "demo", "available": True}},
        ),
    },
}

# Names of the estate: each answers with an address or with another name.
ADDRESSES: Mapping[str, str] = {
    "api.tiktokcommerce.com": "127.0.0.1",
    "products.tiktokcommerce.com": "127.0.0.1",
}
ALIASES: Mapping[str, str] = {"www.tiktokcommerce.com": "api.tiktokcommerce.com"}
