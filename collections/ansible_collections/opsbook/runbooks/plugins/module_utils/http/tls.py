# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of TLS servers: when they expire, also of one that is not trusted.

`getpeercert()` tells nothing about a certificate that was not verified, so the date is read from the certificate's own
bytes: Certificate, TBSCertificate, Validity, notAfter (RFC 5280, section 4.1).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from ..core.errors import OperationError

VERSION = 0xA0
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18


def context_of(validate_certs: bool, ca_path: str | None = None) -> ssl.SSLContext:
    """How servers are verified.

    :param ca_path: a file of authorities to trust instead of the usual ones
    :raises OperationError: when the file cannot be read
    """
    try:
        context = ssl.create_default_context(cafile=ca_path)
    except (OSError, ssl.SSLError) as error:
        raise OperationError("read certificate authorities", str(ca_path), error.strerror or str(error),
                             "Give a file of certificates in PEM format.") from error
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def presented_certificate(host: str, port: int, timeout: float) -> bytes | None:
    """The certificate that a server presents, trusted or not. Nothing is sent but the handshake.

    :returns: its bytes (DER), or None where the handshake fails
    """
    try:
        with socket.create_connection((host, port), timeout) as plain, \
                context_of(False).wrap_socket(plain, server_hostname=host) as wrapped:
            return wrapped.getpeercert(binary_form=True)
    except OSError:
        return None


def expiry_of(certificate: bytes) -> datetime:
    """The end of a certificate's validity (UTC).

    :param certificate: DER
    :raises ValueError: when it is no certificate
    """
    try:
        [(_tag, whole)] = _elements(certificate)
        _tag, signed = next(_elements(whole))
        parts = [content for tag, content in _elements(signed) if tag != VERSION]
        _serial, _algorithm, _issuer, validity = parts[:4]
        _before, (tag, text) = _elements(validity)
        return _time(tag, text.decode("ascii"))
    except (IndexError, StopIteration, ValueError) as error:
        raise ValueError("not a certificate") from error


def days_left(expiry: datetime, now: datetime) -> float:
    """Days until then, negative when it has passed."""
    return round((expiry - now) / timedelta(days=1), 1)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element in a DER sequence's content."""
    position = 0
    while position < len(data):
        tag, length, start = data[position], data[position + 1], position + 2
        if length & 0x80:
            size = length & 0x7F
            length, start = int.from_bytes(data[start:start + size], "big"), start + size
        yield tag, data[start:start + length]
        position = start + length


def _time(tag: int, text: str) -> datetime:
    if tag == UTC_TIME:
        # Two digits: 50 to 99 are of the last century (RFC 5280, section 4.1.2.5.1).
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    elif tag != GENERALIZED_TIME:
        raise ValueError("not a time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
