# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of a store's heads: read, brought up to date, and found anew where it is missing or damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..core.errors import Missing, OperationError
from .attestation import ATTESTATION, PAYLOAD_TYPE, Attestation, Link, read_attestation
from .chain import HEADS, KEYS, OTHER_KEY, PENDING, REBUILT, WAS_UNSIGNED, Doubt, Heads, ends_of, heads_of, heads_statement
from .record_store import Store
from .signers import Signer, Unsigned, attest

NOTES = "notes"

MOST_TRIES = 100
"""How often the heads are written anew since somebody else was quicker; each time somebody got on."""


@dataclass(frozen=True)
class Ends:
    """The heads as they are now.

    :param mark: of the version of their file, for swapping it
    """

    heads: Heads
    mark: str


def attestation_path(entry: str) -> str:
    """Where the attestation of an entry of the chain lies: in a record's folder, or beside a note."""
    record, notes, number = entry.partition(f"/{NOTES}/")
    return f"{record}/{NOTES}/{number}.{ATTESTATION}" if notes else f"{entry}/{ATTESTATION}"


def entries_of(store: Store, records: Iterable[str]) -> Iterator[str]:
    """The entries of the chain that lie in these folders: each with an attestation, and the notes that have one."""
    ending = f".{ATTESTATION}"
    for record in records:
        for name in store.files(record):
            if name == ATTESTATION:
                yield record
            elif name.startswith(f"{NOTES}/") and name.endswith(ending) and name.count("/") == 1:
                yield f"{record}/{name[: -len(ending)]}"


def read_ends(store: Store, signer: Signer, now: str) -> Ends:
    """The heads of a store, with what there is to doubt when this signer signs them next.

    :raises OperationError: when the store cannot be read
    """
    content, mark = store.versioned(HEADS)
    if content is None:
        # Of the very first records nobody could have written it yet: they follow nothing, and are still being chained.
        # In this order: one that has its attestation has its note too, or is done, and then the swap that follows fails.
        attested = _attestations(store)
        begun = {file.partition(".")[0] for file in store.files(PENDING)}
        found = [one for one in attested if one.follows or one.digest not in begun]
        return Ends(Heads(ends_of(found)).doubted(Doubt(now, REBUILT, "it was missing")) if found else Heads(), mark)
    try:
        attestation = read_attestation(content)
        heads = heads_of(attestation)
        doubt = _doubt(store, attestation, signer, now)
    except ValueError as error:
        return Ends(Heads(ends_of(_attestations(store))).doubted(Doubt(now, REBUILT, str(error))), mark)
    return Ends(heads.doubted(doubt) if doubt else heads, mark)


def add_entry(store: Store, signer: Signer, entry: Link, follows: Iterable[Link], now: Callable[[], str]) -> Heads:
    """Make an entry one of the heads, in place of what it follows. Others may do the same meanwhile.

    :raises OperationError: when the store cannot be read or written
    """
    followed = tuple(follows)
    for _try in range(MOST_TRIES):
        ends = read_ends(store, signer, now())
        heads = ends.heads.with_entry(entry, followed)
        if store.swap(HEADS, ends.mark, attest(heads_statement(heads, now()), signer)):
            return heads
    raise OperationError("chain a record", entry.id, f"others wrote {HEADS} {MOST_TRIES} times meanwhile",
                         "Seal again: python -m opsbook records seal.")


def _attestations(store: Store) -> list[Attestation]:
    """Those of all entries. One that cannot be read is left out here; `verify` names it."""
    found = []
    for entry in entries_of(store, store.ids()):
        try:
            found.append(read_attestation(store.read(attestation_path(entry))))
        except (ValueError, OperationError):
            continue
    return found


def _doubt(store: Store, attestation: Attestation, signer: Signer, now: str) -> Doubt | None:
    """What a new signature must not hide: that an older one is missing, is another's, or does not hold.

    :raises ValueError: when the file was signed and its signature does not hold
    """
    if isinstance(signer, Unsigned):
        return None
    if attestation.unsigned:
        return Doubt(now, WAS_UNSIGNED, attestation.unsigned)
    from ..signing.keys import is_signed_by, keyid_of

    keyid = attestation.signatures[0]["keyid"]
    pem = signer.key.public_pem if keyid == signer.key.keyid else _kept_key(store, keyid)
    if pem is None or keyid_of(pem) != keyid:
        raise ValueError(f"it was signed with key {keyid}, which is not kept beside the records")
    if not is_signed_by(pem, PAYLOAD_TYPE, attestation.payload, attestation.signatures[0]["sig"]):
        raise ValueError("its signature does not hold")
    return None if keyid == signer.key.keyid else Doubt(now, OTHER_KEY, keyid)


def _kept_key(store: Store, keyid: str) -> str | None:
    if not keyid.isalnum():
        return None
    try:
        return store.read(f"{KEYS}/{keyid}.pem").decode("ascii", "replace")
    except Missing:
        return None
