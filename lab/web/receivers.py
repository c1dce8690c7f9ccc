"""Stand-ins for Slack's incoming webhooks, PagerDuty's Events API v2 and Statuspage's incidents.

They answer as those services do and note what they got. A token is never noted: tests search everything that a run
leaves behind for secrets, and must find only what a run leaked.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from lab.web.inbox import Inbox
from lab.web.reply import BadRequest, Reply, json_object, json_reply, refuse_unknown, text_reply

RECEIVERS = ("slack", "pagerduty", "statuspage", "smtp")
MASK = "***"
_PAGERDUTY_ACTIONS = ("trigger", "acknowledge", "resolve")


@dataclass(frozen=True)
class Tokens:
    """What the receivers of one lab accept."""

    slack: str
    pagerduty: str
    statuspage: str


@dataclass(frozen=True)
class Request:
    """The parts of an HTTP request that receivers look at; `path` is what follows the receiver's own prefix."""

    method: str
    path: str
    authorization: str
    body: bytes


class Receivers:
    """All receivers of one lab."""

    def __init__(self, tokens: Tokens, inbox: Inbox) -> None:
        self._tokens = tokens
        self._inbox = inbox
        self._failures: dict[str, int] = {}
        self._lock = threading.Lock()
        self._answers: dict[str, Callable[[Request], Reply]] = {
            "slack": self._slack,
            "pagerduty": self._pagerduty,
            "statuspage": self._statuspage,
        }

    def answer(self, receiver: str, request: Request) -> Reply:
        """Answer one request below `/receivers/<receiver>/` and note it."""
        if receiver not in self._answers:
            return json_reply(404, {"error": f"there is no receiver {receiver!r}"})
        failure = self.failure(receiver)
        reply = self._answers[receiver](request)
        # An unknown token is refused even by a service that is failing.
        if failure and reply.status != 403:
            reply = text_reply(failure, "the lab was told to fail")
        path = MASK if receiver == "slack" else request.path
        self._inbox.add(receiver, f"/receivers/{receiver}/{path}", _noted(request.body), reply.status)
        return reply

    def failure(self, receiver: str) -> int | None:
        """The status with which a receiver was told to fail, or None."""
        with self._lock:
            return self._failures.get(receiver)

    def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out `POST /lab/receivers`: `{"receiver", "status"}`; status null heals. Raises BadRequest."""
        refuse_unknown(body, {"receiver", "status"})
        receiver, status = body.get("receiver"), body.get("status")
        if receiver not in RECEIVERS:
            raise BadRequest(f"receiver must be one of {', '.join(RECEIVERS)}")
        if status is not None and (isinstance(status, bool) or not isinstance(status, int) or not 400 <= status < 600):
            raise BadRequest("status must be null or a whole number from 400 to 599")
        with self._lock:
            if status is None:
                self._failures.pop(receiver, None)
            else:
                self._failures[receiver] = status
        return {"receiver": receiver, "status": status}

    def reset(self) -> None:
        """Let every receiver work, and forget what was received."""
        with self._lock:
            self._failures.clear()
        self._inbox.empty()

    def _slack(self, request: Request) -> Reply:
        if not _same(request.path, self._tokens.slack):
            return text_reply(403, "invalid_token")
        message = _slack_message(request.body)
        if message is None:
            return text_reply(400, "invalid_payload")
        if not any(message.get(key) for key in ("text", "blocks", "attachments")):
            return text_reply(400, "no_text")
        return text_reply(200, "ok")

    def _pagerduty(self, request: Request) -> Reply:
        if request.path != "v2/enqueue" or request.method != "POST":
            return json_reply(404, {"status": "not found"})
        event = _object_or_none(request.body)
        problems = _pagerduty_problems(event) if event is not None else ["the body is not a JSON object"]
        if event is None or "routing_key" not in event or problems:
            return json_reply(
                400, {"status": "invalid event", "message": "Event object is invalid", "errors": problems}
            )
        if not _same(str(event["routing_key"]), self._tokens.pagerduty):
            return json_reply(403, {"status": "forbidden", "message": "unknown routing key"})
        key = event.get("dedup_key") or secrets.token_hex(16)
        return json_reply(202, {"status": "success", "message": "Event processed", "dedup_key": key})

    def _statuspage(self, request: Request) -> Reply:
        parts = request.path.split("/")
        if not _same(request.authorization.removeprefix("OAuth "), self._tokens.statuspage):
            return json_reply(403, {"error": "Could not authenticate"})
        created = len(parts) == 4 and request.method == "POST"
        updated = len(parts) == 5 and request.method in ("PATCH", "PUT")
        if parts[:2] != ["v1", "pages"] or parts[3:4] != ["incidents"] or not (created or updated):
            return json_reply(404, {"error": "not found"})
        body = _object_or_none(request.body) or {}
        incident = body.get("incident")
        if not isinstance(incident, dict) or (created and not incident.get("name")):
            return json_reply(422, {"error": ["Name can't be blank"]})
        identity = secrets.token_hex(6) if created else parts[4]
        return json_reply(201 if created else 200, {**incident, "id": identity, "page_id": parts[2]})


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _object_or_none(body: bytes) -> dict[str, Any] | None:
    try:
        return json_object(body)
    except BadRequest:
        return None


def _slack_message(body: bytes) -> dict[str, Any] | None:
    """Slack takes JSON, or a form with the JSON in the field `payload`."""
    if body.startswith(b"payload="):
        body = parse_qs(body.decode("utf-8", "replace")).get("payload", [""])[0].encode()
    return _object_or_none(body)


def _pagerduty_problems(event: Mapping[str, Any]) -> list[str]:
    if not event.get("routing_key"):
        return ["'routing_key' is missing or blank"]
    if event.get("event_action") not in _PAGERDUTY_ACTIONS:
        return [f"'event_action' must be one of {', '.join(_PAGERDUTY_ACTIONS)}"]
    if event["event_action"] != "trigger":
        return [] if event.get("dedup_key") else ["'dedup_key' is missing or blank"]
    payload = event.get("payload")
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    return [f"'payload.{key}' is missing or blank" for key in ("summary", "source", "severity") if not payload.get(key)]


def _noted(body: bytes) -> Any:
    """The body as it is noted: parsed where it is JSON, without the routing key, which is PagerDuty's secret."""
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict) and "routing_key" in value:
        return {**value, "routing_key": MASK}
    return value
