"""Replies of the web application, and the refusals of its control requests."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any


class BadRequest(ValueError):
    """A control request that cannot be carried out; answered with status 400 and this message."""


@dataclass(frozen=True)
class Reply:
    """An HTTP reply: status, body, media type, and headers beside."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(status: int, value: Any) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, json.dumps(value).encode())


def text_reply(status: int, text: str) -> Reply:
    """A reply with a plain text."""
    return Reply(status, text.encode(), "text/plain; charset=utf-8")


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; raises BadRequest when it is anything else."""
    try:
        value = json.loads(body or b"{}")
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def refuse_unknown(body: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise BadRequest for keys that nobody understands: a mistyped option must not pass in silence."""
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise BadRequest(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
