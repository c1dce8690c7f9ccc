# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a store's records, as they were found, say of each other: altered, removed, added, renamed, reordered. Pure.

A fault that is `wrong` means that something is not as it was sealed. Another means that nothing is known to be wrong, and
not all is vouched for: no signature, a key that nobody vouches for, a record that was never sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .attestation import ATTESTATION, NOTE_PREDICATE, RECORD_PREDICATE, Attestation, Link
from .chain import HEADS, OTHER_KEY, REBUILT, WAS_UNSIGNED, Doubt, Heads
from .ends import NOTES

ALTERED, REMOVED, ADDED, RENAMED, REORDERED = "altered", "removed", "added", "renamed", "reordered"
INVALID_SIGNATURE, UNSIGNED, UNKNOWN_KEY, UNSEALED, UNCERTAIN = (
    "invalid signature", "unsigned", "unknown key", "not sealed", "uncertain")


@dataclass(frozen=True)
class Fault:
    """Something that does not stand up.

    :param entry: of the chain, or a file of the store
    :param kind: altered, removed ...
    :param what: the file, or what is known
    :param wrong: whether something is not as it was sealed
    :param named_by: the entries that say so
    """

    entry: str
    kind: str
    what: str
    wrong: bool = True
    named_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signature:
    """What a signature is worth.

    :param fault: kind of fault; empty where a key holds that somebody vouches for
    :param keyid: of the key it names
    :param what: in words
    """

    fault: str = ""
    keyid: str = ""
    what: str = ""


@dataclass(frozen=True)
class Seen:
    """An entry of the chain as it lies in the store.

    :param id: where it lies: a folder, or `<record>/notes/<number>`
    :param attestation: None where there is none or it cannot be read
    :param damage: why it cannot be read; empty where there is none
    :param files: SHA-256 of the plain files by name; None when they were not looked at
    :param strange: what else lies there, and what it is
    """

    id: str
    attestation: Attestation | None = None
    damage: str = ""
    signature: Signature = field(default_factory=Signature)
    files: Mapping[str, str] | None = None
    strange: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_note(self) -> bool:
        """Whether it was added to a record by a person."""
        return f"/{NOTES}/" in self.id


@dataclass(frozen=True)
class Ends:
    """The file of the heads as it lies in the store.

    :param heads: None where there is no file or it cannot be read
    :param damage: why it cannot be read
    :param pending: digests of attestations whose sealing was cut off before they became heads
    """

    heads: Heads | None = None
    damage: str = ""
    signature: Signature = field(default_factory=Signature)
    pending: frozenset[str] = frozenset()


def examine(
    entries: Sequence[Seen], ends: Ends, kept_elsewhere: Iterable[str] = (), trusted: Iterable[str] = ()
) -> list[Fault]:
    """All that does not stand up, in the order of the entries.

    :param entries: all of the store
    :param kept_elsewhere: digests of attestations, or their first digits, that must be there
    :param trusted: ids of keys that are vouched for
    """
    faults = [fault for seen in entries for fault in [*_alone(seen), *_files(seen)]]
    faults += [*_links(entries, ends), *_order(entries), *_note_bindings(entries)]
    faults += [*_ends(entries, ends, frozenset(trusted)), *_kept(entries, kept_elsewhere)]
    return sorted(faults, key=lambda one: (one.entry.startswith("."), one.entry, not one.wrong, one.kind, one.what))


def _alone(seen: Seen) -> list[Fault]:
    """What an entry's own attestation says against it."""
    name = f"{seen.id.rpartition('/')[2]}.{ATTESTATION}" if seen.is_note else ATTESTATION
    if seen.damage:
        return [Fault(seen.id, ALTERED, f"{name}: {seen.damage}")]
    if seen.attestation is None:
        return _unsealed(seen)
    faults = []
    if seen.signature.fault:
        faults.append(Fault(seen.id, seen.signature.fault, seen.signature.what, seen.signature.fault == INVALID_SIGNATURE))
    if seen.attestation.statement["predicateType"] != (NOTE_PREDICATE if seen.is_note else RECORD_PREDICATE):
        faults.append(Fault(seen.id, ALTERED, f"{name}: it is about something else"))
    elif seen.attestation.link.id != seen.id:
        faults.append(Fault(seen.id, RENAMED, f"its attestation is that of {seen.attestation.link.id}"))
    return faults


def _unsealed(seen: Seen) -> list[Fault]:
    """A record or a note without an attestation; anything else among the notes has no business there."""
    place, _slash, number = seen.id.rpartition("/")
    if seen.is_note and not (number.isdigit() and set(seen.files or ()) <= {f"{number}.json"} and not seen.strange):
        return [Fault(place.rpartition("/")[0], ADDED, f"{NOTES}/{name}") for name in [*(seen.files or ()), *seen.strange]]
    if seen.is_note:
        return [Fault(seen.id, UNSEALED, "its writing was cut off before it was sealed: append it again", wrong=False)]
    return [Fault(seen.id, UNSEALED, "it has no attestation: it is under way, was cut off, or is older than they are. "
                  "python -m opsbook records seal", wrong=False)]


def _files(seen: Seen) -> list[Fault]:
    """The files against what the attestation names."""
    if seen.attestation is None or seen.files is None:
        return []
    sealed = seen.attestation.subjects
    faults = [Fault(seen.id, ALTERED, name) for name in sealed if name in seen.files and seen.files[name] != sealed[name]]
    faults += [Fault(seen.id, ALTERED, f"{name}: it is {seen.strange[name]} now") for name in sealed if name in seen.strange]
    faults += [Fault(seen.id, REMOVED, name) for name in sealed if name not in seen.files and name not in seen.strange]
    faults += [Fault(seen.id, ADDED, name) for name in seen.files if name not in sealed]
    return faults + [Fault(seen.id, ADDED, f"{name}: {kind}") for name, kind in seen.strange.items() if name not in sealed]


def _links(entries: Sequence[Seen], ends: Ends) -> list[Fault]:
    """What others follow, and what the heads name, against what is there."""
    by_id = {seen.id: seen for seen in entries}
    by_digest = {seen.attestation.digest: seen.id for seen in reversed(entries) if seen.attestation is not None}
    claims: dict[Link, list[str]] = {}
    for seen in entries:
        for link in seen.attestation.follows if seen.attestation else ():
            claims.setdefault(Link(link.id, link.sha256), []).append(seen.id)
    for link in ends.heads.links if ends.heads else ():
        claims.setdefault(Link(link.id, link.sha256), []).append(HEADS)
    found = []
    for link, names in claims.items():
        kind, what = _claim(link, by_id.get(link.id), by_digest.get(link.sha256))
        if kind:
            found.append(Fault(link.id, kind, f"{what} (named by {', '.join(names[:3])}"
                               f"{f' and {len(names) - 3} more' if len(names) > 3 else ''})", named_by=tuple(names)))
    return found


def _claim(link: Link, there: Seen | None, elsewhere: str | None) -> tuple[str, str]:
    """What is amiss with an entry that others name; empty where it is as they say."""
    if there is not None and there.attestation is not None and there.attestation.digest == link.sha256:
        return "", ""
    if elsewhere is not None:
        return RENAMED, f"it lies in {elsewhere} now"
    if there is None:
        return REMOVED, "all of it"
    if there.damage:
        return "", ""  # That it cannot be read is said already.
    if there.attestation is None:
        return REMOVED, ATTESTATION
    return ALTERED, f"{ATTESTATION}: it is another than was sealed"


def _order(entries: Sequence[Seen]) -> list[Fault]:
    """Nothing is sealed before what it follows."""
    by_digest = {seen.attestation.digest: seen.attestation for seen in entries if seen.attestation is not None}
    faults = []
    for seen in entries:
        for link in seen.attestation.follows if seen.attestation else ():
            before = by_digest.get(link.sha256)
            if before is not None and seen.attestation and before.link.sealed > seen.attestation.link.sealed:
                faults.append(Fault(seen.id, REORDERED, f"it says that it was sealed before {link.id}, which it follows"))
    return faults


def _note_bindings(entries: Sequence[Seen]) -> list[Fault]:
    """What a person added belongs to the record as it was then."""
    by_id = {seen.id: seen.attestation for seen in entries}
    faults = []
    for seen in entries:
        if not seen.is_note or seen.attestation is None or seen.attestation.statement["predicateType"] != NOTE_PREDICATE:
            continue
        record = by_id.get(seen.id.partition(f"/{NOTES}/")[0])
        meant = seen.attestation.predicate.get("record")
        if record is None or not isinstance(meant, Mapping) or meant.get("sha256") != record.digest:
            faults.append(Fault(seen.id, ALTERED, "it was added to another record than this"))
    return faults


def _ends(entries: Sequence[Seen], ends: Ends, trusted: frozenset[str]) -> list[Fault]:
    """The heads against the entries: what nobody follows must be one of them, or the end was put back."""
    sealed = [seen.attestation for seen in entries if seen.attestation is not None]
    if ends.heads is None:
        if ends.damage:
            return [Fault(HEADS, ALTERED, ends.damage)]
        begun = [one for one in sealed if one.follows or one.digest not in ends.pending]
        return [Fault(HEADS, REMOVED, "whether the newest records are there cannot be told without it")] if begun else []
    faults = [_doubted(doubt) for doubt in ends.heads.doubts if doubt.what != OTHER_KEY or doubt.detail not in trusted]
    if ends.signature.fault:
        faults.append(Fault(HEADS, ends.signature.fault, ends.signature.what, ends.signature.fault == INVALID_SIGNATURE))
    followed = {link.sha256 for one in sealed for link in one.follows} | {link.sha256 for link in ends.heads.links}
    if followed - {one.digest for one in sealed} or any(seen.damage for seen in entries):
        return faults  # What is gone or damaged is said already, and may be what followed the others.
    for seen in entries:
        if seen.attestation is None or seen.attestation.digest in followed:
            continue
        if seen.attestation.digest in ends.pending:
            faults.append(Fault(seen.id, UNCERTAIN, "its sealing was cut off; the next one finishes it", wrong=False))
        else:
            faults.append(Fault(seen.id, ALTERED, f"{HEADS} does not name it, and nothing follows it: one of them was put "
                                "back or replaced", named_by=(HEADS,)))
    return faults


def _doubted(doubt: Doubt) -> Fault:
    said = {
        REBUILT: f"found anew at {doubt.time} ({doubt.detail}): newest records that were removed before are not noticed",
        WAS_UNSIGNED: f"nobody had signed it until {doubt.time} ({doubt.detail})",
        OTHER_KEY: f"signed with key {doubt.detail} until {doubt.time}, which nobody vouches for",
    }
    return Fault(HEADS, UNCERTAIN, said.get(doubt.what, f"{doubt.what}: {doubt.detail}"), wrong=False)


def _kept(entries: Sequence[Seen], digests: Iterable[str]) -> list[Fault]:
    """Attestations whose digests somebody kept elsewhere."""
    there = [seen.attestation.digest for seen in entries if seen.attestation is not None]
    return [Fault(f"attestation {digest}", REMOVED, "no record here has it: it was removed or altered after it was sealed")
            for digest in digests if not any(one.startswith(digest.lower()) for one in there)]
