# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which indexes are rebuilt, which are dropped, which stay and why (procedure 003-07). `index_build` does it.

The seed rebuilds whole tables' indexes, need or not, by a REINDEX that blocks writers. Here only what is bloated is rebuilt,
and concurrently; and what an earlier rebuild or build has left behind is removed, so that one which was killed is finished
by the next run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.change import Change, Kept, Plan, no_undo, one_step
from ..core.coverage import Collected, Coverage, Gap, merge_coverage
from ..core.errors import Refused
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import Operation
from ..core.run import Run
from ..core.sizes import MEBIBYTE, say_bytes
from .bloat import ESTIMATED, MEASURED, Bloat, Key, index_bloat
from .connection import Connect
from .index_build import apply_build
from .indexes import KIND, LEFTOVER, Index, Indexes, collect_indexes, leftovers, original_of, unreadable
from .relations import TABLE_LOCKED
from .tables import refuse_standby

NO_UNDO = no_undo("Nothing is lost: the index is made anew from its table.")


@dataclass(frozen=True)
class Rules:
    """Which indexes are worked on.

    :param tables: by name or pattern; their indexes are judged
    :param indexes: by name, rebuilt whatever they are like
    :param percent: at least so much of an index is wasted
    :param size: at least so many bytes are in an index
    :param invalid: "drop", "rebuild" or "keep"
    """

    tables: Sequence[str]
    indexes: Sequence[str] = ()
    percent: float = 30.0
    size: int = 10 * MEBIBYTE
    invalid: str = "drop"


@dataclass(frozen=True)
class Judged:
    """The indexes considered.

    :param seen: those of the tables chosen and those named
    :param named: which were asked for by name
    :param bloat: of those that it decides about
    """

    seen: Indexes
    named: frozenset[Key] = frozenset()
    bloat: Mapping[Key, Bloat] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What becomes of an index.

    :param action: "rebuild" or "drop"; empty where it stays
    :param reason: why
    """

    action: str
    reason: str


def rules_of(options: Mapping[str, Any]) -> Rules:
    """Check and read the rules of a module's options.

    :raises Refused: for a number that is none
    """
    rules = Rules(tuple(options["tables"]), tuple(options["indexes"]), options["minimum_bloat_percent"],
                  options["minimum_size"], options["invalid"])
    if not 0 < rules.percent <= 100 or rules.size < 0:
        raise Refused("rebuild indexes", "minimum_bloat_percent, minimum_size", f"{rules.percent:g} %, {rules.size} bytes",
                      "Give more than 0 and at most 100 percent, and no negative size.")
    return rules


def rebuild(connect: Connect, run: Run, place: str, rules: Rules) -> Operation[Judged]:
    """The operation: rebuild what is bloated, remove what a failed build has left.

    :param place: host, port and database of the server
    """
    return Operation(
        collect=lambda: collect_judged(connect, run, place, rules),
        plan=lambda collected: plan_rebuild(collected, rules, run.limits),
        apply=lambda change: apply_build(connect, run, place, change),
        # What is dropped makes room; then where most is wasted comes first.
        in_turn=lambda change: (change.action != "drop", -change.handle["wasted"]),
        verify=lambda collected, plan: verify_rebuild(connect, run, place, plan, rules),
    )


def collect_judged(connect: Connect, run: Run, place: str, rules: Rules) -> Collected[Judged]:
    """Read the indexes and how bloated they are. What cannot be told of one that is to be judged is a gap, and so is a
    right that is missing for one that needs work.

    :raises Refused: on a standby
    """
    chosen = collect_indexes(connect, run, place, rules.tables)
    refuse_standby(place, chosen.state.in_recovery, "rebuild indexes")
    every = collect_indexes(connect, run, place, ["*"] if rules.indexes else []).state.indexes
    named = frozenset(index.key for index in every if index.name in rules.indexes or index.named in rules.indexes)
    known = {index.key: index for index in (*chosen.state.indexes, *_with_leftovers(every, named))}
    indexes = tuple(known.values())
    bloat = index_bloat(connect, place, [index for index in indexes if index.key not in named and is_judged(index, rules)])
    judged = Judged(replace(chosen.state, indexes=indexes), named, bloat)
    gaps = [Gap(f"{KIND}:{place}:{name}", "there is no such index") for name in dict.fromkeys(rules.indexes)
            if not any(name in (index.name, index.named) for index in indexes)]
    gaps += [*unreadable(judged.seen, indexes), *(gap for index in indexes for gap in _gaps(judged, index, rules))]
    return Collected(judged, chosen.now, merge_coverage([chosen.coverage, Coverage((), tuple(gaps))]))


def _with_leftovers(indexes: Sequence[Index], named: frozenset[Key]) -> list[Index]:
    originals = {left.key: original_of(left, indexes) for left in leftovers(indexes)}
    return [index for index in indexes
            if index.key in named or ((original := originals.get(index.key)) and original.key in named)]


def is_judged(index: Index, rules: Rules) -> bool:
    """Whether its bloat decides."""
    return (index.method == "btree" and index.valid and not index.partitioned and not index.exclusion
            and bool(index.definition) and index.size >= rules.size)


def plan_rebuild(collected: Collected[Judged], rules: Rules, limits: Limits) -> Plan:
    """Decide about each index."""
    judged, changes, kept = collected.state, [], []
    for index in judged.seen.indexes:
        resource, decision = judged.seen.resource(index), decide(judged, index, rules)
        if not decision.action:
            kept.append(Kept(resource, decision.reason))
        elif not _allowed(index, decision):
            kept.append(Kept(resource, _why_denied(judged, index, decision)))
        elif limits.protects(index.named):
            kept.append(Kept(resource, "protected"))
        else:
            changes.append(_change(judged, index, decision))
    return one_step(changes, kept, len(judged.seen.indexes), "indexes")


def decide(judged: Judged, index: Index, rules: Rules) -> Decision:
    """What becomes of an index, and why."""
    if index.partitioned:
        return Decision("", "it has no pages of its own; the indexes of its partitions are looked at one by one")
    if index.being_built:
        return Decision("", "a session builds it, or locks its table as one that does")
    if not index.definition:
        return Decision("", f"its definition cannot be read: {TABLE_LOCKED}")
    if not index.valid:
        return _decide_invalid(judged, index, rules)
    if index.exclusion:
        return Decision("", "PostgreSQL rebuilds the index of an exclusion constraint in no way that lets writers go on")
    if index.key in judged.named:
        return Decision("rebuild", "asked for by name")
    if index.method != "btree":
        return Decision("", f"of the method {index.method} the bloat is not known; it is rebuilt where `indexes` names it")
    if index.size < rules.size:
        return Decision("", "smaller than minimum_size")
    bloat = judged.bloat[index.key]
    if bloat.percent is None:
        return Decision("", f"its bloat is not known: {bloat.reason}")
    said = f"{bloat.percent:g} % of {say_bytes(index.size)} wasted ({bloat.method})"
    return Decision("rebuild", said) if bloat.percent >= rules.percent else Decision("", f"no need: {said}")


def _decide_invalid(judged: Judged, index: Index, rules: Rules) -> Decision:
    if rules.invalid == "keep":
        return Decision("", "it is not valid, and is kept as was asked")
    if LEFTOVER.fullmatch(index.name):
        original = original_of(index, judged.seen.indexes)
        return Decision("drop", f"a rebuild of {original.named} left it behind") if original else Decision(
            "", "it is not valid, a rebuild left it behind, and no valid index does the same: make the right one first")
    if rules.invalid == "rebuild" or index.key in judged.named:
        return Decision("rebuild", "it is not valid: its build failed")
    if index.constraint or index.attached:
        return Decision("", "it is not valid, and belongs to a constraint or a partitioned index: only a rebuild helps")
    return Decision("drop", "it is not valid: its build failed, and no query uses it")


def verify_rebuild(connect: Connect, run: Run, place: str, plan: Plan, rules: Rules) -> list[Evidence]:
    """Read the indexes again: what was dropped is gone, what was rebuilt is valid, the same, and not bloated."""
    if not plan.changes:
        return []
    tables = dict.fromkeys(f"{index.schema}.{index.table}" for index in (change.handle["index"] for change in plan.changes))
    seen = {index.key: index for index in collect_indexes(connect, run, place, tuple(tables)).state.indexes}
    now = {change.resource: seen.get(change.handle["index"].key) for change in plan.changes}
    bloat = index_bloat(connect, place, [index for index in now.values() if index and is_judged(index, rules)])
    return [_gone(change, now[change.resource]) if change.action == "drop"
            else _rebuilt(change, now[change.resource], bloat, rules) for change in plan.changes]


def _gone(change: Change, now: Index | None) -> Evidence:
    there = now is not None and now.oid == change.handle["index"].oid
    return Evidence("index", change.resource, "gone", "there" if there else "gone", not there)


def _rebuilt(change: Change, now: Index | None, bloat: Mapping[Key, Bloat], rules: Rules) -> Evidence:
    before: Index = change.handle["index"]
    judged = change.handle["judged"]
    expected = "valid, the same definition" + (f", less than {rules.percent:g} % wasted" if judged else "")
    if now is None:
        return Evidence("index", change.resource, expected, "gone", False)
    if not now.definition:
        return Evidence("index", change.resource, expected, f"it cannot be read: {TABLE_LOCKED}", None)
    found = bloat.get(now.key, Bloat(None, None, None))
    actual = {"valid": now.valid, "same definition": now.definition == before.definition, "bytes before": before.size,
              "bytes": now.size, "percent wasted": found.percent, "method": found.method}
    ok = now.valid and now.definition == before.definition
    if judged and (found.percent or 0.0) >= rules.percent:
        # Writers may have bloated it meanwhile; an estimate that says so of a new index would say so in each run.
        ok = ok and found.method != ESTIMATED and now.size < before.size
        actual["reason"] = DISTRUST if found.method == ESTIMATED else "it grew again while it was rebuilt"
    return Evidence("index", change.resource, expected, actual, ok)


DISTRUST = ("it was made anew just now, so the estimate cannot be trusted for this index: install the extension pgstattuple "
            "and let the role run it, or put the index under `protected`, else each run rebuilds it")


def _allowed(index: Index, decision: Decision) -> bool:
    return index.maintainable if decision.action == "rebuild" else index.droppable


def _gaps(judged: Judged, index: Index, rules: Rules) -> list[Gap]:
    decision, resource = decide(judged, index, rules), judged.seen.resource(index)
    if decision.action:
        # Nobody asked for a TOAST table's index, and a superuser alone can name one.
        asked = index.key in judged.named or not index.toast
        return [Gap(resource, _why_denied(judged, index, decision))] if asked and not _allowed(index, decision) else []
    bloat = judged.bloat.get(index.key)
    return [Gap(resource, decision.reason)] if bloat and bloat.percent is None else []


def _why_denied(judged: Judged, index: Index, decision: Decision) -> str:
    needed = "the schema, and to own the table, or MAINTAIN on it (PostgreSQL 17)"
    if decision.action == "drop":
        needed = "the schema, and to own the table or the schema; MAINTAIN does not do"
    if index.toast:
        needed = "the schema pg_toast, which a superuser has; REINDEX TABLE CONCURRENTLY of its table takes it along"
    return f"{judged.seen.role} may not {decision.action} it ({decision.reason}): it needs USAGE of {needed}"


def _change(judged: Judged, index: Index, decision: Decision) -> Change:
    resource, name = judged.seen.resource(index), index.named
    bloat = judged.bloat.get(index.key)
    wasted = (bloat.wasted or 0) if bloat else 0
    handle = {"index": index, "wasted": wasted, "judged": bloat is not None,
              "known": frozenset(left.oid for left in leftovers(judged.seen.indexes))}
    if decision.action == "drop":
        undo = no_undo(f"No module makes it again. The statement that would: {index.definition}")
        return Change(resource, "drop", {"valid": False, "definition": index.definition}, None,
                      f"drop {name}: {decision.reason}", undo, handle)
    before, after = ({"needs": "rebuild"}, {"needs": None}) if index.valid else ({"valid": False}, {"valid": True})
    # An estimate may claim too much; room that it promises may not be there.
    new = index.size - (wasted if bloat and bloat.method == MEASURED else 0)
    also = ", and WAL about as much again" if index.logged else ""
    summary = f"rebuild {name}: {decision.reason}; the new one needs up to {say_bytes(new)} before the old one goes{also}"
    return Change(resource, "rebuild", before, after, summary, NO_UNDO, handle)
