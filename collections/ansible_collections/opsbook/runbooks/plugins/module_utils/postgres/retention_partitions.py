# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dropping a partition that is past its time: at once, and its space is given back.

Detaching it first (CONCURRENTLY) spares readers and writers of the table a lock, and takes steps that a kill may come
between: so the partition is marked (`retention_marks`) before the first and after it, and what the mark does not fit any
more is not dropped. Where nothing was begun the mark is taken back. Where detaching beside others is not possible, all is
done in one transaction, which locks the table for as long as it takes.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import OperationError, Stopped
from ..core.run import Run
from .connection import Connect, opened, outside_transaction, sql
from .retention_catalog import DETACH_CONCURRENTLY_SINCE
from .retention_counts import time_for
from .retention_marks import Mark, mark_of, why_not_ours, with_mark, without_mark, write_comment
from .retention_tables import ATTACHED, DETACHED, Part, Target

DROPPING = "drop a partition"
DROP = "DROP TABLE {part}"


def drop_partition(connect: Connect, run: Run, target: Target, part: Part) -> None:
    """Detach a partition and drop it; one that an earlier run began with is finished.

    :raises OperationError: when a lock is not granted in time, or rows elsewhere still refer to it
    """
    if part.fate == DETACHED:
        _drop(connect, run, target, part)
    elif part.fate == ATTACHED and target.locks:
        with opened(connect, DROPPING, part.named) as cursor:
            cursor.execute(_altered("ALTER TABLE {parent} DETACH PARTITION {part}", target, part))
            cursor.execute(_altered(DROP, target, part))
    else:
        _mark(connect, target, part)
        try:
            _detach(connect, run, target, part)
            run.may_change()
            _drop(connect, run, target, part)
        except OperationError as error:
            raise _how_far(connect, target, part, error) from error


def _mark(connect: Connect, target: Target, part: Part) -> None:
    """Mark the partition, unless the locks that detaching begins with are not to be had."""
    with opened(connect, DROPPING, part.named) as cursor:
        cursor.execute(_altered("LOCK TABLE ONLY {parent}, ONLY {part} IN SHARE UPDATE EXCLUSIVE MODE", target, part))
        comment = _entry(cursor, part)[2]
        write_comment(cursor, part.schema, part.name, with_mark(comment, Mark(target.quoted, part.quoted, part.oid)))


def _detach(connect: Connect, run: Run, target: Target, part: Part) -> None:
    """Detach it beside the work of others, and note that this was done here and what its entry is like now."""
    way = "CONCURRENTLY" if part.fate == ATTACHED else "FINALIZE"
    with outside_transaction(connect, run.deadline - run.clock.monotonic(), DROPPING, part.named) as cursor:
        cursor.execute(_altered("ALTER TABLE {parent} DETACH PARTITION {part} " + way, target, part))
    with opened(connect, DROPPING, part.named) as cursor:
        cursor.execute(_altered("LOCK TABLE ONLY {part} IN SHARE UPDATE EXCLUSIVE MODE", target, part))
        _attached, _pending, comment, version = _entry(cursor, part)
        mark = Mark(target.quoted, part.quoted, part.oid, version)
        write_comment(cursor, part.schema, part.name, with_mark(comment, mark))


def _drop(connect: Connect, run: Run, target: Target, part: Part) -> None:
    """Drop what is detached, if it is still what was marked and nobody has written to it what is to stay."""
    with opened(connect, DROPPING, part.named, time_for(connect, run)) as cursor:
        cursor.execute(_altered("LOCK TABLE {part} IN ACCESS EXCLUSIVE MODE", target, part))
        attached, _pending, comment, version = _entry(cursor, part)
        altered = why_not_ours(mark_of(comment), part.quoted, part.oid, version)
        altered = "somebody has attached it again" if attached else altered
        if altered:
            raise OperationError(DROPPING, part.named, altered, "Drop it or attach it again.")
        if part.fate == DETACHED:
            _refuse_young(cursor, target, part)
        cursor.execute(_altered(DROP, target, part))


def _refuse_young(cursor: Any, target: Target, part: Part) -> None:
    """Refuse to drop what somebody has written to since it was counted.

    :raises OperationError: when it holds a row that is not old
    """
    cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE ({} < {}) IS NOT TRUE)").format(
        _name(part), sql.Identifier(target.rule.column), sql.Literal(target.cutoff)))
    if cursor.fetchone()[0]:
        raise OperationError(DROPPING, part.named, "it holds rows that are not old: somebody wrote to it since it was "
                             "counted", f"Bring them to {target.named}, then run again.")


def _how_far(connect: Connect, target: Target, part: Part, error: OperationError) -> OperationError:
    """The error with how far it came; where nothing was begun the partition is marked no more."""
    try:
        with opened(connect, DROPPING, part.named) as cursor:
            attached, pending, comment, _version = _entry(cursor, part)
            if attached and not pending:
                write_comment(cursor, part.schema, part.name, without_mark(comment))
                return error
    except OperationError as second:
        return Stopped(DROPPING, part.named, f"{error.reason}. Then it could not be seen whether its detaching was begun, "
                       f"or the last line of its comment not be taken back: {second.reason}", error.advice)
    said = (f"Its detaching was begun: its rows may not be seen through {target.named} any more" if attached else
            f"It is detached from {target.named}, and was not dropped")
    return Stopped(DROPPING, part.named, f"{error.reason}. {said}",
                   f"{error.advice} Run again: it is finished then.".strip())


def _entry(cursor: Any, part: Part) -> tuple[bool, bool, str, str]:
    """Whether it is a partition now, whether its detaching was begun, its comment, and the version of its entry.

    :raises OperationError: when the name is another table's now
    """
    new = cursor.connection.server_version >= DETACH_CONCURRENTLY_SINCE
    cursor.execute(sql.SQL(_ENTRY).format(pending=sql.SQL("inhdetachpending" if new else "false")),
                   {"oid": part.oid, "schema": part.schema, "name": part.name})
    row = cursor.fetchone()
    if row is None:
        raise OperationError(DROPPING, part.named, "it is gone, or has another name now", "Look for who did that.")
    attached, pending, comment, version = row
    return attached, pending, comment, version


def _altered(text: str, target: Target, part: Part) -> Any:
    return sql.SQL(text).format(parent=sql.Identifier(target.schema, target.name), part=_name(part))


def _name(part: Part) -> Any:
    return sql.Identifier(part.schema, part.name)


_ENTRY = """
SELECT relispartition, coalesce((SELECT {pending} FROM pg_inherits WHERE inhrelid = pg_class.oid), false),
       coalesce(obj_description(pg_class.oid, 'pg_class'), ''), pg_class.xmin::text
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = %(oid)s AND nspname = %(schema)s AND relname = %(name)s
"""
