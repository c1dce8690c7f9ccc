"""The error code in a reply, read as botocore reads it, for the audit log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

# The outcome of a call whose connection a fault cut before the call was carried out.
CONNECTION_DROPPED = "ConnectionDropped"
_XML_CODE = re.compile(rb"<Code>([^<]+)</Code>")


def outcome_of(status: str, headers: Iterable[tuple[str, str]], body: bytes) -> str:
    """`ok`, or the reply's error code, or `HTTP <status>` where the reply names none (as for HEAD)."""
    if int(status.split()[0]) < 400:
        return "ok"
    named = {name.lower(): value for name, value in headers}
    code = named.get("x-amzn-query-error", "").split(";")[0] or named.get("x-amzn-errortype", "") or _from_body(body)
    return code.split(":")[0].rsplit("#", 1)[-1] or f"HTTP {status.split()[0]}"


def _from_body(body: bytes) -> str:
    match = _XML_CODE.search(body)
    if match:
        return match.group(1).decode("utf-8", "replace")
    try:
        value = json.loads(body)
    except ValueError:
        return ""
    return str(value.get("__type") or value.get("code") or "") if isinstance(value, dict) else ""
