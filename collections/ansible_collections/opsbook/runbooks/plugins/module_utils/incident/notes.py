# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people add to a record afterwards: the root cause, what is to be done. Each is an entry of the chain of its own.

Nothing that is sealed changes: a note is `notes/<number>.json` in the record's folder, beside its own attestation, which
names the record's as it was then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import Missing, OperationError, Refused
from .attestation import ATTESTATION, note_statement, read_attestation, sha256
from .ends import NOTES, attestation_path, read_ends
from .record_store import PLAIN, Store
from .sealing import finish_pending, now, transfer
from .signers import Signer, attest

SCHEMA = "opsbook.note/1"

MOST = 9999


def append_note(
    store: Store, record: str, operator: str, text: str, signer: Signer,
    root_cause: str = "", actions: Sequence[str] = (),
) -> str:
    """Add a note to a sealed record.

    :param operator: who writes it
    :param actions: what is to be done, one sentence each
    :returns: its entry, `<record>/notes/<number>`
    :raises Refused: for a note without text, or a record that is not sealed
    :raises OperationError: when the store cannot be read or written
    """
    if not text.strip():
        raise Refused("add a note to a record", record, "it says nothing", "Give --text.")
    link = _sealed_record(store, record)
    note = {"schema": SCHEMA, "record": record, "time": now(), "operator": operator, "text": text,
            "root_cause": root_cause, "actions": list(actions)}
    content = (json.dumps(note, indent=1, sort_keys=True) + "\n").encode()
    entry = _create(store, record, content)
    finish_pending(store, signer)
    follows = read_ends(store, signer, now()).heads.links
    name = f"{entry.rpartition('/')[2]}.json"
    said = note_statement(entry, link, operator, {name: sha256(content)}, follows, now())
    transfer(store, store, entry, attest(said, signer), signer)
    return entry


def notes_of(store: Store, record: str, files: Mapping[str, str]) -> list[dict[str, Any]]:
    """The notes of a record, oldest first; one that cannot be read says so instead.

    :param files: what lies in the record's folder, as `Store.files` tells it
    """
    names = [name for name, kind in files.items() if kind == PLAIN and name.startswith(f"{NOTES}/")
             and name.endswith(".json") and not name.endswith(ATTESTATION)]
    return [_read(store, f"{record}/{name}") for name in sorted(names)]


def _read(store: Store, path: str) -> dict[str, Any]:
    try:
        note = json.loads(store.read(path))
        if not isinstance(note, dict):
            raise ValueError("it is no object")
    except (OperationError, ValueError) as error:
        return {"text": f"{path} cannot be read: {error}"}
    return note


def _sealed_record(store: Store, record: str) -> Any:
    if not record or "/" in record or record.startswith("."):
        raise Refused("add a note to a record", record, "that is no record's id", "See python -m opsbook records.")
    try:
        return read_attestation(store.read(attestation_path(record))).link
    except Missing as error:
        raise Refused("add a note to a record", record, f"there is no sealed record of that id in {store.address}",
                      "See python -m opsbook records; a record of a run that was killed: python -m opsbook records seal."
                      ) from error
    except ValueError as error:
        raise Refused("add a note to a record", record, f"its attestation cannot be read: {error}",
                      "See python -m opsbook verify.") from error


def _create(store: Store, record: str, content: bytes) -> str:
    """Write the note under the next number that is free; others may do the same meanwhile."""
    taken = [name.partition("/")[2].partition(".")[0] for name in store.files(record) if name.startswith(f"{NOTES}/")]
    first = max([0, *(int(number) for number in taken if number.isdigit())]) + 1
    for number in range(first, MOST):
        entry = f"{record}/{NOTES}/{number:04}"
        if store.create(f"{entry}.json", content):
            return entry
    raise OperationError("add a note to a record", record, f"it has {MOST} notes")
