# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dropping a partition that is past its time: at once, and its space is given back.

Detaching it first (CONCURRENTLY) spares readers and writers of the table a lock, and takes steps that a kill may come
between: a comment on the partition is made before the first, and by it the next run finds one that is not part of the table
any more. Where that is not possible, both are done in one transaction, which locks the table for as long as it takes.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import OperationError, Stopped
from ..core.run import Run
from .connection import Connect, opened, outside_transaction, sql
from .retention_catalog import MARK
from .retention_tables import ATTACHED, DETACHED, Part, Target

DROPPING = "drop a partition"


def drop_partition(connect: Connect, run: Run, target: Target, part: Part) -> None:
    """Detach a partition and drop it; one that an earlier run began with is finished.

    :raises OperationError: when a lock is not granted in time, or rows elsewhere still refer to it
    """
    if part.fate == ATTACHED and target.locks:
        with opened(connect, DROPPING, part.named) as cursor:
            cursor.execute(_altered("ALTER TABLE {parent} DETACH PARTITION {part}", target, part))
            cursor.execute(_altered("DROP TABLE {part}", target, part))
        return
    if part.fate == DETACHED:
        with opened(connect, DROPPING, part.named) as cursor:
            _refuse_young(cursor, target, part)
            cursor.execute(_altered("DROP TABLE {part}", target, part))
        return
    _mark(connect, target, part)
    try:
        _detach(connect, run, target, part)
        run.may_change()
        with opened(connect, DROPPING, part.named) as cursor:
            cursor.execute(_altered("DROP TABLE {part}", target, part))
    except OperationError as error:
        raise Stopped(DROPPING, part.named, f"{error.reason}. Its detaching was begun: its rows may not be seen through "
                      f"{target.named} any more", f"{error.advice} Run again: it is finished then.".strip()) from error


def _detach(connect: Connect, run: Run, target: Target, part: Part) -> None:
    way = "CONCURRENTLY" if part.fate == ATTACHED else "FINALIZE"
    with outside_transaction(connect, run.deadline - run.clock.monotonic(), DROPPING, part.named) as cursor:
        cursor.execute(_altered("ALTER TABLE {parent} DETACH PARTITION {part} " + way, target, part))


def _mark(connect: Connect, target: Target, part: Part) -> None:
    """Note on the partition whose it was, below the comment that it has."""
    mark = f"{MARK}{target.quoted} until {part.until}"
    if part.comment.endswith(mark):
        return
    comment = "\n".join(filter(None, (part.comment, mark)))
    with opened(connect, DROPPING, part.named) as cursor:
        cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(_name(part), sql.Literal(comment)))


def _refuse_young(cursor: Any, target: Target, part: Part) -> None:
    """Refuse to drop what somebody has written to since it was detached.

    :raises OperationError: when it holds a row that is not old
    """
    cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(_name(part)))
    cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE ({} < {}) IS NOT TRUE)").format(
        _name(part), sql.Identifier(target.rule.column), sql.Literal(target.cutoff)))
    if cursor.fetchone()[0]:
        raise OperationError(DROPPING, part.named, "it holds rows that are not old: somebody wrote to it since it was "
                             "detached", f"Bring them to {target.named}, then run again.")


def _altered(text: str, target: Target, part: Part) -> Any:
    return sql.SQL(text).format(parent=sql.Identifier(target.schema, target.name), part=_name(part))


def _name(part: Part) -> Any:
    return sql.Identifier(part.schema, part.name)
