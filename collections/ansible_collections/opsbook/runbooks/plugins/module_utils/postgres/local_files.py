# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of dumps on this machine: their checksums and sizes, and what the file system refuses in plain words."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import Denied, Missing, OperationError
from ..core.run import Run
from .dump_manifest import File

BLOCK = 4 * 1024 * 1024


def files_of(run: Run, path: Path) -> tuple[File, ...]:
    """The files of a dump with their checksums.

    :raises Stopped: when nothing may go on
    """
    with explaining_files("read a dump", str(path)):
        inside = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        return tuple(File("" if one == path else one.relative_to(path).as_posix(), one.stat().st_size, _sha256(run, one))
                     for one in inside)


def free_bytes(path: Path) -> int:
    """What is free on a folder's disk for us."""
    return shutil.disk_usage(path).free


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) if path.is_dir() else path.stat().st_size


def remove_local(path: Path) -> None:
    """Remove a file or a folder; gone already is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def explaining_files(attempted: str, resource: str) -> Iterator[None]:
    """Turn what the file system refuses inside the block into an OperationError that names what was attempted."""
    try:
        yield
    except FileNotFoundError as error:
        raise Missing(attempted, resource, str(error), "Check the path.") from error
    except PermissionError as error:
        raise Denied(attempted, resource, str(error), "See the rights of the folder.") from error
    except OSError as error:
        raise OperationError(attempted, resource, str(error), "See the disk.") from error


def keep_names(folder: Path) -> None:
    """Wait until the folder's entries are on disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _sha256(run: Run, path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            run.may_change()
            digest.update(block)
    return digest.hexdigest()
