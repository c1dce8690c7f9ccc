# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One HTTP request with its redirects, by the standard library alone, and everything worth knowing about the answer.

Proxies of the environment are not used: what is checked is the endpoint itself. A connection that fails is an answer
too, with its reason. Secrets (headers, a user name and password in the URL) go to the origin they were given for only.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Callable
from urllib.parse import quote, unquote, urljoin, urlsplit

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
    last: tuple[str, int] = ("", 0)

    def left(self) -> float:
        left = self.deadline - self.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def note_certificate(self, certificate: bytes | None) -> None:
        if certificate:
            try:
                expiry = expiry_of(certificate)
            except ValueError as error:
                raise ssl.SSLError("the dates of its certificate cannot be read") from error
            self.expiry = min(self.expiry, expiry) if self.expiry else expiry


def address_of(url: str) -> str:
    """Where a URL points to, `host:port/path`: no user, no password, no query."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or PORTS.get(parts.scheme, '')}{parts.path or '/'}"


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL.

    :raises ValueError: when it is no http or https address
    """
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("not an http or https address")
    return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]


def secrets_of(url: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    """What a request carries that nobody should read in a result, the longest first."""
    parts = urlsplit(url)
    values = [pair.partition("=")[2] or pair for pair in parts.query.split("&")]
    found = {parts.username or "", parts.password or "", parts.query, *values, *headers.values()}
    # One or two letters are no secret, and hiding them would garble everything else.
    texts = (text for one in found for text in sorted({one, unquote(one)}) if len(text) > 3)
    return tuple(sorted(texts, key=len, reverse=True))


def fetch(request: Request, context: ssl.SSLContext, monotonic: Callable[[], float]) -> Answer:
    """Ask, following at most five redirects.

    :raises Refused: when the URL or a header cannot be sent at all
    """
    started = monotonic()
    exchange = _Exchange(context, monotonic, started + request.timeout)
    try:
        answer = _follow(exchange, request)
    except ssl.SSLCertVerificationError as error:
        with contextlib.suppress(OSError):
            exchange.note_certificate(presented_certificate(*exchange.last, exchange.left()))
        answer = Answer(untrusted=error.verify_message or "not trusted")
    except (OSError, http.client.HTTPException) as error:
        answer = Answer(failure=_reason(error, request.timeout))
    except ValueError:
        # Its text shows what could not be sent, which may be a secret.
        raise Refused("send a request", address_of(request.url), "the URL or a header holds what HTTP cannot carry",
                      "Look for line breaks and letters outside ASCII.") from None
    return replace(answer, latency_ms=round((monotonic() - started) * 1000, 1), redirects=tuple(exchange.redirects),
                   expiry=exchange.expiry)


def _follow(exchange: _Exchange, request: Request) -> Answer:
    url = request.url
    while True:
        headers = _headers(request) if origin_of(url) == origin_of(request.url) else SENT
        answer, location = _ask(exchange, request.method, url, headers)
        if answer.status not in REDIRECTS or answer.status in request.final or not location:
            return answer
        if len(exchange.redirects) == MOST_REDIRECTS:
            return Answer(failure=f"it was redirected more than {MOST_REDIRECTS} times")
        try:
            url = urljoin(url, location)
            origin_of(url)
        except ValueError:
            return Answer(failure="it was redirected to what is no http or https address")
        exchange.redirects.append(address_of(url))


def _ask(exchange: _Exchange, method: str, url: str, headers: Mapping[str, str]) -> tuple[Answer, str | None]:
    """One answer and where it redirects to."""
    scheme, host, port = origin_of(url)
    exchange.last = host, port
    connection = http.client.HTTPConnection(host, port, timeout=exchange.left())
    if scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=exchange.left(), context=exchange.context)
    try:
        connection.connect()
        # The connection lets go of its socket once the answer has begun.
        sock = connection.sock
        if isinstance(sock, ssl.SSLSocket):
            exchange.note_certificate(sock.getpeercert(binary_form=True))
        connection.request(method, _target(url), headers=headers)
        response = connection.getresponse()
        body = _body(exchange, response, sock)
        return Answer(response.status, body[:LARGEST_BODY], response.headers.get_content_charset() or "utf-8",
                      len(body) > LARGEST_BODY), response.headers.get("Location")
    finally:
        connection.close()


def _target(url: str) -> str:
    """Path and query as the request line carries them; what is encoded already stays so."""
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return f"{path}?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else path


def _body(exchange: _Exchange, response: http.client.HTTPResponse, sock: socket.socket) -> bytes:
    """The body, a byte more than may be kept where it is longer."""
    body = bytearray()
    # From Python 3.13 on the last byte closes the answer, and its socket with it.
    while len(body) <= LARGEST_BODY and not response.isclosed():
        sock.settimeout(exchange.left())
        chunk = response.read1(min(CHUNK, LARGEST_BODY + 1 - len(body)))
        if not chunk:
            break
        body += chunk
    if response.length and len(body) <= LARGEST_BODY:
        # read1 does not mind a connection that ends too early.
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _headers(request: Request) -> dict[str, str]:
    parts = urlsplit(request.url)
    headers = {name.lower(): value for name, value in {**SENT, **request.headers}.items()}
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers.setdefault("authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    return headers


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return f"no answer within {timeout:g} s"
    if isinstance(error, http.client.InvalidURL):
        return "the URL cannot be sent"
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
