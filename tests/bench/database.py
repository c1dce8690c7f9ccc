"""A PostgreSQL server of its own to measure on, and what works on it: plays of ours, and PostgreSQL's own programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.postgres import find_installation
from tests.bench.measure import Cost, environment, measured
from tests.bench.plays import OURS
from tests.support.databases import Postgres, running_postgres
from tests.support.labs import ROOT

PROGRAMS = find_installation(os.environ).bin
HOST = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


@dataclass(frozen=True)
class Database:
    """The server, and a folder for what is written."""

    server: Postgres
    folder: Path
    variables: dict[str, str]

    def play(self, *tasks: dict[str, Any]) -> Cost:
        """A play of ours with record and journal."""
        play = {"name": "Measured", "hosts": "all", "gather_facts": False, "tasks": list(tasks)}
        (self.folder / "play.yml").write_text(json.dumps([play], indent=1), encoding="utf-8")
        (self.folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"measured": HOST}}}), encoding="utf-8")
        own = {"ANSIBLE_CONFIG": ROOT / "ansible.cfg", "ANSIBLE_HOME": self.folder / "home",
               "OPSBOOK_RECORD_DIR": self.folder / "records"}
        variables = {**self.variables, **{name: str(path) for name, path in own.items()}}
        return measured([OURS / "ansible-playbook", "-i", "hosts.yml", "play.yml"], self.folder, variables)

    def task(self, module: str, **options: Any) -> dict[str, Any]:
        """A task of one of our modules on the server."""
        where = {"login_host": "127.0.0.1", "login_port": self.server.port}
        return {"name": "Measured", f"opsbook.runbooks.{module}": {**where, **options}}

    def program(self, name: str, *arguments: str) -> Cost:
        """One of PostgreSQL's own programs on the server."""
        return measured([PROGRAMS / name, *self.where, *arguments], self.folder, self.variables)

    def script(self, text: str) -> Cost:
        """A shell script in which `$PSQL` asks the server."""
        path = self.folder / "script.sh"
        path.write_text(text, encoding="utf-8")
        psql = " ".join([str(PROGRAMS / "psql"), *self.where, "-X", "-q", "-v", "ON_ERROR_STOP=1"])
        return measured(["bash", path], self.folder, {**self.variables, "PSQL": psql})

    @property
    def where(self) -> list[str]:
        """How PostgreSQL's programs find the server."""
        return ["-h", "127.0.0.1", "-p", str(self.server.port), "-U", "postgres"]


@contextmanager
def running_database(folder: Path, **settings: str) -> Iterator[Database]:
    """Start a server with these settings; stop it at the end."""
    (folder / "server").mkdir(parents=True)
    with running_postgres(folder / "server", autovacuum="off", max_wal_size="4GB", **settings) as server:
        yield Database(server, folder, environment(folder / "cache", OURS))
