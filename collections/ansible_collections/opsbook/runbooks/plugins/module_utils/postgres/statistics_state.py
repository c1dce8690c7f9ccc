# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of a PostgreSQL server's statistics, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from .bloat import Bloat
from .foreign_keys import ForeignKey
from .indexes import Indexes
from .replication import Replication, Slot
from .sessions import Activity
from .tables import Tables

KIND = "postgres"


@dataclass(frozen=True)
class Counter:
    """The server and since when it counts.

    :param since: ISO 8601
    :param seconds: how long ago that was
    """

    version: str
    in_recovery: bool
    role: str
    now: str
    since: str
    seconds: float


@dataclass(frozen=True)
class Cache:
    """Blocks of the database that were asked for since the statistics began.

    :param hits: found in shared buffers
    :param reads: not found there; the operating system may have had them
    """

    hits: int
    reads: int


@dataclass(frozen=True)
class Size:
    """Bytes of a table."""

    schema: str
    table: str
    total: int
    rows: int
    indexes: int
    toast: int


@dataclass(frozen=True)
class Sizes:
    """Bytes of the database and of its largest tables."""

    database: int
    tables: tuple[Size, ...]


@dataclass(frozen=True)
class Age:
    """How far a database is from running out of transaction ids.

    :param transactions: age of its oldest transaction id that is not frozen
    :param forced: the age at which a vacuum is forced
    :param multixacts: likewise of row locks shared by several transactions
    :param multixacts_forced: likewise
    """

    database: str
    transactions: int
    forced: int
    multixacts: int
    multixacts_forced: int


@dataclass(frozen=True)
class Bloats:
    """The bloat of the largest tables and indexes.

    :param relations: each with its kind, name and bytes
    """

    relations: tuple[tuple[str, str, int, Bloat], ...]


@dataclass(frozen=True)
class Transactions:
    """Who keeps dead rows from being cleaned up."""

    activity: Activity
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Statistics:
    """What was read of a server; a section that was not asked for or could not be read is None.

    :param place: its host, port and database
    :param limit: how many entries are told
    """

    place: str
    counter: Counter
    limit: int = 20
    cache: Cache | None = None
    sizes: Sizes | None = None
    tables: Tables | None = None
    bloat: Bloats | None = None
    wraparound: tuple[Age, ...] | None = None
    indexes: Indexes | None = None
    foreign_keys: tuple[ForeignKey, ...] | None = None
    transactions: Transactions | None = None
    replication: Replication | None = None

    @property
    def resource(self) -> str:
        """The server's name in evidence and coverage."""
        return f"{KIND}:{self.place}"
