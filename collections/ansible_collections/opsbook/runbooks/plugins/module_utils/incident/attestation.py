# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Attestations: who vouches for which files of a record, and which records it follows. Pure, standard library only.

A signed one is an in-toto Statement v1 in a DSSE envelope. An envelope without a signature is not valid DSSE, so an unsigned
one is a document of its own that says why nobody signed, and holds the same statement.
Sources: in-toto attestation framework v1 (https://github.com/in-toto/attestation), DSSE envelope.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ATTESTATION = "attestation.json"

STATEMENT = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
UNSIGNED = "opsbook.unsigned/1"

# Identifiers, not addresses: nothing is fetched from there.
RECORD_PREDICATE = "https://github.com/opsbook/attestation/record/v1"
NOTE_PREDICATE = "https://github.com/opsbook/attestation/note/v1"
HEADS_PREDICATE = "https://github.com/opsbook/attestation/heads/v1"

RECORD_FACTS = ("kind", "title", "status", "verdict", "severity_id", "operator", "revision", "started", "finished")


@dataclass(frozen=True)
class Link:
    """A sealed entry of a chain.

    :param id: a record's folder, or of a note `<record>/notes/<number>`
    :param sha256: of its attestation's file
    :param sealed: when it was sealed, ISO 8601 in UTC; empty where the link does not say
    """

    id: str
    sha256: str
    sealed: str = ""


@dataclass(frozen=True)
class Attestation:
    """An attestation that was read.

    :param digest: SHA-256 of its file
    :param payload: the statement as it was signed
    :param signatures: DSSE's; none where it is unsigned
    :param unsigned: why nobody signed it
    """

    digest: str
    statement: Mapping[str, Any]
    payload: bytes
    signatures: tuple[Mapping[str, str], ...] = ()
    unsigned: str = ""

    @property
    def predicate(self) -> Mapping[str, Any]:
        """What is said about the files."""
        found: Mapping[str, Any] = self.statement["predicate"]
        return found

    @property
    def subjects(self) -> dict[str, str]:
        """The files and their SHA-256."""
        return {subject["name"]: subject["digest"]["sha256"] for subject in self.statement["subject"]}

    @property
    def follows(self) -> tuple[Link, ...]:
        """The entries that it follows."""
        return tuple(Link(entry["id"], entry["sha256"]) for entry in self.predicate["follows"])

    @property
    def link(self) -> Link:
        """The entry that it makes."""
        return Link(self.predicate["id"], self.digest, self.predicate["sealed"])


def sha256(content: bytes) -> str:
    """The digest that attestations name files by."""
    return hashlib.sha256(content).hexdigest()


def record_statement(
    identity: str, record: Mapping[str, Any], subjects: Mapping[str, str], follows: Iterable[Link], now: str
) -> dict[str, Any]:
    """The statement about a record.

    :param identity: the name of its folder
    :param record: the content of record.json
    :param subjects: its files and their SHA-256
    :param now: the present, ISO 8601 in UTC
    """
    systems = record.get("systems") or [name for name in [record.get("system")] if name]
    facts = {**{name: record.get(name) for name in RECORD_FACTS}, "systems": [str(name) for name in systems]}
    return _chained(RECORD_PREDICATE, identity, facts, subjects, tuple(follows), now)


def note_statement(
    identity: str, record: Link, operator: str, subjects: Mapping[str, str], follows: Iterable[Link], now: str
) -> dict[str, Any]:
    """The statement about what a person added to a record.

    :param identity: `<record>/notes/<number>`
    :param record: the attestation of the record as it was then
    """
    facts = {"operator": operator, "record": {"id": record.id, "sha256": record.sha256}}
    return _chained(NOTE_PREDICATE, identity, facts, subjects, tuple(follows), now)


def _chained(
    predicate: str, identity: str, facts: Mapping[str, Any], subjects: Mapping[str, str], follows: Sequence[Link], now: str
) -> dict[str, Any]:
    # What it follows was sealed before, whatever another machine's clock says: the digests prove the order.
    sealed = max([now, *(link.sealed for link in follows)])
    links = [{"id": link.id, "sha256": link.sha256} for link in sorted(follows, key=lambda link: link.id)]
    return statement(predicate, {"id": identity, **facts, "sealed": sealed, "follows": links}, subjects)


def statement(predicate_type: str, predicate: Mapping[str, Any], subjects: Mapping[str, str]) -> dict[str, Any]:
    """An in-toto Statement."""
    return {
        "_type": STATEMENT, "predicateType": predicate_type, "predicate": dict(predicate),
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(subjects.items())],
    }


def payload_of(said: Mapping[str, Any]) -> bytes:
    """A statement in the one form that is signed."""
    return json.dumps(said, sort_keys=True, separators=(",", ":"), default=str).encode()


def signed_file(payload: bytes, signatures: Sequence[Mapping[str, str]]) -> bytes:
    """The file of a signed attestation: a DSSE envelope."""
    return _file({"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE,
                  "signatures": [dict(signature) for signature in signatures]})


def unsigned_file(payload: bytes, reason: str) -> bytes:
    """The file of an attestation that nobody signed."""
    return _file({"schema": UNSIGNED, "unsigned": reason, "payloadType": PAYLOAD_TYPE, "statement": json.loads(payload)})


def _file(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def read_attestation(content: bytes) -> Attestation:
    """Read an attestation's file.

    :raises ValueError: when it is none, or is not written in the one form there is: every byte of it counts
    """
    try:
        found = json.loads(content)
        signatures: tuple[dict[str, str], ...] = ()
        reason = ""
        if found.get("schema") == UNSIGNED:
            payload, reason = payload_of(found["statement"]), str(found["unsigned"])
            again = unsigned_file(payload, reason)
        else:
            payload = base64.b64decode(found["payload"], validate=True)
            signatures = tuple(_signature(entry) for entry in found["signatures"])
            again = signed_file(payload, signatures)
        if not (signatures or reason):
            raise ValueError("it has no signature")
        said = json.loads(payload)
        _check(said)
    except (KeyError, TypeError, AttributeError, binascii.Error, RecursionError) as error:
        raise ValueError(f"it is no attestation ({type(error).__name__}: {error})") from error
    if again != content or payload_of(said) != payload:
        raise ValueError("it is not written as attestations are")
    return Attestation(sha256(content), said, payload, signatures, reason)


def _signature(entry: Mapping[str, Any]) -> dict[str, str]:
    return {"keyid": str(entry["keyid"]), "sig": str(entry["sig"])}


def _check(said: Mapping[str, Any]) -> None:
    """Whether a statement has the parts that are read later, of the right kinds."""
    names = [subject["name"] for subject in said["subject"]]
    digests = [subject["digest"]["sha256"] for subject in said["subject"]]
    predicate = said["predicate"]
    texts = [*names, *digests, said["predicateType"]]
    if said["predicateType"] != HEADS_PREDICATE:
        texts += [predicate["id"], predicate["sealed"]]
        texts += [link[part] for link in predicate["follows"] for part in ("id", "sha256")]
    if said["_type"] != STATEMENT or len(set(names)) < len(names) or not all(isinstance(text, str) for text in texts):
        raise ValueError("it is no statement about a record")
