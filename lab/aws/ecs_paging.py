"""Pages as the ECS list actions give them: `maxResults` at a time and a token for the rest."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from lab.aws.ecs_state import EcsError


def paginate(items: Sequence[Any], parameters: Mapping[str, Any], key: str, default: int = 100) -> dict[str, Any]:
    """One page of `items` under `key`, with `nextToken` while there is more.

    Raises InvalidParameterException for a page size outside 1..100 or a token that no page gave.
    """
    size = int(parameters.get("maxResults") or default)
    if not 1 <= size <= 100:
        raise EcsError("InvalidParameterException", "maxResults must be between 1 and 100.")
    start = _offset(parameters.get("nextToken"))
    page = {key: list(items[start : start + size])}
    if start + size < len(items):
        return {**page, "nextToken": base64.b64encode(f"offset:{start + size}".encode()).decode()}
    return page


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        name, _, offset = base64.b64decode(token, validate=True).decode().partition(":")
        if name == "offset":
            return int(offset)
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise EcsError("InvalidParameterException", "Invalid token.") from error
    raise EcsError("InvalidParameterException", "Invalid token.")
