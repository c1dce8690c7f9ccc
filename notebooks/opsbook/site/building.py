"""Reads a store of records and writes the index."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.parallel import map_parallel
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.attestation import ATTESTATION, read_attestation
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.notes import notes_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import PAGE, RECORD
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record_store import PLAIN, FolderStore, Store
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.signers import SHORT
from opsbook.site.page import render
from opsbook.site.rows import Row, row_of

INDEX = "index.html"
PAGES = "records"


@dataclass(frozen=True)
class Built:
    """What was written.

    :param unread: records that are not in the index, and why
    """

    path: Path
    records: int
    unread: Mapping[str, str] = field(default_factory=dict)


def build(store: Store, output: Path) -> Built:
    """Write the index of a store's records.

    :raises OperationError: when the store cannot be read
    :raises OSError: when the index cannot be written
    """
    output.mkdir(parents=True, exist_ok=True)
    prefix = _beside(store, output)
    done = map_parallel(lambda record: _row(store, record, output, prefix), store.ids())
    unread = {one.item: one.error.reason for one in done if one.error is not None}
    rows = sorted((one.answer for one in done if one.answer is not None), key=lambda row: (-(row.started or 0), row.id))
    page = render(rows, store.address, unread, datetime.now(UTC))
    path = output / INDEX
    FolderStore(output).write(INDEX, page.encode("utf-8", "backslashreplace"))
    return Built(path, len(rows), unread)


def _beside(store: Store, output: Path) -> str | None:
    """What leads from the index to the folder of records; None where they lie apart, or in S3."""
    if not isinstance(store, FolderStore):
        return None
    records, place = Path(store.address).resolve(), output.resolve()
    if records in (place, *place.parents) or place.parent == records.parent:
        return quote(os.path.relpath(records, place).replace(os.sep, "/"))
    return None


def _row(store: Store, record: str, output: Path, prefix: str | None) -> Row | None:
    """The row of a record; None for a run that has none yet.

    :raises OperationError: when it cannot be read
    """
    files = store.files(record)
    if files.get(RECORD) != PLAIN:
        return None
    try:
        found = json.loads(store.read(f"{record}/{RECORD}"))
    except ValueError as error:
        raise OperationError("read a record", record, f"{RECORD} is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise OperationError("read a record", record, f"{RECORD} is no object")
    link = _link(store, record, output, prefix) if files.get(PAGE) == PLAIN else ""
    return row_of(record, found, notes_of(store, record, files), _seal(store, record, files), link)


def _link(store: Store, record: str, output: Path, prefix: str | None) -> str:
    """The address of a record's page; it is copied where the index lies elsewhere."""
    if prefix is not None:
        return f"{prefix}/{quote(record)}/{PAGE}"
    FolderStore(output).write(f"{PAGES}/{record}/{PAGE}", store.read(f"{record}/{PAGE}"))
    return f"{PAGES}/{quote(record)}/{PAGE}"


def _seal(store: Store, record: str, files: Mapping[str, str]) -> str:
    """What the attestation says of itself; whether that holds is `verify`'s to say."""
    if files.get(ATTESTATION) != PLAIN:
        return "not sealed"
    try:
        attestation = read_attestation(store.read(f"{record}/{ATTESTATION}"))
    except (OperationError, ValueError):
        return "its seal cannot be read"
    if attestation.unsigned:
        return f"sealed {attestation.digest[:SHORT]}, not signed"
    return f"sealed {attestation.digest[:SHORT]}, key {attestation.signatures[0]['keyid'][:SHORT]}"
