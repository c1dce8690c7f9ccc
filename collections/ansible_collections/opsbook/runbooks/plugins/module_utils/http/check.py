# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP endpoints: do they answer as they should. Asked in check mode too, so that no health gate vanishes there.

A 400, 401 or 403 is just that status: it is right where it is expected, and it shows that something answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import Refused
from ..core.evidence import Evidence
from ..core.run import Run
from .exchange import LARGEST_BODY, Answer, Request, address_of, fetch, origin_of, secrets_of
from .tls import context_of, days_left

ABSENT = "(absent)"
LONGEST_SHOWN = 200


@dataclass(frozen=True)
class Endpoint:
    """An endpoint and what is right about its answer.

    :param request: what is asked; `final` holds the statuses that are right
    :param fields: dotted path in the JSON body to the value it must have
    :param contains: text that the body must contain; empty: any body
    :param max_latency_ms: None: any
    :param min_tls_days: days that the certificate must still be valid, with https
    :param validate_certs: whether it must be one that is trusted
    """

    name: str
    request: Request
    fields: Mapping[str, Any] = field(default_factory=dict)
    contains: str = ""
    max_latency_ms: float | None = None
    min_tls_days: float = 14
    validate_certs: bool = True

    @property
    def resource(self) -> str:
        """The endpoint as evidence and coverage name it."""
        return f"endpoint:{self.name}"


@dataclass(frozen=True)
class Checked:
    """An endpoint with the last answer it gave.

    :param attempts: how often it was asked
    """

    endpoint: Endpoint
    answer: Answer
    attempts: int


def endpoints_of(given: Sequence[Mapping[str, Any]]) -> tuple[Endpoint, ...]:
    """Endpoints from a module's options.

    :raises Refused: for a name used twice, or an endpoint that cannot be asked
    """
    endpoints = tuple(_endpoint(one) for one in given)
    names = [endpoint.name for endpoint in endpoints]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused("check endpoints", ", ".join(twice), "the name is used more than once", "Give each its own.")
    return endpoints


def collect_endpoints(
    run: Run, endpoints: Sequence[Endpoint], validate_certs: bool = True, ca_path: str | None = None,
    attempts: int = 1, delay: float = 1.0,
) -> Collected[tuple[Checked, ...]]:
    """Ask all endpoints at once, each until it is right or its attempts are used up.

    :param delay: seconds before the second attempt, half as long again before each further one
    """
    contexts = {trusted: context_of(trusted, ca_path)
                for trusted in {validate_certs and endpoint.validate_certs for endpoint in endpoints}}

    def check_one(endpoint: Endpoint) -> Checked:
        answers: list[Answer] = []

        def look() -> Answer:
            left = max(0.1, run.deadline - run.clock.monotonic())
            request = Request(endpoint.request.method, endpoint.request.url, endpoint.request.headers,
                              min(endpoint.request.timeout, left), endpoint.request.final)
            answers.append(fetch(request, contexts[validate_certs and endpoint.validate_certs], run.clock.monotonic))
            return answers[-1]

        def wrong(answer: Answer) -> list[Evidence]:
            return [item for item in judge(endpoint, answer, run.now()) if item.ok is not True]

        waited = run.poll(first_delay=delay).until(
            look, lambda answer: len(answers) >= attempts or not wrong(answer),
            lambda answer: "; ".join(f"{endpoint.name}: {item.check} is {item.actual}" for item in wrong(answer)[:1]))
        return Checked(endpoint, waited.seen, waited.looks)

    checked = run.each(check_one, endpoints)
    missing = tuple(Gap(done.item.resource, done.error.reason) for done in checked if done.error is not None)
    read = tuple(done.item.resource for done in checked if done.answer is not None)
    return Collected(tuple(done.answer for done in checked if done.answer is not None), run.now(),
                     Coverage(read, missing))


def evaluate_endpoints(collected: Collected[tuple[Checked, ...]]) -> list[Evidence]:
    """What each endpoint's last answer shows."""
    return [item for checked in collected.state for item in judge(checked.endpoint, checked.answer, collected.now)]


def describe_endpoints(collected: Collected[tuple[Checked, ...]]) -> Mapping[str, Any]:
    """The endpoints as plain data, under `endpoints`, without anything secret."""
    return {"endpoints": [_described(checked, collected.now) for checked in collected.state]}


def judge(endpoint: Endpoint, answer: Answer, now: datetime) -> list[Evidence]:
    """The evidence of one answer: status, each field, body, latency, certificate."""
    evidence: list[Evidence] = []

    def say(check: str, expected: Any, actual: Any, ok: bool | None) -> None:
        evidence.append(Evidence(check, endpoint.resource, expected, _shown(endpoint, actual), ok))

    if answer.untrusted:
        say("certificate", "trusted", answer.untrusted, False)
    elif answer.failure:
        say("answer", "an HTTP answer", answer.failure, False)
    else:
        statuses = sorted(endpoint.request.final)
        say("status", statuses[0] if len(statuses) == 1 else statuses, answer.status, answer.status in statuses)
        for path, expected in endpoint.fields.items():
            say(f"json {path}", expected, *_field(answer, path, expected))
        if endpoint.contains:
            say("body", f"contains {endpoint.contains!r}", *_contained(answer, endpoint.contains))
        if endpoint.max_latency_ms is not None:
            say("latency", f"at most {endpoint.max_latency_ms:g} ms", f"{answer.latency_ms:g} ms",
                answer.latency_ms <= endpoint.max_latency_ms)
    if answer.expiry is not None:
        days = days_left(answer.expiry, now)
        say("TLS days left", f"at least {endpoint.min_tls_days:g}", days, days >= endpoint.min_tls_days)
    return evidence


def same(expected: Any, actual: Any) -> bool:
    """Whether two JSON values are equal; unlike in Python, true is not 1."""
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    return bool(expected == actual)


def value_at(body: Any, path: str) -> Any:
    """The value at a dotted path ("checks.queue", "items.0.id"), or ABSENT."""
    for step in path.split("."):
        if isinstance(body, Mapping) and step in body:
            body = body[step]
        elif isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        else:
            return ABSENT
    return body


def _endpoint(given: Mapping[str, Any]) -> Endpoint:
    name, url = str(given["name"]), str(given["url"])
    fields, contains = given.get("json") or {}, given.get("contains") or ""
    method = given.get("method") or "GET"
    try:
        origin_of(url)
    except ValueError:
        # Not the URL itself: it may carry a secret.
        raise Refused("check an endpoint", name, "its URL is no http or https address",
                      "Give https://host/path.") from None
    if method == "HEAD" and (fields or contains):
        raise Refused("check an endpoint", name, "an answer to HEAD has no body", "Use GET, or leave out json, contains.")
    headers = {str(header): str(value) for header, value in (given.get("headers") or {}).items()}
    timeout = float(given.get("timeout") or 10)
    request = Request(method, url, headers, timeout, frozenset(given.get("status") or [200]))
    days = given.get("min_tls_days")
    return Endpoint(name, request, fields, contains, given.get("max_latency_ms"), 14 if days is None else days,
                    given.get("validate_certs") is not False)


def _field(answer: Answer, path: str, expected: Any) -> tuple[Any, bool | None]:
    if answer.truncated:
        return f"the body is longer than {LARGEST_BODY} bytes and was not read whole", None
    try:
        body = json.loads(answer.body)
    except ValueError:
        return "the body is not JSON", False
    actual = value_at(body, path)
    return actual, actual is not ABSENT and same(expected, actual)


def _contained(answer: Answer, text: str) -> tuple[str, bool | None]:
    try:
        body = answer.body.decode(answer.charset, errors="replace")
    except LookupError:
        body = answer.body.decode(errors="replace")
    if text in body:
        return "contains it", True
    if answer.truncated:
        return f"not in its first {LARGEST_BODY} bytes", None
    return "does not contain it", False


def _shown(endpoint: Endpoint, value: Any) -> Any:
    """A value as a result may show it: no secret that the server sent back, no endless text."""
    if not isinstance(value, (str, list, Mapping)):
        return value
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    hidden = text
    for secret in secrets_of(endpoint.request.url, endpoint.request.headers):
        hidden = hidden.replace(secret, "***")
    if len(hidden) > LONGEST_SHOWN:
        return f"{hidden[:LONGEST_SHOWN]}... ({len(hidden)} characters)"
    return value if hidden == text else hidden


def _described(checked: Checked, now: datetime) -> dict[str, Any]:
    answer, request = checked.answer, checked.endpoint.request
    return {
        "name": checked.endpoint.name,
        "method": request.method,
        "address": address_of(request.url),
        "status": answer.status,
        "latency_ms": answer.latency_ms,
        "attempts": checked.attempts,
        "redirects": list(answer.redirects),
        "tls_expires": answer.expiry.isoformat() if answer.expiry else None,
        "tls_days_left": days_left(answer.expiry, now) if answer.expiry else None,
        "error": answer.untrusted or answer.failure,
    }
