"""The systems' endpoints over TLS, with a certificate of the lab's own that can be told when it expires.

Making a key and a certificate takes a moment that most labs never need: it is done when somebody first connects.
"""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab.web.reply import BadRequest, refuse_unknown

_DAYS = 90
_MOST_DAYS = 3650
_FILE = "tls.pem"


class CertificateBook:
    """How long the certificate is still good for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._days: float = _DAYS
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    def context(self) -> ssl.SSLContext:
        """What a connection that comes now is answered with."""
        with self._lock:
            if self._context is None:
                self._context = _context(self._folder / _FILE, self._days)
            return self._context

    def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out `POST /lab/tls`: `{"days"}` until the certificate expires, negative where it has; null heals."""
        refuse_unknown(body, {"days"})
        days = body.get("days")
        if days is not None and (isinstance(days, bool) or not isinstance(days, int | float) or abs(days) > _MOST_DAYS):
            raise BadRequest(f"days must be a number of at most {_MOST_DAYS}, or null")
        with self._lock:
            self._days, self._context = _DAYS if days is None else float(days), None
        return {"days": self._days}

    def reset(self) -> None:
        """Let it be good for three months again."""
        self.change({"days": None})


def encrypted(server: type[ThreadingHTTPServer], book: CertificateBook) -> type[ThreadingHTTPServer]:
    """The server over TLS; the handshake is made in the connection's own thread."""

    class Encrypted(server):  # type: ignore[valid-type, misc]  # which server is only known when it runs
        def finish_request(self, request: Any, client_address: Any) -> None:
            try:
                wrapped = book.context().wrap_socket(request, server_side=True)
            except (ssl.SSLError, OSError):
                return  # The client did not like the certificate, or looked at nothing else.
            with wrapped:
                super().finish_request(wrapped, client_address)

    return Encrypted


def _context(path: Path, days: float) -> ssl.SSLContext:
    """A context with a new key and certificate for the loopback address; the file can be trusted as an authority."""
    path.touch(mode=0o600)
    path.write_bytes(_certificate(days))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _certificate(days: float) -> bytes:
    # Imported here: they take longer than the rest of the server.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "opsbook lab")])
    until = now + timedelta(days=days)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(min(now, until) - timedelta(days=_DAYS))
        .not_valid_after(until).add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private
