# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last line of a partition's comment while it is being detached in order to be dropped.

A kill may come between detaching and dropping: by this line the next run finds what it may finish. It names the partition
as it was, and, once it is detached, the version of its entry in the catalog, which is another one after whatever somebody
alters: an archived partition, renamed or moved or attached elsewhere, is no leftover any more. What does not read as such a
line is somebody's comment.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .connection import sql
from .retention_catalog import Node, read_nodes

BEGINNING = "opsbook retention: "


@dataclass(frozen=True)
class Mark:
    """What the line says.

    :param parent: the table that it is or was a partition of, as SQL writes it
    :param partition: its own name likewise
    :param oid: its own
    :param version: of its entry in the catalog after it was detached; None before
    """

    parent: str
    partition: str
    oid: int
    version: str | None = None


def with_mark(comment: str, mark: Mark) -> str:
    """A comment that ends with the mark, in place of one that it ends with."""
    said = {"partition of": mark.parent, "partition": mark.partition, "oid": mark.oid, "detached as": mark.version}
    return "\n".join(filter(None, (without_mark(comment), BEGINNING + json.dumps(said, ensure_ascii=False))))


def without_mark(comment: str) -> str:
    """The comment as it was before."""
    return comment if mark_of(comment) is None else comment.rpartition("\n")[0]


def mark_of(comment: str) -> Mark | None:
    """The mark that a comment ends with; None where it ends with none."""
    line = comment.rpartition("\n")[2]
    if not line.startswith(BEGINNING):
        return None
    try:
        said = json.loads(line[len(BEGINNING):])
        mark = Mark(said["partition of"], said["partition"], said["oid"], said["detached as"])
    except (ValueError, TypeError, KeyError):  # no JSON, no object, or another one
        return None
    return mark


def why_not_ours(mark: Mark | None, partition: str, oid: int, version: str) -> str:
    """Why a table is not what an earlier run detached and left; empty where it is."""
    if mark is None:
        return "its comment does not say any more that it may be dropped"
    if mark.version is None:
        return "an earlier run ended before it was known whether that run or somebody else detached it"
    if (mark.partition, mark.oid, mark.version) != (partition, oid, version):
        return f"an earlier run detached it from {mark.parent} as {mark.partition}, and somebody has altered it since"
    return ""


def read_marked(cursor: Any, parent: str, column: str, kind: str, cutoff: str) -> list[list[Node]]:
    """Tables whose mark says that they were partitions of a table, each with the partitions that it has.

    :param parent: the table as SQL writes it
    :param column: the rule's; what lacks it was no partition of the table
    :param kind: the column's type
    """
    cursor.execute(_MARKED, {"column": column, "kind": kind, "beginning": BEGINNING})
    marks = [(oid, mark_of(comment)) for oid, comment in cursor.fetchall()]
    return [read_nodes(cursor, oid, NO_COLUMN, kind, cutoff) for oid, mark in marks if mark and mark.parent == parent]


def write_comment(cursor: Any, schema: str, name: str, comment: str) -> None:
    """Give a table a comment, or none."""
    cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(schema, name), sql.Literal(comment or None)))


NO_COLUMN = -1
"""The number of no column: of a table that is no partition any more the ranges of its own partitions do not matter."""

_MARKED = """
SELECT pg_class.oid::int8, description FROM pg_description JOIN pg_class ON pg_class.oid = objoid
JOIN pg_attribute ON attrelid = pg_class.oid AND attname = %(column)s AND atttypid = %(kind)s::regtype AND attnum > 0
WHERE classoid = 'pg_class'::regclass AND objsubid = 0 AND relkind IN ('r', 'p') AND NOT relispartition
AND position(%(beginning)s IN description) > 0 ORDER BY relname
"""
