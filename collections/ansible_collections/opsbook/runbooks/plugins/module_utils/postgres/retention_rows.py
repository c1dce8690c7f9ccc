# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deleting the old rows of a table in batches, while others work with it.

A batch is a transaction of its own. Where an index leads with the rule's column it takes the next old rows, and elsewhere
the old ones of the next stretch in the order of the key. Rows that somebody else holds are left out and tried again at the
end. So are, of a table that refers to itself, those that rows outside of the batch refer to: as these go the rest is gone
through again. Nothing is kept outside of the database: what a killed run deleted is gone, what it did not come to is still
old.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable

from ..core.errors import OperationError, Stopped
from ..core.run import Run
from .connection import Connect, transactions
from .retention_counts import count_left, read_load
from .retention_rules import ATTEMPTED, Brakes, first_size, next_size, too_much
from .retention_statements import Place, delete_next, delete_stretch, next_place
from .retention_tables import Part, Target

PROGRESS_SECONDS = 5.0


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
            if target.own_references:
                _in_passes(walk)
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
            met, deleted, last = delete_next(cursor, walk.target, walk.part, after, size)
        _note(walk, deleted)
        # Rows that are kept by a trigger are met again: of so many of one moment there is no end.
        more, after = met == size and (deleted > 0 or last != after), last


def _by_key(walk: _Walk) -> None:
    after: Place = ()
    more = True
    # The walk may end where as many rows as were counted are met: the old ones are mostly the first.
    while more and walk.tally.deleted + _held(walk) < (walk.part.old or 0):
        with _batch(walk) as cursor:
            until = next_place(cursor, walk.part, after, walk.size)
            met, deleted = delete_stretch(cursor, walk.target, walk.part, after, until)
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


def _held_ones(walk: _Walk) -> None:
    """Try the stretches again that have rows left, from the last to the first: rows refer to earlier ones mostly."""
    held, walk.held = walk.held, []
    for after, until, _rows in reversed(held):
        with _batch(walk) as cursor:
            met, deleted = delete_stretch(cursor, walk.target, walk.part, after, until)
        _note(walk, deleted)
        _hold(walk, met - deleted, (after, until))
    walk.held.reverse()


def _in_passes(walk: _Walk) -> None:
    """Delete, as long as any can be, the rows that others of the same table referred to which are gone by now."""
    before = -1
    while walk.tally.deleted > before and (walk.part.by_column or walk.held):
        before = walk.tally.deleted
        (_by_column if walk.part.by_column else _held_ones)(walk)


def _again(walk: _Walk, seconds: float) -> None:
    """Try the rows again that were held, until none are or for as long as a lock is waited for."""
    def look() -> int:
        if walk.part.by_column:
            with walk.begin() as cursor:
                left = count_left(cursor, walk.target, walk.part)
            if left:
                _by_column(walk)
            return left
        _held_ones(walk)
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


_WAITING = """
SELECT count(*) FROM (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pid IS NOT NULL) AS waiting
WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))
"""
