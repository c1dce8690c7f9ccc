# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads a store for `verification`: attestations of all entries, and the files of those that are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Callable, Protocol

from ..core.errors import Missing, OperationError
from ..core.parallel import map_parallel
from .attestation import ATTESTATION, Attestation, read_attestation
from .chain import HEADS, KEYS, PENDING, heads_of
from .ends import NOTES, attestation_path
from .record_store import PLAIN, Store
from .signers import SHORT
from .verification import INVALID_SIGNATURE, UNKNOWN_KEY, UNSIGNED, Ends, Seen, Signature

WORKERS = 8


class Checker(Protocol):
    """Says what signatures are worth, as `signing/checking` does."""

    def check(self, content: bytes) -> tuple[str, str]:
        """A state, and the id of the key that the signature names."""


@dataclass(frozen=True)
class Inspected:
    """A store as it was found.

    :param entries: all entries of the chain, and what lies beside them
    :param damaged_keys: public keys beside the records that are not what their names say, and why
    :param trusted: ids of the keys that are vouched for
    """

    entries: tuple[Seen, ...]
    ends: Ends
    damaged_keys: Mapping[str, str]
    trusted: tuple[str, ...]


def inspect(store: Store, trusted: Iterable[str], chosen: Collection[str] | None = None) -> Inspected:
    """Read a store.

    :param trusted: public keys, PEM, that somebody vouches for
    :param chosen: records whose files are looked at too; None: all
    :raises OperationError: when the store cannot be read, or a trusted key is none
    """
    # Imported here: the library that checks takes half a second, and most of what imports this file does not check.
    from ..signing import checking

    checker = checking.Checker(trusted, _kept_keys(store))

    def look(record: str) -> list[Seen]:
        return _record(store, checker, record, chosen is None or record in chosen)

    found = _look_at(store.ids(), look)
    ends = _ends(store, checker)
    looked: set[str] = set()
    # What was sealed while this read is named by what was read later: it is looked at too, or it would seem to be gone.
    while late := (_named_and_not_seen(found, ends) & set(store.ids())) - looked:
        found |= _look_at(sorted(late), look)
        looked |= late
    entries = [seen for record in sorted(found) for seen in found[record]]
    return Inspected(tuple(entries), ends, checker.damaged, tuple(checker.trusted))


def _look_at(records: Iterable[str], look: Callable[[str], list[Seen]]) -> dict[str, list[Seen]]:
    """The entries of each record."""
    return {one.item: _answer(one.item, one.answer, one.error) for one in map_parallel(look, records, WORKERS)}


def _named_and_not_seen(found: Mapping[str, list[Seen]], ends: Ends) -> set[str]:
    """Records that the heads or other entries name by a digest that was not seen."""
    attestations = [seen.attestation for entries in found.values() for seen in entries if seen.attestation is not None]
    digests = {attestation.digest for attestation in attestations}
    links = [link for attestation in attestations for link in attestation.follows]
    links += ends.heads.links if ends.heads else ()
    return {link.id.partition("/")[0] for link in links if link.sha256 not in digests}


def _answer(record: str, answer: list[Seen] | None, error: OperationError | None) -> list[Seen]:
    """What was seen; what could not be read is damaged, never absent."""
    return [Seen(record, damage=error.message())] if error is not None else answer or []


def _kept_keys(store: Store) -> dict[str, str]:
    ending = ".pem"
    return {name[: -len(ending)]: store.read(f"{KEYS}/{name}").decode("ascii", "replace")
            for name, kind in store.files(KEYS).items() if kind == PLAIN and name.endswith(ending)}


def _record(store: Store, checker: Checker, record: str, whole: bool) -> list[Seen]:
    """A record's entry, and those of its notes."""
    files = store.files(record)
    own = {name: kind for name, kind in files.items() if not name.startswith(f"{NOTES}/")}
    beside = {name[len(NOTES) + 1:]: kind for name, kind in files.items() if name.startswith(f"{NOTES}/")}
    numbers = {name.partition(".")[0] for name in beside}
    seen = [_entry(store, checker, record, own, "", whole)]
    for number in sorted(numbers):
        mine = {name: kind for name, kind in beside.items() if name.partition(".")[0] == number}
        seen.append(_entry(store, checker, f"{record}/{NOTES}/{number}", mine, f"{number}.", whole))
    return seen


def _entry(
    store: Store, checker: Checker, entry: str, files: Mapping[str, str], mark: str, whole: bool,
) -> Seen:
    """One entry; its attestation is not among its files.

    :param mark: what the name of its attestation begins with
    """
    own = f"{mark}{ATTESTATION}"
    place = attestation_path(entry).rpartition("/")[0]
    plain = [name for name, kind in files.items() if kind == PLAIN and name != own]
    strange = {name: kind for name, kind in files.items() if kind != PLAIN and name != own}
    if own not in files:
        # A run that is under way writes at this moment: what its files are is nobody's claim yet.
        return Seen(entry, files=dict.fromkeys(plain, ""), strange=strange)
    digests = _digests(store, place, plain) if whole else None
    attestation, signature, damage = _attestation(store, checker, attestation_path(entry))
    return Seen(entry, attestation, damage, signature, digests, strange if whole else {})


def _digests(store: Store, place: str, names: Iterable[str]) -> dict[str, str]:
    """The digests of files; one that is gone since they were listed is not there."""
    found = {}
    for name in names:
        with suppress(Missing):
            found[name] = store.digest(f"{place}/{name}")
    return found


def _attestation(
    store: Store, checker: Checker, path: str
) -> tuple[Attestation | None, Signature, str]:
    """An attestation, what its signature is worth, and why it cannot be read."""
    try:
        content = store.read(path)
        attestation = read_attestation(content)
    except OperationError as error:
        return None, Signature(), error.reason
    except ValueError as error:
        return None, Signature(), str(error)
    if attestation.unsigned:
        return attestation, Signature(UNSIGNED, what=attestation.unsigned), ""
    return attestation, _signature(*checker.check(content)), ""


def _signature(state: str, keyid: str) -> Signature:
    short = keyid[:SHORT]
    return {
        "trusted": Signature(keyid=keyid),
        "unvouched": Signature(UNKNOWN_KEY, keyid, f"signed with key {short}, which nobody vouches for: --key"),
        "unknown": Signature(UNKNOWN_KEY, keyid, f"signed with key {short}, whose public half is not kept here: --key"),
        "invalid": Signature(INVALID_SIGNATURE, keyid, f"the signature with key {short} does not hold"),
    }[state]


def _ends(store: Store, checker: Checker) -> Ends:
    pending = frozenset(name.partition(".")[0] for name in store.files(PENDING))
    if store.versioned(HEADS)[0] is None:
        return Ends(pending=pending)
    attestation, signature, damage = _attestation(store, checker, HEADS)
    if attestation is None:
        return Ends(None, damage, pending=pending)
    try:
        return Ends(heads_of(attestation), "", signature, pending)
    except ValueError as error:
        return Ends(None, str(error), signature, pending)
