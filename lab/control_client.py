"""Control requests to the lab's own servers: JSON in, JSON out, never through a proxy."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lab.folders import LabError

_TIMEOUT_SECONDS = 60
_connections = threading.local()


class Control:
    """The control routes of one server; each thread keeps its connection open."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST a JSON object and return the JSON answer; raises LabError with the server's own words when it refuses."""
        try:
            status, text = self._ask(path, json.dumps(body).encode())
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"{self._endpoint}{path} does not answer: {error}") from error
        if status >= 400:
            raise LabError(f"{path}: {_reason(status, text)}")
        try:
            return json.loads(text)
        except ValueError as error:
            raise LabError(f"{self._endpoint}{path} answers no JSON: {text[:200]!r}") from error

    def _ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        connection, fresh = self._connection()
        try:
            return _exchange(connection, path, body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            connection.close()
            if fresh:
                raise
            # The server ended a kept connection while nobody looked; nothing of the request was carried out.
            return _exchange(connection, path, body)

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        kept: dict[str, http.client.HTTPConnection] = _connections.__dict__.setdefault("by_endpoint", {})
        fresh = self._endpoint not in kept
        if fresh:
            kept[self._endpoint] = http.client.HTTPConnection(urlsplit(self._endpoint).netloc, timeout=_TIMEOUT_SECONDS)
        return kept[self._endpoint], fresh


def post(endpoint: str, path: str, body: Mapping[str, Any]) -> Any:
    """POST a JSON object and return the JSON answer; raises LabError with the server's own words when it refuses."""
    return Control(endpoint).post(path, body)


def _exchange(connection: http.client.HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()


def _reason(status: int, text: bytes) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {status}: {text[:200].decode('utf-8', 'replace')}"
