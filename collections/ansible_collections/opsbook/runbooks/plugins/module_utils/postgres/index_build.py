# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""REINDEX and DROP INDEX CONCURRENTLY, one after another, watched, and cleaned up after.

Both wait, without keeping anybody from work, until transactions that use the table are over; REINDEX also for every older
snapshot of the database, since one may need rows that the new index lacks. lock_timeout would end each such wait and leave
what took so long to build (measured with PostgreSQL 15 and 18): `_ccnew` where the new index was not yet in use, `_ccold`,
the old one, where it already was. So lock_timeout bounds how long the table is waited for, and wait_timeout the rest.

Two rebuilds at once would each need room, and wait for each other's snapshots; two of one table cannot be at all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

from ..core.change import Change
from ..core.errors import Missing, OperationError
from ..core.operation import Outcome
from ..core.run import Run
from .connection import Connect, opened, outside_transaction, sql
from .errors import QUERY_CANCELED, state_of
from .indexes import Index, collect_indexes, is_of, leftovers, unreadable
from .relations import TABLE_LOCKED

CLEANING_SECONDS = 5.0
"""How much of the time that is left is kept for removing what a rebuild leaves that does not end in time."""

AGAIN = "Run again: it is looked at anew."
LONGER = "See what it waited for (postgres_session_info); raise wait_timeout where it only needs longer."


def apply_build(connect: Connect, run: Run, place: str, change: Change) -> Outcome:
    """Drop or rebuild one index.

    :raises OperationError: when it is refused, or does not end in time; what a rebuild left behind is removed then, or named
    """
    index: Index = change.handle["index"]
    attempted = f"{change.action} an index"
    valid = _reserve(connect, index, attempted)
    if change.action == "drop":
        if valid:
            raise OperationError(attempted, index.named, "it is valid by now", AGAIN)
        if valid is not None:
            _watched(connect, run, _DROP, index, attempted, run.deadline - run.clock.monotonic(), [])
        return Outcome(change.resource)
    if valid is None:
        raise Missing(attempted, index.named, "it was dropped or rebuilt meanwhile", AGAIN)
    return _rebuild(connect, run, place, change, attempted)


def _rebuild(connect: Connect, run: Run, place: str, change: Change, attempted: str) -> Outcome:
    seen: list[str] = []
    seconds = run.deadline - run.clock.monotonic() - CLEANING_SECONDS
    try:
        _watched(connect, run, _REINDEX, change.handle["index"], attempted, seconds, seen)
    except OperationError as error:
        told = [error.reason.rstrip("."), *(f"at last: {phase}" for phase in seen[-1:])]
        told.append(_clean_up(connect, run, place, change))
        cancelled = error.__cause__ and state_of(error.__cause__) == QUERY_CANCELED
        raise type(error)(error.attempted, error.resource, "; ".join(told), LONGER if cancelled else error.advice) from error
    return Outcome(change.resource)


def _reserve(connect: Connect, index: Index, attempted: str) -> bool | None:
    """Wait for the table as the statement will; then whether the index is valid, None where it is gone.

    Nobody builds it while we look: who does holds the same lock. A materialized view and a TOAST table cannot be locked; for
    their indexes the look that the plan was made by has to do.
    """
    with opened(connect, attempted, index.named) as cursor:
        cursor.execute(_LOCKABLE, [index.table_oid])
        if not index.toast and cursor.fetchone() == (True,):
            cursor.execute(sql.SQL(_LOCK).format(sql.Identifier(index.schema, index.table)))
        cursor.execute(_VALID, [index.oid])
        row = cursor.fetchone()
    return None if row is None else bool(row[0])


def _watched(
    connect: Connect, run: Run, statement: str, index: Index, attempted: str, seconds: float, seen: list[str]
) -> None:
    """Carry out a statement that may take long; meanwhile the lease is renewed, and what it is at is told.

    :param seen: takes what it was at
    :raises OperationError: also when this run may not go on, after the statement was cancelled
    """
    with outside_transaction(connect, max(1.0, seconds), attempted, index.named) as cursor:
        cursor.execute("SET lock_timeout = 0")
        pid = cursor.connection.get_backend_pid()
        with ThreadPoolExecutor(1, "opsbook") as pool:
            working = pool.submit(cursor.execute, sql.SQL(statement).format(sql.Identifier(*index.key)))

            def look() -> bool:
                ended = working.done()
                seen.extend([] if ended else _progress(connect, pid, index))
                return ended

            try:
                run.poll(first_delay=0.05, longest_delay=5.0).until(
                    look, bool, lambda ended: f"{index.named}: {seen[-1]}" if seen else "")
            except BaseException:
                while not working.done():  # a request to cancel that comes before the statement is lost
                    cursor.connection.cancel()
                    wait([working], 1.0)
                raise
        working.result()


def _progress(connect: Connect, pid: int, index: Index) -> list[str]:
    """What a session that builds an index is at; nothing where that cannot be told."""
    try:
        with opened(connect, "look at a build", index.named) as cursor:
            cursor.execute(_PROGRESS, [pid])
            return [phase if not waits_for else f"{phase}, pid {waits_for}" for phase, waits_for in cursor.fetchall()]
    except OperationError as error:
        return [error.reason]


def _clean_up(connect: Connect, run: Run, place: str, change: Change) -> str:
    """Remove what our rebuild has left; what became of it, in words."""
    try:
        run.may_change()
        for left in _left_by(connect, run, place, change):
            with outside_transaction(connect, CLEANING_SECONDS, "drop an index", left.named) as cursor:
                cursor.execute(sql.SQL(_DROP).format(sql.Identifier(*left.key)))
    except OperationError as error:
        return f"what it has left is not removed yet ({error.reason.rstrip('.')}): the next run does it"
    return "nothing is left of it"


def _left_by(connect: Connect, run: Run, place: str, change: Change) -> list[Index]:
    """What a rebuild of this index has left that was not there before, once nobody builds it any more."""
    index: Index = change.handle["index"]

    def look() -> list[Index]:
        seen = collect_indexes(connect, run, place, [f"{index.schema}.{index.table}"]).state
        if unreadable(seen, seen.indexes):
            raise OperationError("look for what a rebuild has left", index.named, TABLE_LOCKED)
        return [left for left in leftovers(seen.indexes) if left.oid not in change.handle["known"] and is_of(left, index)]

    patience = run.poll(first_delay=0.05, longest_delay=0.5)
    waited = patience.until(look, lambda found: not any(left.being_built for left in found), lambda found: "")
    if not waited.done:
        raise OperationError("drop an index", index.named, "it is still being built")
    return waited.seen


_REINDEX = "REINDEX INDEX CONCURRENTLY {}"
_DROP = "DROP INDEX CONCURRENTLY {}"
_LOCKABLE = "SELECT relkind = 'r' FROM pg_class WHERE oid = %s"
_LOCK = "LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE"
_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = %s"
_PROGRESS = "SELECT phase, current_locker_pid FROM pg_stat_progress_create_index WHERE pid = %s"
