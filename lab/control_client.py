"""Control requests to the lab's own servers: JSON in, JSON out, never through a proxy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from lab.folders import LabError

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_TIMEOUT_SECONDS = 30


def post(endpoint: str, path: str, body: Mapping[str, Any]) -> Any:
    """POST a JSON object and return the JSON answer; raises LabError with the server's own words when it refuses."""
    request = urllib.request.Request(
        endpoint + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise LabError(f"{path}: {_reason(error)}") from error
    except urllib.error.URLError as error:
        raise LabError(f"{endpoint}{path} does not answer: {error.reason}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    text = error.read().decode("utf-8", "replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {error.code}: {text[:200]}"
