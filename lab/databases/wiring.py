"""What the supervisor and the commands use of the databases. Labs whose systems have none get none and wait for none.

The supervisor starts the servers with `contents` and `redis_password`, notes their ports (`note_servers`), and starts
`python -m lab.databases`, which seeds both and keeps sessions open; it is ready when databases.json is there.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import postgres, valkey
from lab.databases.keyspace import LOGICAL, commands_of
from lab.databases.model import KEEPER, MONITOR, OPERATOR
from lab.folders import SECRETS, LabError, load_settings, read_json, write_json
from lab.postgres_templates import Contents

SERVERS = "servers.json"
REDIS = "redis"


def hosted(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The systems of a lab that have databases."""
    return tuple(system for system in LOGICAL if system in settings["systems"])


def new_passwords(settings: Mapping[str, Any]) -> dict[str, str]:
    """A random password for each role and for Redis; none where no system has databases."""
    systems = hosted(settings)
    names = (*systems, MONITOR, OPERATOR, KEEPER, REDIS) if systems else ()
    return {name: secrets.token_hex(24) for name in names}


def contents(settings: Mapping[str, Any]) -> Contents | None:
    """What the PostgreSQL server is to hold."""
    if not hosted(settings):
        return None
    # Imported here: labs without databases need no driver.
    from lab.databases.contents import contents_of

    return contents_of(settings)


def note_servers(folder: Path, postgres_port: int, redis_port: int) -> None:
    """Tell the process that seeds where the servers are."""
    write_json(folder / SERVERS, {"postgres": postgres_port, "redis": redis_port})


def seed(folder: Path) -> None:
    """Fill both servers; raises LabError, and the lab is useless then."""
    settings, passwords, ports = load_settings(folder), read_json(folder / SECRETS)["databases"], read_json(folder / SERVERS)
    if not hosted(settings):
        return
    import psycopg2

    from lab.databases.contents import contents_of

    found = contents_of(settings)
    valkey.fill(ports["redis"], commands_of(found.systems, found.seed, found.scale), passwords[REDIS])
    try:
        found.restore(ports["postgres"], passwords)
    except psycopg2.Error as error:
        raise LabError(f"the databases could not be restored, stop the lab and start it again: {error}") from error


def reset(folder: Path) -> None:
    """Bring both servers of a running lab back to their freshly seeded state. Raises LabError."""
    ports = read_json(folder / SERVERS)
    valkey.empty(ports["redis"], read_json(folder / SECRETS)["databases"].get(REDIS, ""))
    postgres.empty(ports["postgres"])
    seed(folder)


def status(settings: Mapping[str, Any], passwords: Mapping[str, str], postgres_port: int, redis_port: int) -> dict[str, Any]:
    """What a lab's status says of them: where they are, logins to look, to maintain and to keep the run lock, programs."""
    systems = hosted(settings)
    programs = str(postgres.find_installation(os.environ).bin) if systems else ""
    return {
        "postgres": {
            system: {"host": "127.0.0.1", "port": postgres_port, "database": system, "user": MONITOR,
                     "password": passwords[MONITOR], "operator_user": OPERATOR, "operator_password": passwords[OPERATOR],
                     "lock_user": KEEPER, "lock_password": passwords[KEEPER], "bin_dir": programs}
            for system in systems
        },
        "redis": {
            system: {"host": "127.0.0.1", "port": redis_port, "database": LOGICAL[system], "password": passwords[REDIS]}
            for system in systems
        },
    }  # fmt: skip
