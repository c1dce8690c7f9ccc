# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifest beside a dump: what the dump holds, counted in the dump's own snapshot."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .dump_extras import Extras, extras_of
from .table_contents import Contents, contents_of

MANIFEST_VERSION = 1
_PLAIN = ("database", "format", "server_version", "tool_version", "encoding", "collate", "ctype")


@dataclass(frozen=True)
class File:
    """A file of a dump.

    :param path: relative to the dump; empty where the dump is a single file
    """

    path: str
    size: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """The file as plain data."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256}


@dataclass(frozen=True)
class Manifest:
    """What a dump holds, as counted in the dump's own snapshot.

    :param server_version: as the server numbers it (180006)
    :param tool_version: pg_dump's ("18.6")
    :param started: when its snapshot was taken
    :param extensions: those that it creates
    :param collate: the database's LC_COLLATE
    :param ctype: the database's LC_CTYPE
    :param warnings: what pg_dump said although it ended well
    :param database_size: bytes of the database with its indexes; None in manifests of before it was written down
    :param extras: what there is beside the rows of tables; None likewise
    """

    database: str
    format: str
    server_version: int
    tool_version: str
    started: datetime
    ended: datetime
    files: tuple[File, ...]
    tables: tuple[Contents, ...]
    extensions: tuple[str, ...]
    encoding: str
    collate: str
    ctype: str
    warnings: tuple[str, ...] = ()
    database_size: int | None = None
    extras: Extras | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest as it is written."""
        return hashlib.sha256(self.as_text().encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def has_checksums(self) -> bool:
        """Whether the contents of all tables were added up, not only their rows counted."""
        return all(table.checksum is not None for table in self.tables)

    def as_text(self) -> str:
        """The manifest as it is written."""
        parts = {"files": [file.as_dict() for file in self.files], "tables": [table.as_dict() for table in self.tables],
                 "started": self.started.isoformat(), "ended": self.ended.isoformat(), "size": self.size}
        kept = {name: getattr(self, name) for name in _PLAIN}
        # An older manifest keeps its digest, and with it its proof.
        more = {"database_size": self.database_size, "extras": self.extras.as_dict() if self.extras else None}
        return json.dumps({"opsbook_manifest": MANIFEST_VERSION, **kept, **parts, "extensions": list(self.extensions),
                           "warnings": list(self.warnings),
                           **{name: value for name, value in more.items() if value is not None}}, indent=1) + "\n"


@dataclass(frozen=True)
class Proof:
    """That a dump was restored whole.

    :param manifest: the manifest's digest: a proof is of no other dump that bears the name later
    :param restored: when
    :param server: host, port and database of the server that did it
    """

    manifest: str
    restored: datetime
    server: str
    tables: int
    rows: int

    def as_text(self) -> str:
        """The proof as it is written."""
        return json.dumps({"opsbook_proof": MANIFEST_VERSION, **self.as_dict()}, indent=1) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """The proof as plain data."""
        return {"manifest": self.manifest, "restored": self.restored.isoformat(), "server": self.server,
                "tables": self.tables, "rows": self.rows}


def read_proof(text: str) -> Proof | None:
    """A proof of ours, None for any other text."""
    try:
        given = json.loads(text)
        if given["opsbook_proof"] != MANIFEST_VERSION:
            return None
        return Proof(str(given["manifest"]), _moment(given["restored"]), str(given["server"]), int(given["tables"]),
                     int(given["rows"]))
    except (KeyError, TypeError, ValueError):
        return None


def read_manifest(text: str) -> Manifest | None:
    """A manifest of ours, None for any other text."""
    try:
        given = json.loads(text)
        if given["opsbook_manifest"] != MANIFEST_VERSION:
            return None
        return Manifest(
            **{name: given[name] for name in _PLAIN}, started=_moment(given["started"]), ended=_moment(given["ended"]),
            files=tuple(File(str(file["path"]), int(file["size"]), str(file["sha256"])) for file in given["files"]),
            tables=tuple(contents_of(table) for table in given["tables"]),
            extensions=tuple(given["extensions"]), warnings=tuple(given["warnings"]),
            database_size=None if given.get("database_size") is None else int(given["database_size"]),
            extras=None if given.get("extras") is None else extras_of(given["extras"]))
    except (KeyError, TypeError, ValueError):
        return None


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment
