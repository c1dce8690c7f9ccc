# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Foreign keys without an index on the side that refers: each delete or change of a row referred to reads the whole table.

An index serves when it is valid, a B-tree (or, for one column, a hash), begins with the key's columns in any order, and has
all rows that refer. One with the condition that its only column is not null has.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.coverage import Coverage, Gap
from .connection import Connect, opened, sql
from .relations import LOCKED, TABLE_LOCKED


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key that no index serves.

    :param table: that refers, with its schema
    :param columns: that refer
    :param referred: the other table, with its schema
    :param rows: of the table, by the server's estimate; None where it was never analyzed
    """

    name: str
    table: str
    columns: tuple[str, ...]
    referred: str
    rows: int | None


def collect_foreign_keys(connect: Connect, resource: str) -> tuple[tuple[ForeignKey, ...], Coverage]:
    """Read the foreign keys without an index, those of the largest tables first.

    :raises OperationError: when the server gives no connection or no answer
    """
    with opened(connect, "read the foreign keys of PostgreSQL", resource) as cursor:
        cursor.execute(sql.SQL(_UNSERVED).format(locked=sql.SQL(LOCKED)))
        seen = [(locked, ForeignKey(name, table, tuple(columns), referred, rows))
                for locked, name, table, columns, referred, rows in cursor.fetchall()]
    gaps = tuple(Gap(f"{resource} foreign key {key.name} of {key.table}",
                     f"which rows an index has cannot be read: {TABLE_LOCKED}") for locked, key in seen if locked)
    return tuple(key for locked, key in seen if not locked), Coverage((f"{resource} foreign keys",), gaps)


# Keys of partitions belong to that of their parent. An index's columns count from 0.
_UNSERVED = """
WITH {locked}
SELECT conrelid IN (SELECT oid FROM locked), conname::text, space.nspname || '.' || refers.relname,
       ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS key (number, place)
             JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place),
       other_space.nspname || '.' || referred.relname, CASE WHEN refers.reltuples >= 0 THEN refers.reltuples::bigint END
FROM pg_constraint
JOIN pg_class AS refers ON refers.oid = conrelid
JOIN pg_namespace AS space ON space.oid = refers.relnamespace
JOIN pg_class AS referred ON referred.oid = confrelid
JOIN pg_namespace AS other_space ON other_space.oid = referred.relnamespace
WHERE contype = 'f' AND conparentid = 0 AND NOT EXISTS (
    SELECT FROM pg_index
    JOIN pg_class AS index ON index.oid = indexrelid
    JOIN pg_am ON pg_am.oid = index.relam
    WHERE indrelid = conrelid AND indisvalid
      AND (amname = 'btree' OR (amname = 'hash' AND cardinality(conkey) = 1))
      AND indnkeyatts >= cardinality(conkey) AND (indkey::smallint[])[0:cardinality(conkey) - 1] @> conkey
      AND CASE WHEN indpred IS NULL THEN true
               WHEN cardinality(conkey) > 1 OR indrelid IN (SELECT oid FROM locked) THEN false
               ELSE pg_get_expr(indpred, indrelid) = (
                   SELECT format('(%I IS NOT NULL)', attname) FROM pg_attribute
                   WHERE attrelid = conrelid AND attnum = conkey[1]) END)
ORDER BY refers.reltuples DESC, 3, 2
"""
