# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deleting old rows by rules, under load, in a way that a kill does no harm to (procedures 001-04, 001-13).

The seeds delete with one statement, which locks and logs as much as all rows together, and whose loss begins it anew. Here
rows go in small batches that stop for standbys and for those who wait, partitions go as a whole, and what is old is decided
once. Tables are worked on one after another, in the order of the rules: foreign keys may ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.change import Change, Plan
from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import OperationError
from ..core.evidence import Evidence
from ..core.operation import Operation, Outcome
from ..core.run import Run
from .connection import Connect, opened
from .retention_counts import (
    count_left,
    count_target,
    refuse_blind,
    refuse_cascades,
    size_of,
    time_for,
    with_heirs,
    with_references,
)
from .retention_partitions import drop_partition
from .retention_plan import plan_retention
from .retention_rows import Tally, delete_rows
from .retention_rules import Brakes, Retention
from .retention_tables import ROWS, Part, Target, Targets, read_targets
from .tables import KIND


def retain(connect: Connect, run: Run, place: str, wanted: Retention) -> Operation[Targets]:
    """The operation: delete what is older than the rules say.

    :param place: host, port and database of the server
    """
    tallies: dict[str, Tally] = {}
    return Operation(
        collect=lambda: collect_retention(connect, run, place, wanted),
        plan=lambda collected: plan_retention(collected, wanted, run.limits),
        apply=lambda change: apply_retention(connect, run, change, wanted.brakes, tallies),
        # In the order of the rules: foreign keys may ask for it.
        in_turn=lambda change: 0,
        verify=lambda collected, plan: verify_retention(connect, run, plan, tallies),
    )


def collect_retention(connect: Connect, run: Run, place: str, wanted: Retention) -> Collected[Targets]:
    """Read the tables that the rules name, and count their old rows.

    :raises Refused: for a table or column that is not there or not fit, for two rules on one table, for foreign keys that
        delete or change rows elsewhere, and where it could not be seen when to stop
    :raises OperationError: when the server gives no connection or no answer
    """
    with opened(connect, "read the tables of PostgreSQL", f"postgres:{place}") as cursor:
        found = read_targets(cursor, wanted.rules)
        refuse_blind(cursor, wanted.brakes, place)
    refuse_cascades(found, wanted)
    counted = [with_heirs(connect, run, count_target(connect, run, target), found) for target in found]
    held = [with_references(connect, run, target, counted[:number]) for number, target in enumerate(counted)]
    state = Targets(place, tuple(held))
    gaps = tuple(Gap(state.resource(part), part.obstacle) for target in held for part in target.parts
                 if part.obstacle and part.concerned)
    return Collected(state, run.now(), Coverage(tuple(f"{KIND}:{place}:{target.named}" for target in held), gaps))


def apply_retention(
    connect: Connect, run: Run, change: Change, brakes: Brakes, tallies: dict[str, Tally]
) -> Outcome:
    """Delete the old rows of a table, or drop a partition.

    :raises OperationError: when it is refused, or stopped in the middle, with how many rows were deleted before
    """
    target, part = change.handle["target"], change.handle["part"]
    if part.fate != ROWS:
        drop_partition(connect, run, target, part)
        return Outcome(change.resource, {"rows": part.rows})
    tally = tallies[change.resource] = Tally()
    delete_rows(connect, run, target, part, brakes, tally)
    return Outcome(change.resource, {"rows": tally.deleted, "batches": tally.batches})


def verify_retention(connect: Connect, run: Run, plan: Plan, tallies: Mapping[str, Tally]) -> list[Evidence]:
    """Count the old rows again; a partition that was dropped is not there any more."""
    return [_evidence(connect, run, change, tallies.get(change.resource)) for change in plan.changes]


def _evidence(connect: Connect, run: Run, change: Change, tally: Tally | None) -> Evidence:
    target, part = change.handle["target"], change.handle["part"]
    check, expected = ("old rows", "none left") if part.fate == ROWS else ("partition", "gone")
    try:
        with opened(connect, "read a table again", part.named, time_for(connect, run)) as cursor:
            actual, good = _rows(cursor, target, part, tally) if tally else _partition(cursor, part)
    except OperationError as error:
        return Evidence(check, change.resource, expected, error.message(), None)
    return Evidence(check, change.resource, expected, actual, good)


def _rows(cursor: Any, target: Target, part: Part, tally: Tally) -> tuple[dict[str, Any], bool]:
    left = count_left(cursor, target, part)
    freed = part.size * tally.deleted // part.rows if part.rows else 0
    actual = {"left": left, "deleted": tally.deleted, "batches": tally.batches, "before": target.cutoff,
              "bytes_before": part.size, "bytes_after": size_of(cursor, part),
              "space": f"about {freed:,} bytes are free for new rows of the table once it is vacuumed; none was given back "
                       "to the file system"}
    if left:
        referred = ", or rows of the table that stay refer to them" if target.own_references else ""
        actual["reason"] = (f"other sessions hold them, or a trigger keeps them{referred}" if tally.held
                            else "they came in meanwhile and were old already")
    return actual, not left


def _partition(cursor: Any, part: Part) -> tuple[dict[str, Any], bool]:
    cursor.execute("SELECT count(*) FROM pg_class WHERE oid = %s", [part.oid])
    gone = cursor.fetchone()[0] == 0
    space = f"{part.size:,} bytes were given back to the file system" if gone else "none was given back"
    return {"gone": gone, "rows": part.rows, "space": space}, gone
