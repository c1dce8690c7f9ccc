# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How large relations are, and which of them somebody locks against all (ACCESS EXCLUSIVE).

PostgreSQL lets whoever asks for a size, or for the definition of an index, wait for such a lock. One relation that a
stranger locks must not stand before all others, so nothing is asked of those that would wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .connection import sql

LOCKED = """locked AS MATERIALIZED (
    SELECT relation AS oid FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
      AND pid IS DISTINCT FROM pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
"""For a statement's WITH: relations that somebody locks against all, or waits to, behind whom all others wait too."""

WHY_LOCKED = "somebody locks it against all (ACCESS EXCLUSIVE)"
TABLE_LOCKED = "somebody locks its table against all (ACCESS EXCLUSIVE)"


@dataclass(frozen=True)
class Extent:
    """How large a table without its TOAST table, a TOAST table or an index is.

    :param main: bytes of its rows or entries; of one that is locked, as many as when they were last counted
    :param whole: bytes with the maps of free space and of visibility
    :param locked: whether somebody locks it against all
    """

    main: int = 0
    whole: int = 0
    locked: bool = False


def extents(cursor: Any, oids: Sequence[int]) -> dict[int, Extent]:
    """How large each is that is still there, by its oid."""
    cursor.execute(sql.SQL(_EXTENTS).format(locked=sql.SQL(LOCKED)), [list(oids)])
    return {oid: Extent(*rest) for oid, *rest in cursor.fetchall()}


_EXTENTS = """
WITH {locked}
SELECT oid, main, CASE WHEN held THEN main
    ELSE main + coalesce(pg_relation_size(oid, 'fsm'), 0) + coalesce(pg_relation_size(oid, 'vm'), 0) END, held
FROM pg_class
CROSS JOIN LATERAL (SELECT oid IN (SELECT oid FROM locked) AS held) AS asked
CROSS JOIN LATERAL (SELECT CASE WHEN held THEN relpages::bigint * current_setting('block_size')::int
                                ELSE coalesce(pg_relation_size(oid), 0) END AS main) AS counted
WHERE oid = ANY (%s::oid[])
"""
