"""What an incident does to the lab's Redis: memory filled for real, a policy that fits nothing, commands that take long,
an address that nobody answers at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import folders, valkey
from lab.databases import wiring
from lab.databases.contents import contents_of
from lab.databases.keyspace import commands_of
from lab.folders import LabError

# Another address of the loopback interface: at the usual one, connections are refused.
_ELSEWHERE = "127.0.0.2"
_USUAL = "127.0.0.1"
_FILLER = "session-export"


def spoil(place: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Do what a scenario's `redis` says; raises LabError where the server does not follow.

    `policy`: maxmemory-policy. `fill` {count, bytes, seconds?}: so many keys, with a time to live or none. `commands`:
    any, in the system's own database, as often as `times` says. `slower_than`: microseconds from which the slow log notes
    a command. `unreachable`: nobody answers at its address.
    """
    port, password = int(place["port"]), str(place["password"])
    settings = [("CONFIG", "SET", name, str(wanted[option])) for option, name in _SETTINGS.items() if option in wanted]
    fill = [("SELECT", str(place["database"])), *_fill(wanted.get("fill") or {})]
    _ask(port, password, settings)
    if len(fill) > 1:
        valkey.fill(port, fill, password)
    commands = [tuple(map(str, command["do"])) for command in wanted.get("commands", ())
                for _ in range(int(command.get("times", 1)))]  # fmt: skip
    if commands:
        valkey.fill(port, [("SELECT", str(place["database"])), *commands], password)
    if wanted.get("unreachable"):
        _ask(port, password, [("CONFIG", "SET", "bind", _ELSEWHERE)])


_SETTINGS = {"policy": "maxmemory-policy", "memory": "maxmemory", "slower_than": "slowlog-log-slower-than"}


def _fill(wanted: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    value, live = "x" * int(wanted.get("bytes", 0)), wanted.get("seconds")
    for number in range(int(wanted.get("count", 0))):
        key = f"{wanted.get('prefix', _FILLER)}:{number:07d}"
        yield ("SET", key, value, "EX", str(live)) if live else ("SET", key, value)


def _ask(port: int, password: str, commands: Sequence[tuple[str, ...]], address: str = _USUAL) -> None:
    for command in commands:
        reply = valkey.send(port, command, password=password, address=address)
        if reply != "+OK":
            raise LabError(f"Valkey answered {reply!r} to {' '.join(command[:4])}")


def restore(folder: Path) -> None:
    """Bring Redis back to its freshly seeded state. Raises LabError."""
    settings, passwords = folders.load_settings(folder), folders.read_json(folder / folders.SECRETS)["databases"]
    port, password = folders.read_json(folder / wiring.SERVERS)["redis"], passwords[wiring.REDIS]
    if not valkey.answers(port):
        _ask(port, password, [("CONFIG", "SET", "bind", _USUAL)], _ELSEWHERE)
    _ask(port, password, [("CONFIG", "SET", "slowlog-log-slower-than", "10000")])
    valkey.empty(port, password)
    found = contents_of(settings)
    valkey.fill(port, commands_of(found.systems, found.seed, found.scale), password)
