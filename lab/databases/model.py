"""The words in which a database is described."""

from __future__ import annotations

from dataclasses import dataclass

from lab.databases.streams import Stream

MONITOR = "opsbook_monitor"
"""The role that looks after the databases: sees all sessions, makes nothing, reads no rows."""

OPERATOR = "opsbook_operator"
"""The role that maintains the databases: acts as their owners, sees and ends sessions, reads all, makes scratch databases.
No superuser, as on RDS."""

KEEPER = "opsbook_lock"
"""The role that keeps the run lock: may read and write that one table, and may not make it."""


@dataclass(frozen=True)
class Traffic:
    """One kind of transaction that clients make all day.

    :param name: of the kind, as figures show it
    :param weight: how many of all are of it
    :param script: in the words of pgbench: `\\set` and SQL
    """

    name: str
    weight: int
    script: str


@dataclass(frozen=True)
class Database:
    """Everything in one database. The statements may use {since} and {until} (timestamps in quotes) and {scale}.

    :param name: of the database and of the role that owns it
    :param tables: statements that create the tables
    :param standing: statements that fill tables whose rows do not come in over time
    :param streams: tables whose rows do
    :param derived: statements that follow the streams, for the rows between two moments
    :param indexes: statements that create keys and indexes, after the rows are in
    :param wear: statements of ordinary use that leave dead rows behind
    :param workload: what its applications ask, each statement with how often, so that statistics are not empty
    :param applications: names of its applications, each with its number of open sessions
    :param traffic: what `python -m lab load` does
    """

    name: str
    tables: tuple[str, ...]
    standing: tuple[str, ...]
    streams: tuple[Stream, ...]
    derived: tuple[str, ...]
    indexes: tuple[str, ...]
    wear: tuple[str, ...]
    workload: tuple[tuple[str, int], ...]
    applications: tuple[tuple[str, int], ...]
    traffic: tuple[Traffic, ...]
