"""What can be seen from outside: endpoints, providers, names, certificates, and metrics pages in Prometheus' format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.check import Checked, collect_endpoints, endpoints_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.dns import Resolved, collect_names, questions_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.exchange import Answer, Request, address_of, fetch
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.tls import (
    context_of,
    days_left,
    expiry_of,
    presented_certificate,
)
from opsbook.evidence.pieces import Piece
from opsbook.evidence.prometheus import Rates, Samples, parse_samples, rates_between
from opsbook.evidence.sources import Source, attempt, undeclared

REACHED = tuple(range(200, 500))
"""Statuses that show that a provider answers: 401 or 400 means reachable (PROCEDURES, wrong answers)."""

TIMEOUT = 10.0


@dataclass(frozen=True)
class Certificate:
    """The certificate that a server presents, trusted or not.

    :param address: host and port
    :param expires: UTC
    :param days: until then, negative when it has passed
    """

    address: str
    expires: datetime
    days: float


def endpoints(
    case: Source, keys: Sequence[str] = ("http_endpoints", "smoke_tests"), name: str = "endpoints"
) -> Piece[Checked]:
    """The declared endpoints, each asked once: `opsbook...http.check.judge` says what is right about its answer."""
    given = [one for key in keys for one in case.declared.get(key) or ()]
    blank: Piece[Checked] = Piece(name, "http", f"GET {', '.join(str(one['name']) for one in given)}", None)
    if not given:
        return undeclared(blank, " or ".join(keys))

    def read(piece: Piece[Checked]) -> Piece[Checked]:
        seen = collect_endpoints(case.run, endpoints_of([{"timeout": TIMEOUT, **one} for one in given]))
        return replace(piece, rows=seen.state, coverage=seen.coverage)

    return attempt(blank, read)


def providers(case: Source, name: str = "providers") -> Piece[Checked]:
    """The external components that the service map gives a `url` for: anything below 500 shows that they answer."""
    known = [one for one in case.service_map.of_kind("external") if one.url]
    blank: Piece[Checked] = Piece(name, "http", f"GET {', '.join(one.name for one in known)}", None)
    if not known:
        return undeclared(blank, "external component with a url")

    def read(piece: Piece[Checked]) -> Piece[Checked]:
        asked = endpoints_of([{"name": one.name, "url": one.url, "status": REACHED, "timeout": TIMEOUT} for one in known])
        seen = collect_endpoints(case.run, asked)
        return replace(piece, rows=seen.state, coverage=seen.coverage)

    return attempt(blank, read)


def names(case: Source, name: str = "names") -> Piece[Resolved]:
    """The declared DNS names; a name server that fails or is silent is a gap, "there is no such name" an answer."""
    given = list(case.declared.get("dns_records") or ())
    blank: Piece[Resolved] = Piece(name, "dns", ", ".join(f"{one['name']} {one.get('type') or 'A'}" for one in given), None)
    if not given:
        return undeclared(blank, "dns_records")

    def read(piece: Piece[Resolved]) -> Piece[Resolved]:
        seen = collect_names(case.run, questions_of(given), case.declared.get("dns_server"))
        return replace(piece, rows=seen.state, coverage=seen.coverage)

    return attempt(blank, read)


def certificates(case: Source, name: str = "certificates") -> Piece[Certificate]:
    """The certificates of the declared https endpoints, trusted or not; nothing is sent but the handshake."""
    urls = [urlsplit(str(one["url"])) for key in ("http_endpoints", "smoke_tests") for one in case.declared.get(key) or ()]
    servers = list(dict.fromkeys((one.hostname, one.port or 443) for one in urls if one.scheme == "https" and one.hostname))
    blank: Piece[Certificate] = Piece(name, "tls", ", ".join(f"{host}:{port}" for host, port in servers), None)
    if not servers:
        return undeclared(blank, "https endpoint")

    def look(server: tuple[str, int]) -> Certificate:
        host, port = server
        presented = presented_certificate(host, port, TIMEOUT)
        if presented is None:
            raise OperationError("read a certificate", f"{host}:{port}", "no TLS handshake came about")
        try:
            expires = expiry_of(presented)
        except ValueError as error:
            raise OperationError("read a certificate", f"{host}:{port}", str(error)) from error
        return Certificate(f"{host}:{port}", expires, days_left(expires, case.now))

    def read(piece: Piece[Certificate]) -> Piece[Certificate]:
        done = case.run.each(look, servers)
        return replace(piece, rows=tuple(one.answer for one in done if one.answer), coverage=Coverage(
            tuple(f"tls:{one.answer.address}" for one in done if one.answer),
            tuple(Gap(f"tls:{one.item[0]}:{one.item[1]}", one.error.reason) for one in done if one.error)))

    return attempt(blank, read)


def metrics_page(case: Source, url: str = "", seconds: float = 5.0, name: str = "metrics page") -> Piece[Rates]:
    """A page in Prometheus' text format, looked at twice: counters as rates a second, gauges as they are.

    :param url: the page; empty means the declared endpoint whose path ends with `/metrics`
    :param seconds: between the two looks
    """
    declared = [str(one["url"]) for one in case.declared.get("http_endpoints") or ()]
    page = url or next((one for one in declared if urlsplit(one).path.endswith("/metrics")), "")
    shown = address_of(page) if page else "no page"
    blank: Piece[Rates] = Piece(name, "prometheus", f"GET {shown} twice, {seconds:g} s apart", None)
    if not page:
        return undeclared(blank, "endpoint whose path ends with /metrics")

    def read(piece: Piece[Rates]) -> Piece[Rates]:
        looks: list[tuple[float, Samples]] = []

        def look() -> int:
            looks.append((case.run.clock.monotonic(), _scraped(case, page)))
            return len(looks)

        case.run.poll(first_delay=seconds).until(look, lambda seen: seen >= 2, lambda seen: "")
        (begun, first), (ended, second) = looks[0], looks[-1]
        gaps = (Gap(shown, f"{second.refused} lines are no samples; the first: {second.example}"),) if second.refused else ()
        rates = rates_between(first, second, ended - begun)
        return replace(piece, rows=(rates,), coverage=Coverage(() if gaps else (shown,), gaps))

    return attempt(blank, read)


def _scraped(case: Source, page: str) -> Samples:
    answer: Answer = fetch(Request("GET", page, {}, TIMEOUT, frozenset({200})), context_of(True), case.run.clock.monotonic)
    trouble = answer.failure or answer.untrusted or ("" if answer.status == 200 else f"it answers {answer.status}")
    if trouble:
        raise OperationError("read a metrics page", address_of(page), trouble)
    return parse_samples(answer.body.decode("utf-8", "replace"), answer.truncated)
