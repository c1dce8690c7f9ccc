"""`python -m opsbook verify`: whether records are as they were sealed, and who vouches for them."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.inspection import Inspected, inspect
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.sealing import open_store
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.signers import SHORT, key_from
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.verification import ALTERED, Fault, Seen, examine
from opsbook.runner.settings import current_settings

VERIFIED, WRONG, USAGE, NOT_VOUCHED = 0, 1, 2, 3

EPILOG = """exit status: 0 all is as it was sealed and signed by a key that is vouched for; 1 something was altered, removed,
added, renamed or reordered; 2 wrong usage, or the store cannot be read; 3 nothing is known to be wrong, and not all is
vouched for (unsigned, unknown key, not sealed)"""


@dataclass(frozen=True)
class Judged:
    """What `verify` found.

    :param entries: the entries that were asked for
    :param faults: what does not stand up about them
    :param heads: the ends of the chain, id and digest
    :param note: what else is to be said about the keys
    """

    entries: tuple[Seen, ...]
    faults: tuple[Fault, ...]
    heads: tuple[tuple[str, str], ...]
    note: str = ""

    @property
    def status(self) -> int:
        """The exit status."""
        if any(fault.wrong for fault in self.faults):
            return WRONG
        return NOT_VOUCHED if self.faults else VERIFIED


def add_command(commands: Any) -> None:
    """Add `verify`."""
    command = commands.add_parser("verify", help="say what of the records was altered, removed, added or reordered",
                                  description=__doc__, epilog=EPILOG)
    command.add_argument("records", nargs="*", metavar="RECORD", help="a record's id or folder; without any: all")
    command.add_argument("--record-dir", metavar="DIR", help="where records are kept, a folder or s3://bucket/prefix")
    command.add_argument("--key", action="append", default=[], metavar="PUB",
                         help="a file with a public key that is vouched for; without any: the configured signing key's")
    command.add_argument("--head", action="append", default=[], metavar="SHA256", type=_digest,
                         help="an attestation's digest, or its first 12 digits, that was kept elsewhere: it must be there")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=_run)


def _digest(said: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{12,64}", said):
        raise argparse.ArgumentTypeError("give 12 to 64 hexadecimal digits")
    return said.lower()


def _run(options: argparse.Namespace) -> int:
    try:
        address, names = place_of(options.records, options.record_dir)
        judged = verify(address, names, options.key, options.head)
    except (OperationError, OSError) as error:
        print(error, file=sys.stderr)
        return USAGE
    print(json.dumps(_as_dict(judged), indent=1) if options.json else "\n".join(_lines(judged)))
    return judged.status


def place_of(records: Sequence[str], record_dir: str | None) -> tuple[str, list[str]]:
    """The store and the ids that records are meant by: ids in a store, or paths of folders that lie in one.

    :raises OperationError: when they lie in several
    """
    folders = {str(Path(record).parent) for record in records if "/" in record.rstrip("/")}
    if folders and (len(folders) > 1 or record_dir):
        raise OperationError("verify records", ", ".join(records), "they lie in several places",
                             "Verify one place after another.")
    address = record_dir or next(iter(folders), "") or str(current_settings().record_dir)
    return address, [record.rstrip("/").rpartition("/")[2] for record in records]


def verify(address: str, names: Sequence[str], keys: Sequence[str], heads: Sequence[str]) -> Judged:
    """Read a store and judge it.

    :param names: ids of records; none: all of them
    :param keys: files with public keys that are vouched for
    :raises OperationError: when the store or a key cannot be read, or there is no such record
    """
    store = open_store(address)
    trusted, note = _trusted(keys)
    found = inspect(store, trusted, set(names) or None)
    faults = [*examine(found.entries, found.ends, heads, found.trusted),
              *(Fault(f".keys/{keyid}.pem", ALTERED, why) for keyid, why in sorted(found.damaged_keys.items()))]
    chosen = _chosen(found, faults, names, store.address)
    links = tuple((link.id, link.sha256) for link in (found.ends.heads.links if found.ends.heads else ()))
    return Judged(chosen, tuple(fault for fault in faults if _concerns(fault, names)), links, note)


def _trusted(keys: Sequence[str]) -> tuple[list[str], str]:
    """The public keys that are vouched for, and why there is none where there is none."""
    if keys:
        return [Path(key).read_text(encoding="ascii", errors="replace") for key in keys], ""
    reference = current_settings().signing_key
    if not reference:
        return [], "no key is vouched for: give --key, or configure a signing key"
    try:
        return [key_from(reference, os.environ).public_pem], ""
    except OperationError as error:
        return [], f"no key is vouched for: give --key. {error}"


def _chosen(found: Inspected, faults: Sequence[Fault], names: Sequence[str], address: str) -> tuple[Seen, ...]:
    known = {seen.id for seen in found.entries} | {fault.entry for fault in faults}
    absent = [name for name in names if name not in known]
    if absent:
        raise OperationError("verify records", ", ".join(absent), f"there is no such record in {address}",
                             "See python -m opsbook records.")
    if not names and not found.entries and not faults:
        raise OperationError("verify records", address, "there are no records", "Give --record-dir.")
    return tuple(seen for seen in found.entries if not names or _record(seen.id) in names)


def _concerns(fault: Fault, names: Sequence[str]) -> bool:
    """Whether a fault is about the records that were asked for, or the store as a whole."""
    whole = fault.entry.startswith((".", "attestation "))
    return not names or whole or any(_record(one) in names for one in (fault.entry, *fault.named_by))


def _record(entry: str) -> str:
    return entry.partition("/")[0]


def _lines(judged: Judged) -> list[str]:
    """A line a record, a line a fault, and at the end what to make of it."""
    by_entry: dict[str, list[Fault]] = {seen.id: [] for seen in judged.entries}
    for fault in judged.faults:
        by_entry.setdefault(fault.entry, []).append(fault)
    seen = {one.id: one for one in judged.entries}
    lines = []
    for entry, faults in by_entry.items():
        lines.append(f"{_plain(entry)}  {_state(faults)}{_signed(seen.get(entry))}")
        lines += [f"    {fault.kind}: {_plain(fault.what)}" for fault in faults]
    ends = ", ".join(f"{_plain(entry)} {digest[:SHORT]}" for entry, digest in judged.heads)
    said = [f"End of the chain: {ends}" if ends else "", judged.note, _verdict(judged)]
    return [*lines, *(line for line in said if line)]


def _state(faults: Sequence[Fault]) -> str:
    if any(fault.wrong for fault in faults):
        return "NOT AS IT WAS SEALED"
    return "not vouched for" if faults else "verified"


def _signed(seen: Seen | None) -> str:
    if seen is None or seen.attestation is None:
        return ""
    files = f", {len(seen.files)} files" if seen.files is not None else ""
    key = f", key {seen.signature.keyid[:SHORT]}" if seen.signature.keyid else ""
    return f"  sealed {seen.attestation.link.sealed[:19]}Z{files}{key}"


def _verdict(judged: Judged) -> str:
    wrong = sum(fault.wrong for fault in judged.faults)
    count = f"{len(judged.entries)} {'entry' if len(judged.entries) == 1 else 'entries'}"
    if wrong:
        return f"{count}: {wrong} {'fault' if wrong == 1 else 'faults'}"
    if judged.faults:
        return f"{count}: nothing is known to be wrong, and not all is vouched for"
    return f"{count}: all verified"


def _plain(said: str) -> str:
    """Text on one line without what would move a terminal's cursor: names of files are anybody's."""
    return said if said.isprintable() else json.dumps(said)


def _as_dict(judged: Judged) -> dict[str, Any]:
    return {
        "status": judged.status, "verdict": _verdict(judged), "note": judged.note,
        "heads": [{"id": entry, "sha256": digest} for entry, digest in judged.heads],
        "records": [{"id": seen.id, "sha256": seen.attestation.digest if seen.attestation else None,
                     "sealed": seen.attestation.link.sealed if seen.attestation else None,
                     "keyid": seen.signature.keyid or None, "files": len(seen.files or ())} for seen in judged.entries],
        "faults": [asdict(fault) for fault in judged.faults],
    }
