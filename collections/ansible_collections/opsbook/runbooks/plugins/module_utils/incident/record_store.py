# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where records are kept: a folder on this machine. `aws/record_bucket` keeps them in S3 in the same way.

Names are relative with "/" between their parts, on every system. Links and other things that are no plain files are never
followed or opened: a record consists of plain files.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from ..core.errors import Missing, OperationError, Refused
from ..core.poll import Poll
from .chain import LOCK

PLAIN = ""
"""What `files` says of a plain file; of anything else it says what it is."""

LOCK_SECONDS = 10.0

CHUNK = 1024 * 1024


class Store(Protocol):
    """What sealing, verifying and showing need of a place that keeps records. Each may raise OperationError."""

    address: str

    def ids(self) -> list[str]:
        """The folders there are, those of the store itself (which begin with a dot) left out; sorted."""

    def files(self, folder: str) -> Mapping[str, str]:
        """Everything below a folder, by its name within: PLAIN for a plain file, else what it is."""

    def read(self, path: str) -> bytes:
        """A plain file. Raises Missing when there is none."""

    def digest(self, path: str) -> str:
        """The SHA-256 of a plain file."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file, all of it or nothing."""

    def create(self, path: str, content: bytes) -> bool:
        """Write a file that is not there yet; False when it is."""

    def versioned(self, path: str) -> tuple[bytes | None, str]:
        """A file and a mark of this version of it; None where there is none."""

    def swap(self, path: str, mark: str, content: bytes) -> bool:
        """Write a file unless it is another version by now; False when it is."""

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone is no error."""


class FolderStore:
    """A folder of records on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = str(folder)

    def ids(self) -> list[str]:
        """The folders of records."""
        if not self._folder.is_dir():
            return []
        with os.scandir(self._folder) as entries:
            return sorted(entry.name for entry in entries
                          if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False))

    def files(self, folder: str) -> Mapping[str, str]:
        """Everything below a folder but folders."""
        found: dict[str, str] = {}
        top = self._path(folder)
        for place, folders, names in os.walk(top, onerror=_raise):
            links = [name for name in folders if os.path.islink(os.path.join(place, name))]
            for name in [*names, *links]:
                path = os.path.join(place, name)
                with suppress(FileNotFoundError):  # Another process was only writing it, or has removed it meanwhile.
                    found[os.path.relpath(path, top).replace(os.sep, "/")] = _kind(path)
        return found

    def read(self, path: str) -> bytes:
        """A plain file."""
        with self._opened(path) as handle:
            return b"".join(_chunks(handle))

    def digest(self, path: str) -> str:
        """The SHA-256 of a plain file, read piece by piece."""
        digest = hashlib.sha256()
        with self._opened(path) as handle:
            for chunk in _chunks(handle):
                digest.update(chunk)
        return digest.hexdigest()

    def write(self, path: str, content: bytes) -> None:
        """Write a file; on disk when this returns."""
        temporary = self._temporary(path, content)
        temporary.replace(self._path(path))
        _sync(temporary.parent)

    def create(self, path: str, content: bytes) -> bool:
        """Write a file that is not there yet."""
        temporary = self._temporary(path, content)
        try:
            os.link(temporary, self._path(path))
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        _sync(temporary.parent)
        return True

    def versioned(self, path: str) -> tuple[bytes | None, str]:
        """A file and its digest, which is the mark of its version."""
        try:
            content = self.read(path)
        except Missing:
            return None, ""
        return content, hashlib.sha256(content).hexdigest()

    def swap(self, path: str, mark: str, content: bytes) -> bool:
        """Write a file unless it is another version by now; other processes wait meanwhile."""
        with self._locked():
            if self.versioned(path)[1] != mark:
                return False
            self.write(path, content)
            return True

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._path(path).unlink(missing_ok=True)

    def _path(self, path: str) -> Path:
        """A path inside the store. Names come from attestations too, which anybody may have written.

        :raises Refused: for one that leads out of it
        """
        if path.startswith("/") or "\0" in path or ".." in path.split("/"):
            raise Refused("find a file of a record", path, "it is not inside the store", "See python -m opsbook verify.")
        return self._folder / path

    def _temporary(self, path: str, content: bytes) -> Path:
        final = self._path(path)
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return temporary

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        try:
            handle = os.open(self._path(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Missing("read a file of a record", path, "it does not exist") from error
        except OSError as error:
            raise OperationError("read a file of a record", path, error.strerror or type(error).__name__) from error
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OperationError("read a file of a record", path, "it is no plain file")
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the store's lock; the kernel releases it for a process that dies.

        :raises OperationError: when somebody holds it for too long
        """
        path = self._folder / LOCK
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            waited = Poll(time.monotonic() + LOCK_SECONDS, first_delay=0.005, longest_delay=0.1).until(
                lambda: try_lock(handle), bool, lambda held: "")
            if not waited.done:
                raise OperationError("chain a record", self.address, f"another process held {LOCK} for "
                                     f"{LOCK_SECONDS:g} seconds", "End it and seal again: python -m opsbook records seal.")
            yield
        finally:
            os.close(handle)


def try_lock(handle: int) -> bool:
    """Lock an open file for this process alone, without waiting; False where another holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _kind(path: str) -> str:
    mode = os.lstat(path).st_mode
    if stat.S_ISREG(mode):
        return PLAIN
    return "a symbolic link" if stat.S_ISLNK(mode) else "no plain file"


def _raise(error: OSError) -> None:
    """A folder that is not there has no files; one that cannot be read is no empty one."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _chunks(handle: int) -> Iterator[bytes]:
    while True:
        chunk = os.read(handle, CHUNK)
        if not chunk:
            return
        yield chunk


def _sync(folder: Path) -> None:
    """Names of files are on disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
