"""Data folders of PostgreSQL that were made once: a plain one, and ones with databases in them.

Making a plain one takes half a second, filling one some seconds. They are kept in the user's cache folder, the filled ones
(a quarter of a gigabyte each) only while they are in use now and then.

A lab copies a template, but not the pristine databases in it, which no server ever writes to: these are sealed (their
folders and files are read-only) and a lab has links to them. Its own databases are copies that its server makes.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.folders import LabError
from lab.identity import Identity
from lab.processes import Child

_INITDB_OPTIONS = ("-U", "postgres", "-A", "trust", "--encoding=UTF8", "--locale=C", "--no-sync")
_STOP_SECONDS = 60.0
_FILLED = "databases-"
_KEPT_FILLED = 3
_IN_USE_SECONDS = 86400.0


@dataclass(frozen=True)
class Installation:
    """Where PostgreSQL's programs are, and how they were found (setting, wheel or system)."""

    bin: Path
    source: str


class Contents(Protocol):
    """What a template is filled with."""

    @property
    def access(self) -> str:
        """The rules of pg_hba.conf for servers that are started from it."""

    def fingerprint(self) -> str:
        """Tells contents apart that are not the same."""

    def fill(self, port: int) -> list[str]:
        """Put them into an empty server; returns the folders that are not to be written to any more."""


def plain_template(installation: Installation, identity: Identity, workplace: Path) -> Path:
    """The cached, never started data folder of this installation; made on first use."""

    def make(draft: Path) -> None:
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        command = [str(installation.bin / "initdb"), "-D", str(draft), *_INITDB_OPTIONS]
        result = identity.run(command, env=environment, cwd=workplace)
        if result.returncode != 0:
            raise LabError(f"initdb failed with code {result.returncode}:\n{result.stdout[-2000:]}")

    return _cached(f"postgres-{_fingerprint(installation, identity)}", workplace, make)


def filled_template(
    plain: Path, contents: Contents, identity: Identity, workplace: Path,
    serve: Callable[[Path], tuple[Child, int]],
) -> Path:  # fmt: skip
    """The cached data folder with these contents; made on first use, on a server of its own.

    :param serve: starts a server on a data folder
    """

    def make(draft: Path) -> None:
        copy_data(plain, identity, draft)
        server, port = serve(draft)
        sealed: list[str] = []
        try:
            sealed += contents.fill(port)
        finally:
            # A fast shutdown, not an immediate one: what it leaves is a database at rest.
            server.process.send_signal(signal.SIGINT)
            code = _ended(server)
        if code != 0:
            raise LabError(f"PostgreSQL ended with code {code} while a template was filled; see {server.log}")
        # Without its statistics no database is looked at by autovacuum before somebody uses it.
        shutil.rmtree(draft / "pg_stat")
        (draft / "pg_stat").mkdir(mode=0o700)
        for folder in sealed:
            _set_writable(draft / folder, False)

    template = _cached(f"{_FILLED}{plain.name.rpartition('-')[2]}-{contents.fingerprint()}", workplace, make)
    os.utime(template)
    _forget_others(template)
    return template


def copy_data(template: Path, identity: Identity, data: Path) -> None:
    """Make a data folder from a template, owned by the user that the server runs as."""
    sealed = [path.relative_to(template) for path in (template / "base").iterdir() if not path.stat().st_mode & 0o200]
    if identity.owner:
        # A user of its own can reach nothing in the cache.
        shutil.copytree(template, data)
        for path in (data, *data.rglob("*")):
            os.chown(path, *identity.owner)
        return
    names = {path.name for path in sealed}
    shutil.copytree(template, data, ignore=lambda folder, entries: names if Path(folder).name == "base" else ())
    for path in sealed:
        (data / path).symlink_to(template / path, target_is_directory=True)


def _set_writable(folder: Path, writable: bool) -> None:
    """Seal a folder and the files in it, or open them."""
    for path in (folder, *folder.iterdir()):
        path.chmod((0o700 if writable else 0o500) if path.is_dir() else (0o600 if writable else 0o400))


def _ended(server: Child) -> int:
    try:
        return server.process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.process.kill()
        return server.process.wait()


def _cached(name: str, workplace: Path, make: Callable[[Path], None]) -> Path:
    """The folder of this name in the cache; made in the workplace, where the server's user can write, on first use."""
    template = cache_folder(os.environ) / name
    if not template.is_dir():
        draft = workplace / "postgres-template"
        try:
            make(draft)
            _publish(draft, template)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return template


def _publish(draft: Path, template: Path) -> None:
    """Put a finished data folder into the cache; when another lab did so first, theirs is as good."""
    template.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=template.parent, prefix=".draft-"))
    try:
        shutil.copytree(draft, scratch / "data")
        (scratch / "data").rename(template)
    except OSError:
        if not template.is_dir():
            raise
    finally:
        shutil.rmtree(scratch)


def _forget_others(template: Path) -> None:
    """Remove filled templates that nobody has used lately, but for the last few."""
    others = sorted((path for path in template.parent.glob(f"{_FILLED}*") if path != template),
                    key=lambda path: path.stat().st_mtime, reverse=True)  # fmt: skip
    for path in others[_KEPT_FILLED - 1 :]:
        if time.time() - path.stat().st_mtime > _IN_USE_SECONDS:
            for folder in (path / "base").iterdir():
                _set_writable(folder, True)
            shutil.rmtree(path, ignore_errors=True)


def _fingerprint(installation: Installation, identity: Identity) -> str:
    """Tells servers apart that need data folders of their own: by version and machine."""
    version = identity.run([str(installation.bin / "postgres"), "--version"]).stdout
    return hashlib.sha256(f"{version}{platform.machine()} {_INITDB_OPTIONS}".encode()).hexdigest()[:16]


def cache_folder(environ: Mapping[str, str]) -> Path:
    """The user's cache folder of this project."""
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "opsbook"
