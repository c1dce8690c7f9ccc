# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where dumps lie: a folder of this machine, or objects of an S3 bucket. What either can be asked to do.

In a bucket a dump is an object and its manifest another. What is fetched from there, and what is to go there, lies in a
local folder meanwhile, the workspace.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import Denied, Missing, OperationError, Refused
from ..core.permit import process_started
from ..core.run import Run
from .dump_files import (
    ABANDONED_AFTER,
    MANIFEST_SUFFIX,
    PARTIAL,
    PROOF_SUFFIX,
    Dump,
    Leftover,
    dumps_of,
    leftover_of,
    partial_name,
    plain_host,
    strangers_of,
)
from .dump_manifest import Manifest
from .local_files import explaining_files, keep_names, remove_local, size_of

DUMPS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "destination": {"type": "path"},
    "bucket": {"type": "str"},
    "prefix": {"type": "str", "default": ""},
    "workspace": {"type": "path"},
    "bin_dir": {"type": "path"},
}
"""Option specification of the modules that make and test dumps; documented in the fragment of the same name."""


@dataclass(frozen=True)
class Listing:
    """What lies in a place.

    :param sizes: names with their bytes, of a folder those of all files in it
    :param manifests: the texts of manifests by the name of their dump
    :param proofs: the texts of proofs, likewise
    """

    sizes: Mapping[str, int]
    manifests: Mapping[str, str]
    proofs: Mapping[str, str]

    def dumps(self, prefix: str) -> tuple[Dump, ...]:
        """The dumps of a prefix, newest first."""
        return dumps_of(prefix, self.sizes, self.manifests, self.proofs)

    def strangers(self, prefix: str) -> list[str]:
        """What begins like a dump of the prefix and is not named as one."""
        return strangers_of(prefix, self.sizes)


class Place(Protocol):
    """Where dumps are kept."""

    @property
    def where(self) -> str:
        """The place as resources and messages name it."""

    @property
    def workspace(self) -> Path:
        """The local folder in which dumps are made, or fetched to."""

    def listing(self, run: Run, prefix: str) -> Listing:
        """Everything that begins with the prefix, with the texts of manifests and proofs."""

    def publish(self, run: Run, made: Path, name: str, manifest: Manifest) -> None:
        """Put a finished dump under its name, then its manifest."""

    def note(self, name: str, text: str) -> None:
        """Write beside a dump that it was restored."""

    def remove(self, name: str) -> None:
        """Remove a dump, then what is written about it."""

    def fetch(self, run: Run, dump: Dump) -> Path:
        """A local path of a dump."""


def dumps_in(place: Place, run: Run, prefix: str) -> tuple[Dump, ...]:
    """The dumps of a prefix, newest first, good or not.

    :raises OperationError: when the place cannot be read
    """
    return place.listing(run, prefix).dumps(prefix)


@dataclass(frozen=True)
class Folder:
    """A folder of this machine. It is never created: where it is missing, a disk may not be mounted."""

    path: Path

    @property
    def where(self) -> str:
        """The place as resources and messages name it."""
        return str(self.path)

    @property
    def workspace(self) -> Path:
        """Dumps are made in the same folder: what is finished is renamed, which happens whole or not at all."""
        return self.path

    def listing(self, run: Run, prefix: str) -> Listing:
        """Everything that begins with the prefix, and the manifests."""
        with explaining_files("read the dumps of a folder", self.where):
            sizes: dict[str, int] = {}
            texts: dict[str, str] = {}
            for one in sorted(one for one in self.path.iterdir() if one.name.startswith(f"{prefix}-")):
                with suppress(FileNotFoundError):  # deleted meanwhile
                    if one.name.endswith((MANIFEST_SUFFIX, PROOF_SUFFIX)):
                        texts[one.name] = one.read_text(encoding="utf-8", errors="replace")
                    else:
                        sizes[one.name] = size_of(one)
            return listing_of(sizes, texts)

    def publish(self, run: Run, made: Path, name: str, manifest: Manifest) -> None:
        """Rename a finished dump, write its manifest."""
        with explaining_files("keep a finished dump", f"{self.where}/{name}"):
            beside = made.with_name(made.name + MANIFEST_SUFFIX)
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(manifest.as_text())
                file.flush()
                os.fsync(file.fileno())
            if (self.path / name).exists():
                raise OperationError("keep a finished dump", f"{self.where}/{name}", "there is one of that name",
                                     "Another run made it in the same second; run again.")
            made.rename(self.path / name)
            keep_names(self.path)
            beside.rename(self.path / (name + MANIFEST_SUFFIX))
            keep_names(self.path)

    def note(self, name: str, text: str) -> None:
        """Write beside a dump that it was restored; an earlier note is replaced whole or not at all."""
        with explaining_files("write down that a dump was restored", f"{self.where}/{name}"):
            beside = working_path(self, name + PROOF_SUFFIX)
            beside.write_text(text, encoding="utf-8")
            beside.rename(self.path / (name + PROOF_SUFFIX))

    def remove(self, name: str) -> None:
        """Remove a dump, then its manifest: what is left of a run killed between is still known to be ours."""
        with explaining_files("remove a dump", f"{self.where}/{name}"):
            for suffix in ("", PROOF_SUFFIX, MANIFEST_SUFFIX):
                remove_local(self.path / (name + suffix))

    def fetch(self, run: Run, dump: Dump) -> Path:
        """The dump itself."""
        return self.path / dump.name


def listing_of(sizes: Mapping[str, int], texts: Mapping[str, str]) -> Listing:
    """A listing of what lies in a place, and the texts of what is written about dumps, by name."""
    manifests, proofs = ({name[:-len(suffix)]: text for name, text in texts.items() if name.endswith(suffix)}
                         for suffix in (MANIFEST_SUFFIX, PROOF_SUFFIX))
    return Listing(sizes, manifests, proofs)


def working_path(place: Place, name: str) -> Path:
    """Where this process makes or fetches a dump."""
    return place.workspace / partial_name(
        socket.gethostname(), os.getpid(), process_started(os.getpid()), name)


def leftovers(workspace: Path, prefix: str, now: datetime) -> list[str]:
    """Names of what runs that are gone left behind: of this machine those whose process is, of others what is old.

    :raises OperationError: when the folder cannot be read
    """
    with explaining_files("read a folder of dumps", str(workspace)):
        found = [leftover_of(prefix, one.name) for one in sorted(workspace.iterdir()) if one.name.startswith(PARTIAL)]
        return [one.name for one in found if one and _is_abandoned(workspace, one, now)]


def remove_leftovers(workspace: Path, prefix: str, now: datetime) -> list[str]:
    """Remove what runs that are gone left behind; the names of what could not be removed."""
    for name in leftovers(workspace, prefix, now):
        with suppress(OSError):  # told by what is still there
            remove_local(workspace / name)
    return leftovers(workspace, prefix, now)


def check_workspace(path: Path, option: str) -> Path:
    """A folder in which dumps can be made.

    :raises Missing: when there is none
    :raises Denied: when nothing can be written there
    """
    if not path.is_dir():
        raise Missing("use a folder for dumps", str(path), "there is no such folder",
                      f"Create it, mount its disk, or correct {option}; it is not created here.")
    if not os.access(path, os.W_OK | os.X_OK):
        raise Denied("use a folder for dumps", str(path), "nothing may be written there", f"See its rights, or {option}.")
    return path


def place_of_dumps(options: Mapping[str, Any]) -> Place:
    """The place that a module's options mean.

    :raises Refused: for none, for two, or for what a bucket cannot hold
    """
    destination, bucket = options.get("destination"), options.get("bucket")
    if bool(destination) == bool(bucket):
        raise Refused("find the place of dumps", "destination, bucket", "one of both is needed, and not two",
                      "Give destination for a folder, or bucket for S3.")
    if destination:
        return Folder(check_workspace(Path(destination), "destination"))
    from ..aws.client import connector
    from .dump_bucket import Bucket, workspace_of

    return Bucket(connector(options), str(bucket), options.get("prefix") or "", workspace_of(options))


def _is_abandoned(workspace: Path, left: Leftover, now: datetime) -> bool:
    if left.host == plain_host(socket.gethostname()):
        return process_started(left.process) != left.started
    try:
        written = max(one.stat().st_mtime for one in [workspace / left.name, *(workspace / left.name).rglob("*")])
    except FileNotFoundError:
        return False  # finished or removed meanwhile
    return now - datetime.fromtimestamp(written, timezone.utc) > ABANDONED_AFTER
