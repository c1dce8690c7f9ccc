# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running PostgreSQL's own programs, pg_dump and pg_restore: which ones, as whom, and how they end.

The password reaches them by their environment, never by their command line, which every user of the machine can read. They
end with the run: at its deadline, when it may change nothing more, and on Linux when our process is killed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Callable

from ..core.errors import Missing, OperationError, Refused, Stopped
from ..core.run import Run
from .connection import APPLICATION, Connect

VERSION_SECONDS = 10.0
LOOK_SECONDS = 0.5
"""How long one look at a running program takes: a lost lease or a stopped run is noticed that fast."""
REPORT_SECONDS = 10.0
"""A line of progress comes at most so often."""
STOP_SECONDS = 5.0
"""How long a program that was told to stop may take to cancel its statements."""
MOST_SAID = 4000

# Python has no way to ask for a signal at the parent's death that is safe in a process with threads: a short program does,
# and becomes the other one. SIGTERM, since pg_dump then cancels its statements and ends its own children.
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
sys.exit("the process that started it is gone")
"""


@dataclass(frozen=True)
class Program:
    """A program of PostgreSQL.

    :param path: where it is
    :param version: as it says itself ("18.6")
    """

    path: str
    version: str

    @property
    def major(self) -> int:
        """The version that decides what it can read."""
        return major_of(self.version)


@dataclass(frozen=True)
class Ran:
    """A program that has ended well.

    :param output: what it wrote to its standard output
    :param warnings: what it wrote to its standard error, a line each
    """

    output: str
    warnings: tuple[str, ...]


def find_program(name: str, bin_dir: str | None, environment: Mapping[str, str]) -> Program:
    """The program in the given folder, else on PATH.

    :raises Missing: when there is none that can be run
    """
    found = shutil.which(name, path=bin_dir or environment.get("PATH", os.defpath))
    if not found:
        raise Missing(f"find {name}", bin_dir or "PATH", "there is no such program that can be run",
                      "Install PostgreSQL's client programs where this runs, or give bin_dir.")
    try:
        said = subprocess.run([found, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=VERSION_SECONDS, check=False, env={**environment, "LC_ALL": "C"})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperationError(f"ask {name} for its version", found, str(error)) from error
    return Program(os.path.abspath(found), parse_version(said.stdout, found))


def parse_version(said: str, path: str) -> str:
    """The version in what a program says of itself: "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0)".

    :raises OperationError: when there is none
    """
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+|devel|beta\d+|rc\d+)?)", said)
    if not match:
        raise OperationError("read a program's version", path, f"it says {said.strip()[:200]!r}",
                             "Check bin_dir: this is no program of PostgreSQL.")
    return match.group(1)


def major_of(version: str) -> int:
    """18 of "18.6"."""
    return int(re.match(r"\d+", version).group())  # type: ignore[union-attr]  # every version begins with a number


def refuse_older(program: Program, major: int, of: str) -> None:
    """Refuse a program that is older than what it is to read.

    :param of: what has that version, for the message
    :raises Refused: naming both versions
    """
    if program.major < major:
        raise Refused("run a program of PostgreSQL", program.path,
                      f"it is of version {program.version}, and {of} of {major}", "Give a bin_dir of at least that version.")


def client_environment(environment: Mapping[str, str], connect: Connect) -> dict[str, str]:
    """The environment in which a program connects to the same server, as the same role, as we do."""
    chosen = connect.options
    given = {"PGPASSWORD": chosen["login_password"], "PGSSLROOTCERT": chosen["ca_cert"]}
    return {
        **environment, "LC_ALL": "C", "PGHOST": str(chosen["login_host"]), "PGPORT": str(chosen["login_port"]),
        "PGUSER": str(chosen["login_user"]), "PGDATABASE": str(chosen["login_db"]), "PGSSLMODE": str(chosen["ssl_mode"]),
        "PGCONNECT_TIMEOUT": str(chosen["connect_timeout"]), "PGAPPNAME": APPLICATION,
        **{name: str(value) for name, value in given.items() if value is not None},
    }


def run_program(
    run: Run, program: Program, arguments: Sequence[str], environment: Mapping[str, str], attempted: str, resource: str,
    describe: Callable[[], str] = lambda: "",
) -> Ran:
    """Run a program to its end. Its files are nobody else's to read.

    :param describe: one line of progress
    :raises OperationError: with the program's own words, when it fails
    :raises Stopped: at the deadline, or when nothing may change any more; the program has ended then
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = _start(program, arguments, environment, output, errors, attempted, resource)
        try:
            _wait(run, child, attempted, resource, describe)
        finally:
            _end(child)
        said = _text(errors, environment)
        if child.returncode:
            raise OperationError(attempted, resource, said[-MOST_SAID:] or f"it ended with {child.returncode}",
                                 "Nothing that was there before was touched.")
        return Ran(_text(output, environment), tuple(said[:MOST_SAID].splitlines()))


def _start(
    program: Program, arguments: Sequence[str], environment: Mapping[str, str], output: IO[bytes], errors: IO[bytes],
    attempted: str, resource: str,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), program.path, *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=dict(environment), umask=0o077)
    except OSError as error:
        raise OperationError(attempted, resource, str(error)) from error


def _wait(
    run: Run, child: subprocess.Popen[bytes], attempted: str, resource: str, describe: Callable[[], str]
) -> None:
    begun, said, reported = run.clock.monotonic(), "", 0

    def look() -> int | None:
        try:
            return child.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def line(code: Any) -> str:
        nonlocal said, reported
        passed = int((run.clock.monotonic() - begun) / REPORT_SECONDS)
        if passed > reported:
            reported, said = passed, f"{describe()} ({passed * REPORT_SECONDS:.0f} s)"
        return said

    if not run.poll(first_delay=0.001, longest_delay=0.001).until(look, lambda code: code is not None, line).done:
        raise Stopped(attempted, resource, f"its time of {run.timeout:.0f} s passed",
                      "Raise wait_timeout. Nothing that was there before was touched.")


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _text(file: IO[bytes], environment: Mapping[str, str]) -> str:
    file.seek(0)
    text = file.read().decode("utf-8", "replace").strip()
    secret = environment.get("PGPASSWORD")
    return text.replace(secret, "********") if secret else text
