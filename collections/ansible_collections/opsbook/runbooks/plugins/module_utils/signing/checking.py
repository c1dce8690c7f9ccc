# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checking signatures with securesystemslib's DSSE, by keys that somebody vouches for and keys that nobody does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import MissingLibrary, OperationError
from .keys import keyid_of, public_key

try:
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

    HAS_SECURESYSTEMSLIB = True
except ImportError:
    HAS_SECURESYSTEMSLIB = False

TRUSTED, UNVOUCHED, UNKNOWN, INVALID = "trusted", "unvouched", "unknown", "invalid"
"""Signed by a key that is vouched for; by one that is only kept beside the records; by one that is nowhere; by nobody."""


class Checker:
    """Knows public keys and says what a signed attestation is worth."""

    def __init__(self, trusted: Iterable[str], kept: Mapping[str, str]) -> None:
        """:param trusted: public keys, PEM, that somebody vouches for
        :param kept: public keys by the id that they are kept under beside the records

        :raises OperationError: for a trusted key that is none
        :raises MissingLibrary: when securesystemslib is not installed
        """
        if not HAS_SECURESYSTEMSLIB:
            raise MissingLibrary("securesystemslib", "https://pypi.org/project/securesystemslib/")
        self.trusted = {keyid_of(pem): _key(pem) for pem in map(public_key, trusted)}
        self.damaged: dict[str, str] = {}
        self._kept = {keyid: found for keyid, pem in kept.items() if (found := self._kept_key(keyid, pem)) is not None}

    def _kept_key(self, keyid: str, pem: str) -> Any:
        """A key that is kept under its own id; any other is none, and is remembered as damaged."""
        try:
            if keyid_of(pem) == keyid:
                return _key(pem)
            self.damaged[keyid] = "it is another key than its name says"
        except OperationError as error:
            self.damaged[keyid] = error.reason
        return None

    def check(self, content: bytes) -> tuple[str, str]:
        """What the signature of an attestation's file is worth, and the id of the key it names.

        :param content: a DSSE envelope
        """
        found = json.loads(content)
        states = [self._state(found, signature) for signature in found["signatures"]]
        # One that does not hold spoils the rest: nobody adds it by accident.
        for state in (INVALID, UNKNOWN, UNVOUCHED):
            if state in states:
                return state, str(found["signatures"][states.index(state)]["keyid"])
        return TRUSTED, str(found["signatures"][0]["keyid"])

    def _state(self, envelope: Mapping[str, Any], signature: Mapping[str, str]) -> str:
        key = self.trusted.get(signature["keyid"], self._kept.get(signature["keyid"]))
        if key is None:
            return UNKNOWN
        try:
            Envelope.from_dict({**envelope, "signatures": [dict(signature)]}).verify([key], 1)
        except (VerificationError, ValueError):
            return INVALID
        return TRUSTED if signature["keyid"] in self.trusted else UNVOUCHED


def _key(pem: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    return SSlibKey.from_crypto(load_pem_public_key(pem.encode()))
