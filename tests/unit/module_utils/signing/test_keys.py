"""Keys that sign records, and what securesystemslib makes of their signatures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from securesystemslib.signer import SSlibKey

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.attestation import PAYLOAD_TYPE, signed_file
from ansible_collections.opsbook.runbooks.plugins.module_utils.signing.checking import (
    INVALID,
    TRUSTED,
    UNKNOWN,
    UNVOUCHED,
    Checker,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.signing.keys import (
    is_signed_by,
    keyid_of,
    new_key_pem,
    public_key,
    signing_key,
)

OURS, THEIRS = signing_key(new_key_pem()), signing_key(new_key_pem())
PAYLOAD = b'{"a": 1}'


def envelope(key: object = OURS, payload: bytes = PAYLOAD) -> bytes:
    return signed_file(payload, key.sign(PAYLOAD_TYPE, payload))  # type: ignore[attr-defined]


def test_ids_are_those_of_securesystemslib() -> None:
    loaded = serialization.load_pem_public_key(OURS.public_pem.encode())

    assert SSlibKey.from_crypto(loaded).keyid == OURS.keyid == keyid_of(OURS.public_pem)


@pytest.mark.parametrize(("trusted", "kept", "state"), [
    ([OURS], [], TRUSTED), ([OURS], [OURS], TRUSTED), ([THEIRS], [OURS], UNVOUCHED), ([], [OURS], UNVOUCHED),
    ([THEIRS], [], UNKNOWN), ([], [], UNKNOWN),
])
def test_what_a_signature_is_worth(trusted: list[object], kept: list[object], state: str) -> None:
    checker = Checker([key.public_pem for key in trusted],  # type: ignore[attr-defined]
                      {key.keyid: key.public_pem for key in kept})  # type: ignore[attr-defined]

    assert checker.check(envelope()) == (state, OURS.keyid)


def test_another_payload_or_anothers_signature_does_not_hold() -> None:
    checker = Checker([OURS.public_pem, THEIRS.public_pem], {})
    moved = json.loads(envelope(THEIRS))
    moved["signatures"][0]["keyid"] = OURS.keyid
    other = {**json.loads(envelope()), "payload": json.loads(envelope(payload=b"{}"))["payload"]}

    assert checker.check(json.dumps(moved).encode())[0] == INVALID
    assert checker.check(json.dumps(other).encode())[0] == INVALID
    assert is_signed_by(OURS.public_pem, PAYLOAD_TYPE, PAYLOAD, json.loads(envelope())["signatures"][0]["sig"])
    assert not is_signed_by(OURS.public_pem, "text/plain", PAYLOAD, json.loads(envelope())["signatures"][0]["sig"])
    assert not is_signed_by(OURS.public_pem, PAYLOAD_TYPE, PAYLOAD, "no Base64!")


def test_one_signature_that_does_not_hold_spoils_the_others() -> None:
    both = json.loads(envelope())
    both["signatures"].append({"keyid": THEIRS.keyid, "sig": both["signatures"][0]["sig"]})

    assert Checker([OURS.public_pem, THEIRS.public_pem], {}).check(json.dumps(both).encode())[0] == INVALID


def test_a_key_kept_under_anothers_id_is_none() -> None:
    checker = Checker([], {OURS.keyid: THEIRS.public_pem, "damaged": "no key"})

    assert set(checker.damaged) == {OURS.keyid, "damaged"}
    assert checker.check(envelope(THEIRS))[0] == UNKNOWN


def test_the_public_half_is_read_from_either() -> None:
    pem = new_key_pem()

    assert public_key(pem) == signing_key(pem).public_pem == public_key(signing_key(pem).public_pem)


def _rsa() -> str:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _with_passphrase(_folder: Path) -> str:
    key = serialization.load_pem_private_key(new_key_pem().encode(), None)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.BestAvailableEncryption(b"canary")).decode()


@pytest.mark.parametrize("text", ["", "canary", new_key_pem().replace("M", "N"), _rsa(), _with_passphrase(Path())],
                         ids=["empty", "no_pem", "damaged", "rsa", "passphrase"])
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(OperationError) as refused:
        signing_key(text)

    lines = [line for line in text.splitlines() if len(line) > 5 and "KEY" not in line]
    assert not [line for line in lines if line in str(refused.value) or line in repr(refused.value.__cause__)]


def test_a_key_shows_its_id_only() -> None:
    assert repr(OURS) == f"SigningKey({OURS.keyid})"
