"""`python -m lab.supervisor --folder DIR`: start a lab's servers, seed the estate, and keep watch until it ends.

It ends when told to (SIGTERM), when a server dies, or when nobody has used the lab for `idle_stop_hours`. Either way
no process is left: children are stopped, and if the supervisor itself is killed the kernel kills them (see processes).
What happens is said on standard output, which `python -m lab up` leads into supervisor.log.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from lab import folders
from lab.accounts import SYSTEMS, accounts
from lab.databases import wiring
from lab.estate.secrets import ACCESS_KEY, canaries, new_secrets
from lab.estate.systems import ESTATES
from lab.folders import LabError, load_settings, read_json, write_json
from lab.postgres import start_postgres
from lab.processes import Child, ChildEnded, python_command, start_child, stop_children, wait_until
from lab.signing import write_signing_key
from lab.terminal import say
from lab.valkey import start_valkey

_START_SECONDS = 60.0
_LONGEST_LOOK_SECONDS = 30.0


class _Told(BaseException):
    """Raised in the main thread by SIGTERM or SIGINT, wherever it is."""


class Supervisor:
    """One lab's life."""

    def __init__(self, folder: Path, lifeline: int) -> None:
        self._folder = folder
        self._lifeline = lifeline
        self._settings = load_settings(folder)
        self._children: list[Child] = []
        self._started = time.time()
        # Never closed: signals write to its other end until the process ends.
        self._wakeup = wakeup_socket()

    def run(self) -> int:
        """Live until the end; returns the exit code, 0 unless something failed."""
        try:
            self._start()
            self._watch()
        except _Told:
            log("told to stop")
        except LabError as error:
            log(f"stopping: {error}")
            return 1
        finally:
            ignore_signals()
            (self._folder / folders.STATUS).unlink(missing_ok=True)
            stop_children(self._children)
            log("stopped")
        return 0

    def _start(self) -> None:
        """Start everything; the slow ones first, so that the others start while those read their libraries."""
        unknown = [system for system in self._settings["systems"] if system not in SYSTEMS]
        if unknown:
            raise LabError(f"the lab has no system {', '.join(unknown)}; it knows {', '.join(SYSTEMS)}")
        secrets = new_secrets(ESTATES[system] for system in self._settings["systems"])
        secrets["databases"] = passwords = wiring.new_passwords(self._settings)
        write_json(self._folder / folders.SECRETS, secrets)
        key = write_signing_key(self._folder / folders.SIGNING_KEY)
        write_json(self._folder / folders.CANARIES, [*canaries(secrets), key])
        aws = self._python("aws")
        seeding = self._python("estate")
        web = self._python("web")
        redis_port = self._server(*start_valkey(self._folder, self._lifeline, passwords.get(wiring.REDIS, "")))
        contents = wiring.contents(self._settings)
        postgres_port = self._server(*start_postgres(self._folder, self._lifeline, contents=contents))
        wiring.note_servers(self._folder, postgres_port, redis_port)
        databases = [self._python("databases")] if contents else []
        for child in (aws, web, *databases):
            wait_until((self._folder / f"{child.name}.json").exists, child, _START_SECONDS)
        self._wait_for_seeding(seeding)
        write_json(self._folder / folders.STATUS, self._status(secrets, postgres_port, redis_port))
        log(f"up after {time.time() - self._started:.1f} seconds")

    def _python(self, module: str) -> Child:
        command = python_command(f"lab.{module}", "--folder", str(self._folder))
        child = start_child(module, command, self._folder, self._lifeline)
        self._server(child, 0)
        return child

    def _server(self, child: Child, port: int) -> int:
        log(f"started {child.name} (pid {child.process.pid})")
        self._children.append(child)
        return port

    def _wait_for_seeding(self, seeding: Child) -> None:
        """The seeding ends with code 0; anything else means a lab that does not hold what it promises."""
        wait_until(lambda: seeding.process.poll() == 0, seeding, _START_SECONDS)
        self._children.remove(seeding)

    def _status(self, secrets: dict[str, Any], postgres_port: int, redis_port: int) -> dict[str, Any]:
        web = read_json(self._folder / "web.json")
        aws = read_json(self._folder / "aws.json")
        started = datetime.fromtimestamp(self._started, UTC)
        return {
            "name": self._folder.name,
            "folder": str(self._folder),
            "pid": os.getpid(),
            "started": started.isoformat(timespec="seconds"),
            "systems": self._settings["systems"],
            "size": self._settings["size"],
            "seed": self._settings["seed"],
            "accounts": accounts(self._settings),
            "endpoints": {
                "aws": f"http://127.0.0.1:{aws['port']}",
                "postgres": f"postgresql://postgres@127.0.0.1:{postgres_port}/postgres",
                "redis": f"redis://127.0.0.1:{redis_port}/0",
                "web": f"http://127.0.0.1:{web['port']}",
                "tls": f"https://127.0.0.1:{web['tls']}",
                "smtp": f"127.0.0.1:{web['smtp']}",
                "dns": f"127.0.0.1:{web['dns']}",
            },
            **wiring.status(self._settings, secrets["databases"], postgres_port, redis_port),
            "credentials": {"access_key": ACCESS_KEY, "secret_key": secrets["secret_key"]},
            "receivers": secrets["receivers"],
            "lock_table": self._settings["lock_table"],
            "record_bucket": self._settings["record_bucket"],
            "idle_stop_hours": self._settings["idle_stop_hours"],
        }

    def _watch(self) -> None:
        """Return when the lab has been idle for too long; raises ChildEnded when a server dies."""
        idle_limit = float(self._settings["idle_stop_hours"]) * 3600
        look = min(_LONGEST_LOOK_SECONDS, idle_limit / 4)
        watched_since = time.time()
        while True:
            for child in self._children:
                code = child.process.poll()
                if code is not None:
                    tail = folders.log_tail(child.log)
                    raise ChildEnded(f"{child.name} ended with code {code}; the end of its log:\n{tail}")
            if time.time() - max(watched_since, self._last_activity()) > idle_limit:
                log(f"nobody used the lab for {self._settings['idle_stop_hours']} hours")
                return
            if select.select([self._wakeup], [], [], look)[0]:
                self._wakeup.recv(4096)

    def _last_activity(self) -> float:
        """When the lab's AWS or web side was last used, in seconds since the epoch."""
        files = (self._folder / folders.AUDIT, self._folder / folders.ACTIVITY)
        return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)


def log(message: str) -> None:
    """One line for supervisor.log."""
    say(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {message}")


def wakeup_socket() -> socket.socket:
    """A socket that becomes readable when a signal arrives: a child's end is noticed at once, without polling."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    # The descriptor stays with the signal machinery until the process ends.
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    return reader


def listen_to_signals() -> None:
    """Let SIGTERM and SIGINT raise _Told in the main thread."""

    def told(number: int, frame: FrameType | None) -> None:
        raise _Told

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)


def ignore_signals() -> None:
    """A second SIGTERM must not interrupt the stopping."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, claim the folder, and supervise."""
    parser = argparse.ArgumentParser(prog="python -m lab.supervisor", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the lab's folder")
    parser.add_argument("--settings", type=json.loads, default={}, help="settings that differ from the defaults, JSON")
    options = parser.parse_args(arguments)
    folder: Path = options.folder.absolute()
    try:
        folders.check_folder(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = folders.take_lock(folder / folders.SUPERVISOR_LOCK)
        os.truncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        folders.clean_folder(folder, options.settings)
        lifeline = folders.take_lock(folder / folders.CHILDREN_LOCK)
    except LabError as error:
        log(str(error))
        return 1
    listen_to_signals()
    return Supervisor(folder, lifeline).run()


if __name__ == "__main__":
    sys.exit(main())
