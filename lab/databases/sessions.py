"""The applications' sessions: opened once, used a little, then idle, and opened again when somebody ends them."""

from __future__ import annotations

import select
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2

from lab.databases.contents import DATABASES

_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class Place:
    """One session of an application.

    :param system: whose application it is, and which database and role it uses
    :param application: its name
    :param number: which of its sessions
    """

    system: str
    application: str
    number: int


class Sessions:
    """The open sessions of all applications."""

    def __init__(self, port: int, passwords: Mapping[str, str], systems: tuple[str, ...]) -> None:
        self._port = port
        self._passwords = passwords
        self._open: dict[Place, Any] = {
            Place(system, name, number): None
            for system in systems
            for name, sessions in DATABASES[system].applications
            for number in range(sessions)
        }

    def keep(self) -> None:
        """Keep them open for ever."""
        while True:
            missing = [place for place, connection in self._open.items() if connection is None]
            opened = sum(self._reopen(place) for place in missing)
            connections = {connection: place for place, connection in self._open.items() if connection is not None}
            # A session that becomes readable was ended: nobody asks anything on it.
            ended, _, _ = select.select(list(connections), [], [], _AGAIN_SECONDS if opened < len(missing) else None)
            for connection in ended:
                connection.close()
                self._open[connections[connection]] = None

    def open_all(self) -> None:
        """Open each, and ask once what the applications of each system ask; raises psycopg2.Error."""
        for place in self._open:
            self._open[place] = self._connect(place)
        for system in {place.system for place in self._open}:
            self._work(Place(system, DATABASES[system].applications[0][0], 0))

    def _reopen(self, place: Place) -> bool:
        try:
            self._open[place] = self._connect(place)
        except psycopg2.OperationalError:
            return False  # The server is full, or the database is being made anew: try again later.
        return True

    def _connect(self, place: Place) -> Any:
        connection = psycopg2.connect(
            host="127.0.0.1", port=self._port, dbname=place.system, user=place.system,
            password=self._passwords[place.system], application_name=place.application, connect_timeout=5,
        )  # fmt: skip
        connection.autocommit = True
        return connection

    def _work(self, place: Place) -> None:
        """On a session that ends with it: only then the server's statistics hold all of it at once."""
        connection = self._connect(place)
        with connection.cursor() as cursor:
            for statement, times in DATABASES[place.system].workload:
                for _time in range(times):
                    cursor.execute(statement)
        connection.close()
