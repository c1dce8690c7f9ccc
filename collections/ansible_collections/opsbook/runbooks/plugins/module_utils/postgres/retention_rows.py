# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deleting the old rows of a table in batches, while others work with it.

A batch is a transaction of its own. Where an index leads with the rule's column it takes the next old rows, and elsewhere
the old ones of the next stretch in the order of the key. Rows that somebody else holds are left out and tried again at the
end. Nothing is kept outside of the database: what a killed run deleted is gone, what it did not come to is still old.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable

from ..core.errors import OperationError, Stopped
from ..core.run import Run
from .connection import Connect, sql, transactions
from .retention_counts import count_left, read_load
from .retention_rules import ATTEMPTED, Brakes, first_size, next_size, too_much
from .retention_tables import Part, Target

PROGRESS_SECONDS = 5.0

Place = tuple[str, ...]
"""Where a walk by the key has come to: its values, as PostgreSQL writes them. Before the first row it is empty."""


@dataclass
class Tally:
    """What became of the rows of a part, also when the walk ends early.

    :param deleted: rows deleted
    :param held: old rows that somebody else held to the end
    :param batches: how many there were
    """

    deleted: int = 0
    held: int = 0
    batches: int = 0


@dataclass
class _Walk:
    """The walk through one part, on one connection."""

    begin: Callable[[], AbstractContextManager[Any]]
    run: Run
    target: Target
    part: Part
    brakes: Brakes
    tally: Tally
    size: int = 0
    said: float = 0.0
    held: list[tuple[Place, Place, int]] = field(default_factory=list)


def delete_rows(connect: Connect, run: Run, target: Target, part: Part, brakes: Brakes, tally: Tally) -> None:
    """Delete the old rows of a part. Rows that others hold are waited for as long as for a lock.

    :param tally: told what was done, batch after batch
    :raises Stopped: when no new batch may begin, or one failed after others were done
    :raises OperationError: when nothing was deleted
    """
    try:
        with transactions(connect, ATTEMPTED, part.named) as begin:
            walk = _Walk(begin, run, target, part, brakes, tally, first_size(brakes), run.clock.monotonic())
            (_by_column if part.by_column else _by_key)(walk)
            _again(walk, float(connect.options["lock_timeout"]))
    except OperationError as error:
        if not tally.deleted:
            raise _unbegun(error, part.named) from error
        raise Stopped(ATTEMPTED, part.named, f"{error.reason}. {tally.deleted:,} of {part.old:,} rows were deleted before",
                      f"{error.advice} Run again: it goes on where it stopped.".strip()) from error


def _unbegun(error: OperationError, resource: str) -> OperationError:
    """An error before which nothing was changed; one that only says so may not read as if something was."""
    if not isinstance(error, Stopped):
        return error
    return OperationError(error.attempted, resource, f"{error.reason}. Nothing was changed", error.advice)


def _by_column(walk: _Walk) -> None:
    after, more = "", True
    while more:
        size = walk.size
        with _batch(walk) as cursor:
            met, deleted, last = _delete_next(cursor, walk, after)
        _note(walk, deleted)
        # Rows that are kept by a trigger are met again: of so many of one moment there is no end.
        more, after = met == size and (deleted > 0 or last != after), last


def _by_key(walk: _Walk) -> None:
    after: Place = ()
    more = True
    # The walk may end where as many rows as were counted are met: the old ones are mostly the first.
    while more and walk.tally.deleted + _held(walk) < (walk.part.old or 0):
        with _batch(walk) as cursor:
            until = _until(cursor, walk, after)
            met, deleted = _delete_stretch(cursor, walk, after, until)
        _note(walk, deleted)
        _hold(walk, met - deleted, (after, until))
        more, after = bool(until), until


@contextmanager
def _batch(walk: _Walk) -> Iterator[Any]:
    """A transaction that begins when the server has time for it, and after which the size of the next is decided."""
    _ease(walk)
    begun = walk.run.clock.monotonic()
    with walk.begin() as cursor:
        yield cursor
        cursor.execute(_WAITING)
        waiting = cursor.fetchone()[0]
    walk.size = next_size(walk.size, walk.run.clock.monotonic() - begun, waiting, walk.brakes)


def _ease(walk: _Walk) -> None:
    """Wait while the server works too hard.

    :raises Stopped: when no batch may begin any more
    """
    def look() -> str:
        with walk.begin() as cursor:
            return too_much(read_load(cursor)[0], walk.brakes)

    waited = walk.run.poll(longest_delay=5.0).until(
        look, lambda why: not why, lambda why: f"{walk.part.named}: waiting, since {why}" if why else "")
    if not waited.done:
        raise Stopped(ATTEMPTED, walk.part.named, f"{waited.seen}, and time was up", "Run again when that is over.")
    walk.run.may_change()


def _until(cursor: Any, walk: _Walk, after: Place) -> Place:
    """The last row of the next stretch; nothing for one that goes to the end."""
    columns = [sql.Identifier("here", name) for name in walk.part.key]
    cursor.execute(sql.SQL(_UNTIL).format(
        values=sql.SQL(", ").join(sql.SQL("{}::text").format(column) for column in columns), table=_table(walk.part),
        stretch=_stretch(walk.part, after, ()), order=sql.SQL(", ").join(columns), skipped=sql.Literal(walk.size - 1)))
    return tuple(cursor.fetchone() or ())


def _delete_stretch(cursor: Any, walk: _Walk, after: Place, until: Place) -> tuple[int, int]:
    """Delete the old rows of a stretch that nobody holds; how many it had, and how many of them are gone."""
    cursor.execute(sql.SQL(_DELETE_STRETCH).format(
        table=_table(walk.part), stretch=_stretch(walk.part, after, until), old=_old(walk.target)))
    met, deleted = cursor.fetchone()
    return met, deleted


def _delete_next(cursor: Any, walk: _Walk, after: str) -> tuple[int, int, str]:
    """Delete the next old rows that nobody holds; how many were met, how many of them are gone, the last one's moment."""
    column = sql.Identifier("here", walk.target.rule.column)
    later = sql.SQL("{} >= {}").format(column, sql.Literal(after)) if after else sql.SQL("true")
    cursor.execute(sql.SQL(_DELETE_NEXT).format(
        table=_table(walk.part), column=column, later=later, old=_old(walk.target), size=sql.Literal(walk.size)))
    met, deleted, last = cursor.fetchone()
    return met, deleted, last or ""


def _again(walk: _Walk, seconds: float) -> None:
    """Try the rows again that were held, until none are or for as long as a lock is waited for."""
    def look() -> int:
        if walk.part.by_column:
            with walk.begin() as cursor:
                left = count_left(cursor, walk.target, walk.part)
            if left:
                _by_column(walk)
            return left
        held, walk.held = walk.held, []
        for after, until, _rows in held:
            with _batch(walk) as cursor:
                met, deleted = _delete_stretch(cursor, walk, after, until)
            _note(walk, deleted)
            _hold(walk, met - deleted, (after, until))
        return _held(walk)

    patience = walk.run.poll(longest_delay=1.0)
    patience.deadline = min(patience.deadline, walk.run.clock.monotonic() + seconds)
    walk.tally.held = patience.until(
        look, lambda held: not held,
        lambda held: f"{walk.part.named}: {held:,} old rows are held by others" if held else "").seen


def _note(walk: _Walk, deleted: int) -> None:
    tally, now = walk.tally, walk.run.clock.monotonic()
    tally.deleted += deleted
    tally.batches += 1
    if now - walk.said >= PROGRESS_SECONDS:
        walk.said = now
        walk.run.progress(f"{walk.part.named}: {tally.deleted:,} of {walk.part.old:,} old rows deleted")


def _hold(walk: _Walk, rows: int, stretch: tuple[Place, Place]) -> None:
    if rows:
        walk.held.append((*stretch, rows))


def _held(walk: _Walk) -> int:
    return sum(rows for _after, _until, rows in walk.held)


def _table(part: Part) -> Any:
    return sql.Identifier(part.schema, part.name)


def _old(target: Target) -> Any:
    return sql.SQL("{} < {}").format(sql.Identifier("here", target.rule.column), sql.Literal(target.cutoff))


def _stretch(part: Part, after: Place, until: Place) -> Any:
    """The condition of a stretch. A literal takes the type of the column that it is compared with."""
    key = sql.SQL(", ").join(sql.Identifier("here", name) for name in part.key)
    bounds = [sql.SQL("({}) {} ({})").format(key, sql.SQL(sign), sql.SQL(", ").join(map(sql.Literal, place)))
              for sign, place in ((">", after), ("<=", until)) if place]
    return sql.SQL(" AND ").join(bounds) if bounds else sql.SQL("true")


# In the ISO style dates come back as they went. A table that was never analyzed would be sorted, again and again, rather
# than read in the order of an index.
_SETTINGS = "SET LOCAL datestyle = 'ISO'; SET LOCAL enable_sort = off;"
_UNTIL = _SETTINGS + """
SELECT {values} FROM ONLY {table} AS here WHERE {stretch} ORDER BY {order} OFFSET {skipped} LIMIT 1
"""
# The place of a row that is locked does not change. One that somebody moved between the look and the lock is not deleted
# there: it is met again, and stays if it is old no more.
_DELETE_STRETCH = _SETTINGS + """
WITH free AS MATERIALIZED (
    SELECT ctid FROM ONLY {table} AS here WHERE {stretch} AND {old} FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM ONLY {table} AS here WHERE ctid = ANY (ARRAY(SELECT ctid FROM free)) AND {old} RETURNING 1
)
SELECT (SELECT count(*) FROM ONLY {table} AS here WHERE {stretch} AND {old}), (SELECT count(*) FROM gone)
"""
_DELETE_NEXT = _SETTINGS + """
WITH free AS MATERIALIZED (
    SELECT ctid, {column} AS moment FROM ONLY {table} AS here WHERE {later} AND {old} ORDER BY {column} LIMIT {size}
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM ONLY {table} AS here WHERE ctid = ANY (ARRAY(SELECT ctid FROM free)) AND {old} RETURNING 1
)
SELECT (SELECT count(*) FROM free), (SELECT count(*) FROM gone), (SELECT max(moment)::text FROM free)
"""
_WAITING = """
SELECT count(*) FROM (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pid IS NOT NULL) AS waiting
WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))
"""
