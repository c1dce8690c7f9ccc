# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sealing: a finished record folder gets its attestation and becomes part of its store's chain.

The one way for procedures and investigations. The files of the folder are written before, all but `attestation.json`;
nothing in it may change afterwards.

    signer = signer_from(reference, environment)      # never raises; Unsigned says why there is no key
    write_page(..., signer.said)                      # the sentence for the page
    sealed = finish_record(folder, record, signer)    # never raises either; sealed.said for the terminal

`record` is the content of record.json: kind, title, status, started, finished, systems, operator, revision; verdict and
severity_id where there are any. With `store=open_store("s3://bucket/prefix")` the record is kept and chained there too.

A death at any moment leaves a record that the next sealing finishes: files, then the attestation, then the heads, each
whole; a note of what is under way (`.chain/pending`) lies there until the heads are written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..core.errors import Missing, OperationError
from .attestation import ATTESTATION, Attestation, Link, read_attestation, record_statement, sha256
from .chain import KEYS, PENDING
from .deadlines import within
from .ends import NOTES, add_entry, attestation_path, read_ends
from .record import seal
from .record_store import PLAIN, FolderStore, Store
from .signers import SHORT, Connect, KeySigner, Signer, Unsigned, attest, signer_from

__all__ = ["Sealed", "Signer", "Unsigned", "finish_record", "open_store", "seal_run", "signer_from"]

STORE_SECONDS = 120.0
"""How long a store elsewhere may take for one record; then the run ends without it and says so."""


@dataclass(frozen=True)
class Sealed:
    """What became of a record's seal.

    :param digest: SHA-256 of its attestation; empty where there is none
    :param keyid: the key it was signed with; empty where nobody signed
    :param unsigned: why nobody signed it
    :param follows: ids of the entries it follows
    :param trouble: what could not be done, and what to do about it; empty when all was
    """

    digest: str = ""
    keyid: str = ""
    unsigned: str = ""
    follows: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def said(self) -> str:
        """One line for the terminal. Its digits are worth keeping elsewhere: `verify --head` looks for them."""
        if not self.digest:
            return f"NOT SEALED: {self.trouble}"
        how = f"signed with key {self.keyid[:SHORT]}" if self.keyid else f"NOT SIGNED: {self.unsigned}"
        return f"{self.digest[:SHORT]}, {how}" + (f"; {self.trouble}" if self.trouble else "")


def open_store(address: str, connect: Connect | None = None) -> Store:
    """The place at an address: a folder's path, or `s3://bucket/prefix`.

    :param connect: connections to AWS; None: by boto3's usual chain
    :raises OperationError: for an address of S3 without a bucket, or without boto3
    """
    if not address.startswith("s3://"):
        return FolderStore(Path(address).absolute())
    from ..aws.client import connector
    from ..aws.record_bucket import BucketStore

    return BucketStore(connect or connector({}), address)


def finish_record(folder: Path, record: Mapping[str, Any], signer: Signer, store: Store | None = None) -> Sealed:
    """Write the attestation of a record folder and make it a head of its store. Never raises, never waits for long.

    :param folder: all its files are written, nothing changes in it any more; one that is sealed already stays as it is
    :param record: the content of its record.json
    :param store: where it is kept and chained; None: the folder that it lies in
    """
    home = FolderStore(folder.parent)
    try:
        if store is None:
            return _sealed(_seal(home, folder.name, record, signer, home))
        elsewhere = store
        return within(STORE_SECONDS, "keep a record", store.address,
                      lambda: _sealed(_seal(home, folder.name, record, signer, elsewhere)))
    except OperationError as error:
        return _troubled(home, folder.name, error.message())
    except (OSError, ValueError) as error:
        return _troubled(home, folder.name, f"{type(error).__name__}: {error}")


def seal_run(folder: Path, signer: Signer) -> tuple[dict[str, Any], Sealed]:
    """Write the record of a procedure's run from its journal, and seal it.

    :raises OSError: when the journal cannot be read or the record not written
    """
    record = seal(folder, signer.said)
    return record, finish_record(folder, record, signer)


def _seal(home: FolderStore, name: str, record: Mapping[str, Any], signer: Signer, store: Store) -> Attestation:
    """Attest a record, and put it into the store."""
    content, _mark = home.versioned(f"{name}/{ATTESTATION}")
    if content is None:
        finish_pending(store, signer)
        follows = read_ends(store, signer, now()).heads.links
        said = record_statement(name, record, subjects_of(home, name), follows, now())
        content = attest(said, signer)
        if store is not home:
            home.write(f"{name}/{ATTESTATION}", content)
    # What a store has already was sealed before, and may be followed by others by now.
    if store.versioned(f"{name}/{ATTESTATION}")[0] is None:
        transfer(home, store, name, content, signer)
    return read_attestation(content)


def subjects_of(store: Store, name: str) -> dict[str, str]:
    """The files that a record's attestation names, with their SHA-256: all plain files but it and what people add."""
    return {file: store.digest(f"{name}/{file}") for file, kind in store.files(name).items()
            if kind == PLAIN and file != ATTESTATION and not file.startswith(f"{NOTES}/")}


def transfer(home: Store, store: Store, entry: str, content: bytes, signer: Signer) -> None:
    """Put an entry into a store and make it a head there: its files, its attestation, the heads, in this order.

    :param home: where the entry's files lie; they are copied unless it is the store itself
    :param content: of its attestation
    :raises OperationError: when something cannot be read or written
    """
    attestation = read_attestation(content)
    if isinstance(signer, KeySigner):
        store.create(f"{KEYS}/{signer.key.keyid}.pem", signer.key.public_pem.encode())
    if store is not home:
        for file, digest in attestation.subjects.items():
            path = f"{attestation_path(entry).rpartition('/')[0]}/{file}"
            content_of = home.read(path)
            if sha256(content_of) != digest:
                raise OperationError("copy a record", path, "it is not as it was sealed", "See python -m opsbook verify.")
            store.write(path, content_of)
    note = f"{PENDING}/{attestation.digest}.json"
    store.write(note, json.dumps({"id": entry}).encode())
    store.write(attestation_path(entry), content)
    add_entry(store, signer, Link(entry, attestation.digest, attestation.predicate["sealed"]), attestation.follows, now)
    store.remove(note)


def finish_pending(store: Store, signer: Signer) -> list[str]:
    """Make heads of entries whose sealing was cut off before it came to that; returns their ids.

    An entry that another process is sealing at this moment becomes one twice, which changes nothing.
    """
    finished = []
    for file in store.files(PENDING):
        if file.startswith("."):
            continue  # Just being written.
        path = f"{PENDING}/{file}"
        found = _pending(store, path)
        if found is None:
            continue
        # Of one that was sealed anew since, the later sealing has its own note.
        if found.digest == file.partition(".")[0]:
            add_entry(store, signer, found.link, found.follows, now)
            finished.append(found.link.id)
        store.remove(path)
    return finished


def _pending(store: Store, path: str) -> Attestation | None:
    """The attestation of the entry that a note of unfinished work means; None while there is none."""
    try:
        return read_attestation(store.read(attestation_path(str(json.loads(store.read(path))["id"]))))
    except (Missing, ValueError, KeyError, TypeError):
        return None


def _sealed(attestation: Attestation) -> Sealed:
    keyid = attestation.signatures[0]["keyid"] if attestation.signatures else ""
    return Sealed(attestation.digest, keyid, attestation.unsigned, tuple(link.id for link in attestation.follows))


def _troubled(home: FolderStore, name: str, trouble: str) -> Sealed:
    """What could be done, with the reason for the rest."""
    try:
        sealed = _sealed(read_attestation(home.read(f"{name}/{ATTESTATION}")))
    except (OperationError, ValueError, OSError):
        return Sealed(trouble=trouble)
    return Sealed(sealed.digest, sealed.keyid, sealed.unsigned, sealed.follows, trouble)


def now() -> str:
    """The present as attestations write it."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")
