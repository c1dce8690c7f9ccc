# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys that sign records: ed25519, PKCS8 PEM. Signatures are DSSE's, key ids are securesystemslib's.

Signing needs `cryptography` alone: `securesystemslib.signer` imports boto3 and takes half a second that each run would pay
(measured). What is signed here is checked by securesystemslib (`checking`), so two implementations agree on it.
Sources: DSSE protocol (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md), RFC 8032, RFC 5958.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from ..core.errors import MissingLibrary, OperationError

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """What DSSE signs: the type and the payload with their lengths, so that neither can pass for the other."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


class SigningKey:
    """A private key. It shows its id and its public half only."""

    def __init__(self, private: Any) -> None:
        self._private = private
        self.public_pem = _pem(private.public_key())
        self.keyid = keyid_of(self.public_pem)

    def __repr__(self) -> str:
        return f"SigningKey({self.keyid})"

    def sign(self, payload_type: str, payload: bytes) -> list[dict[str, str]]:
        """DSSE's `signatures` of a payload."""
        signature = self._private.sign(pre_authentication(payload_type, payload))
        return [{"keyid": self.keyid, "sig": base64.b64encode(signature).decode()}]


def signing_key(pem: str) -> SigningKey:
    """The key of a PEM text.

    :raises OperationError: when it is none of ed25519 in PKCS8 without a passphrase; the text is never part of it
    :raises MissingLibrary: when cryptography is not installed
    """
    if not HAS_CRYPTOGRAPHY:
        raise MissingLibrary("cryptography", "https://pypi.org/project/cryptography/")
    try:
        private = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without its cause: a parser may quote what it read.
        raise OperationError("read a signing key", "(not shown)", "it is no private key in PEM without a passphrase",
                             "Give an ed25519 key: openssl genpkey -algorithm ed25519.") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise OperationError("read a signing key", "(not shown)", "it is not an ed25519 key",
                             "Make one: openssl genpkey -algorithm ed25519.")
    return SigningKey(private)


def new_key_pem() -> str:
    """A new private key, PKCS8 PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def keyid_of(public_pem: str) -> str:
    """The id of a public key as securesystemslib computes it: a digest, so a key cannot be passed off as another."""
    description = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": _raw(public_pem).hex()}}
    return hashlib.sha256(json.dumps(description, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def public_key(pem: str) -> str:
    """A public key's PEM in its one form, from a public or a private key's PEM.

    :raises OperationError: when it is neither, or none of ed25519
    """
    if "PRIVATE KEY" in pem:
        return signing_key(pem).public_pem
    return _pem(_loaded(pem))


def is_signed_by(public_pem: str, payload_type: str, payload: bytes, signature: str) -> bool:
    """Whether a DSSE signature in Base64 is that key's."""
    try:
        _loaded(public_pem).verify(base64.b64decode(signature, validate=True), pre_authentication(payload_type, payload))
    except (InvalidSignature, ValueError):
        return False
    return True


def _loaded(pem: str) -> Any:
    if not HAS_CRYPTOGRAPHY:
        raise MissingLibrary("cryptography", "https://pypi.org/project/cryptography/")
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise OperationError("read a public key", "PEM", "it is no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise OperationError("read a public key", "PEM", "it is not an ed25519 key")
    return key


def _pem(key: Any) -> str:
    pem: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def _raw(public_pem: str) -> bytes:
    raw: bytes = _loaded(public_pem).public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return raw
