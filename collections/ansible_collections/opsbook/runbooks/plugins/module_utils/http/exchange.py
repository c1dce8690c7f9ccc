# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One HTTP request with its redirects, by the standard library alone, and everything worth knowing about the answer.

Proxies of the environment are not used: what is checked is the endpoint itself. A connection that fails is an answer
too, with its reason. Secrets (headers, a user name and password in the URL) go to the origin they were given for only.
"""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Callable
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from ..core.errors import Refused
from .tls import expiry_of, presented_certificate

LARGEST_BODY = 1 << 20
MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PORTS = {"http": 80, "https": 443}
SENT = {"User-Agent": "opsbook", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
CHUNK = 1 << 16


@dataclass(frozen=True)
class Request:
    """What is asked.

    :param url: http or https; a user name and password in it become basic authentication
    :param headers: sent to the URL's own origin only
    :param timeout: seconds for all of it, redirects included
    :param final: statuses that end the request; a redirect among them is not followed
    """

    method: str
    url: str
    headers: Mapping[str, str]
    timeout: float
    final: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Answer:
    """What came back.

    :param status: None where there was no HTTP answer
    :param body: at most LARGEST_BODY bytes
    :param truncated: whether there was more of it
    :param latency_ms: from the connection's start to the body's end, redirects included
    :param redirects: where it was sent, without secrets
    :param expiry: when a certificate expires, the first to do so of all origins; None without TLS
    :param untrusted: why a certificate was not trusted; empty where it was
    :param failure: why there was no HTTP answer; empty where there was one
    """

    status: int | None = None
    body: bytes = b""
    charset: str = "utf-8"
    truncated: bool = False
    latency_ms: float = 0.0
    redirects: tuple[str, ...] = ()
    expiry: datetime | None = None
    untrusted: str = ""
    failure: str = ""


@dataclass
class _Exchange:
    """The state of a request on its way."""

    context: ssl.SSLContext
    monotonic: Callable[[], float]
    deadline: float
    redirects: list[str] = field(default_factory=list)
    expiry: datetime | None = None

    def left(self) -> float:
        left = self.deadline - self.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def note_certificate(self, certificate: bytes | None) -> None:
        if certificate:
            expiry = expiry_of(certificate)
            self.expiry = min(self.expiry, expiry) if self.expiry else expiry


def address_of(url: str) -> str:
    """Where a URL points to, `host:port/path`: no user, no password, no query."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or PORTS.get(parts.scheme, '')}{parts.path or '/'}"


def secrets_of(url: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    """What a request carries that nobody should read in a result, the longest first."""
    parts = urlsplit(url)
    values = [pair.partition("=")[2] or pair for pair in parts.query.split("&")]
    found = {parts.username or "", parts.password or "", parts.query, *values, *headers.values()}
    # One or two letters are no secret, and hiding them would garble everything else.
    return tuple(sorted((text for one in found for text in {one, unquote(one)} if len(text) > 3), key=len, reverse=True))


def fetch(request: Request, context: ssl.SSLContext, monotonic: Callable[[], float]) -> Answer:
    """Ask, following at most five redirects.

    :raises Refused: when the URL or a header cannot be sent at all
    """
    started = monotonic()
    exchange = _Exchange(context, monotonic, started + request.timeout)
    parts = urlsplit(request.url)
    try:
        answer = _follow(exchange, request, parts)
    except ssl.SSLCertVerificationError as error:
        where = urlsplit(f"//{exchange.redirects[-1]}") if exchange.redirects else parts
        exchange.note_certificate(presented_certificate(
            where.hostname or "", where.port or PORTS["https"], max(0.1, exchange.deadline - monotonic())))
        answer = Answer(untrusted=error.verify_message or "not trusted")
    except (OSError, http.client.HTTPException) as error:
        answer = Answer(failure=_reason(error, request.timeout))
    except ValueError:
        # Its text shows what could not be sent, which may be a secret.
        raise Refused("send a request", address_of(request.url), "the URL or a header holds what HTTP cannot carry",
                      "Look for line breaks and letters outside ASCII.") from None
    return replace(answer, latency_ms=round((monotonic() - started) * 1000, 1), redirects=tuple(exchange.redirects),
                   expiry=exchange.expiry)


def _follow(exchange: _Exchange, request: Request, origin: SplitResult) -> Answer:
    parts, method = origin, request.method
    while True:
        headers = _headers(request.headers, origin) if _same_origin(parts, origin) else dict(SENT)
        answer, location = _ask(exchange, method, parts, headers)
        if answer.status not in REDIRECTS or answer.status in request.final or not location:
            return answer
        parts = urlsplit(urljoin(parts.geturl(), location))
        exchange.redirects.append(address_of(parts.geturl()))
        if parts.scheme not in PORTS or not parts.hostname:
            return Answer(failure="it was redirected to what is no http or https address")
        if len(exchange.redirects) > MOST_REDIRECTS:
            return Answer(failure=f"it was redirected more than {MOST_REDIRECTS} times")


def _ask(
    exchange: _Exchange, method: str, parts: SplitResult, headers: Mapping[str, str]
) -> tuple[Answer, str | None]:
    """One answer and where it redirects to."""
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    connection = http.client.HTTPConnection(host, port, timeout=exchange.left())
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=exchange.left(), context=exchange.context)
    try:
        connection.connect()
        if isinstance(connection.sock, ssl.SSLSocket):
            exchange.note_certificate(connection.sock.getpeercert(binary_form=True))
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (
            f"?{quote(parts.query, safe='/%:@!$&*+,;=~-._?()')}" if parts.query else "")
        connection.request(method, target, headers=dict(headers))
        response = connection.getresponse()
        body = _body(exchange, response, connection)
        return Answer(response.status, body[:LARGEST_BODY], response.headers.get_content_charset() or "utf-8",
                      len(body) > LARGEST_BODY), response.headers.get("Location")
    finally:
        connection.close()


def _body(exchange: _Exchange, response: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> bytes:
    """The body, a byte more than may be kept where it is longer."""
    body = bytearray()
    while len(body) <= LARGEST_BODY:
        if connection.sock is not None:
            connection.sock.settimeout(exchange.left())
        exchange.left()
        chunk = response.read1(min(CHUNK, LARGEST_BODY + 1 - len(body)))
        if not chunk:
            break
        body += chunk
    return bytes(body)


def _headers(given: Mapping[str, str], origin: SplitResult) -> dict[str, str]:
    headers = {**SENT, **given}
    if origin.username and "authorization" not in {name.lower() for name in given}:
        pair = f"{unquote(origin.username)}:{unquote(origin.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    own = {name.lower() for name in given}
    return {name: value for name, value in headers.items() if name in given or name.lower() not in own}


def _same_origin(one: SplitResult, other: SplitResult) -> bool:
    return _origin(one) == _origin(other)


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return f"no answer within {timeout:g} s"
    if isinstance(error, http.client.InvalidURL):
        return "the URL cannot be sent"
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
