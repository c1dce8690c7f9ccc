# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who signs records: a key that a reference leads to, or nobody, and why.

Neither the key nor what a reference leads to is ever part of a message, a record or an exception's text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Protocol, Union

from ..core.errors import OperationError
from ..core.references import parse_reference, read_reference
from .attestation import PAYLOAD_TYPE, payload_of, signed_file, unsigned_file
from .deadlines import within

Connect = Callable[[str], Any]

SHORT = 12
"""Digits of a digest or a key's id that people are shown."""

KEY_SECONDS = 20.0
"""How long Secrets Manager may take; a run waits no longer and is recorded unsigned."""

NOT_CONFIGURED = "no signing key is configured"


class Key(Protocol):
    """A private key, as `signing/keys` makes it."""

    keyid: str
    public_pem: str

    def sign(self, payload_type: str, payload: bytes) -> list[dict[str, str]]:
        """DSSE's `signatures` of a payload."""


@dataclass(frozen=True)
class KeySigner:
    """Signs with a key.

    :param key: its private half stays inside
    """

    key: Key

    @property
    def said(self) -> str:
        """How a record is signed, a sentence for its page. A page cannot prove it; `verify` can."""
        return f"To be signed with key {self.key.keyid[:SHORT]}; python -m opsbook verify says whether its signature holds."


@dataclass(frozen=True)
class Unsigned:
    """Nobody signs.

    :param reason: why, for people; no secret in it
    """

    reason: str

    @property
    def said(self) -> str:
        """How a record is signed, a sentence for its page."""
        return f"Not signed: {self.reason.rstrip('.')}."


Signer = Union[KeySigner, Unsigned]


def attest(statement: Mapping[str, Any], signer: Signer) -> bytes:
    """The file of a statement: signed, or saying why not."""
    payload = payload_of(statement)
    if isinstance(signer, Unsigned):
        return unsigned_file(payload, signer.reason)
    return signed_file(payload, signer.key.sign(PAYLOAD_TYPE, payload))


def signer_from(reference: str, environ: Mapping[str, str], connect: Connect | None = None) -> Signer:
    """The signer that a reference leads to. Never raises and never waits for long: signing must not stop a run.

    :param reference: `env:NAME`, `file:/path` or `secretsmanager:NAME[#field]`; empty: none is configured
    :param environ: the environment of the process
    :param connect: connections to AWS; None: by boto3's usual chain
    """
    if not reference:
        return Unsigned(NOT_CONFIGURED)
    try:
        return KeySigner(key_from(reference, environ, connect))
    except OperationError as error:
        return Unsigned(f"the signing key cannot be used. {error.message()}")
    except Exception as error:
        # What went wrong may be said in words that hold the key: its kind has to do.
        return Unsigned(f"the signing key cannot be used: {type(error).__name__}")


def key_from(reference: str, environ: Mapping[str, str], connect: Connect | None = None) -> Any:
    """The private key that a reference leads to.

    :raises OperationError: when there is none, or it is no ed25519 key in PEM
    """
    # Imported when it is needed: most of what reads this file never signs.
    from ..signing.keys import signing_key

    return signing_key(read_reference(parse_reference(reference), environ, _secret_reader(connect)))


def _secret_reader(connect: Connect | None) -> Callable[[str, str], str]:
    def read(name: str, field: str) -> str:
        from ..aws.client import connector
        from ..aws.secret_values import read_secret_value

        # Two attempts: a run that has ended waits for this.
        return within(KEY_SECONDS, "read the signing key", name,
                      lambda: read_secret_value(connect or connector({}, attempts=2), name, field))

    return read
