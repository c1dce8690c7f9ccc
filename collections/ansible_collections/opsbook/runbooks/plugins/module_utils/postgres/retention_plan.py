# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which old rows and partitions go, which stay and why: decided from what was read, without a server."""

from __future__ import annotations

from ..core.change import Change, Kept, Plan, no_undo
from ..core.coverage import Collected
from ..core.errors import Refused
from ..core.limits import Limits
from .retention_rules import ATTEMPTED, Retention
from .retention_tables import DETACHED, ROWS, Part, Target, Targets

NO_UNDO = no_undo("What is deleted is gone: only a dump or a snapshot made before has it.")


def plan_retention(collected: Collected[Targets], wanted: Retention, limits: Limits) -> Plan:
    """Decide what goes, in the order of the rules: rows that refer to others may have to go first.

    :raises Refused: where more of a table is old than may be
    """
    state = collected.state
    _refuse_too_much(state, wanted)
    changes: list[Change] = []
    kept: list[Kept] = []
    for target in state.targets:
        kept += [Kept(state.resource(one), one.reason) for one in target.left]
        for part in target.parts:
            reason = _why_kept(target, part, limits)
            if reason:
                kept.append(Kept(state.resource(part), reason))
            else:
                changes.append(_change(state, target, part))
    considered = sum(len(target.parts) for target in state.targets)
    return Plan((tuple(changes),) if changes else (), tuple(kept), considered, "tables and partitions")


def _refuse_too_much(state: Targets, wanted: Retention) -> None:
    said = [f"{target.named}: {old:,} of {rows:,} rows" for target in state.targets for old, rows in [_share(target)]
            if old * 100 > wanted.maximum_percent * rows]
    if said:
        raise Refused(ATTEMPTED, "; ".join(said), f"that is more than maximum_percent ({wanted.maximum_percent:g})",
                      "See whether the rule and the server's clock are right, and raise it if they are.")


def _share(target: Target) -> tuple[int, int]:
    """The old rows that would go, and all rows that were counted."""
    going = sum(part.old or 0 for part in target.parts if not part.obstacle and not _young(part))
    return going, sum(part.rows or 0 for part in target.parts)


def _why_kept(target: Target, part: Part, limits: Limits) -> str:
    if not part.concerned:
        return f"no row is older than {target.rule.older_than}"
    if part.obstacle:
        return part.obstacle
    if _young(part):
        return (f"an earlier run detached it from {target.named}, and rows of it are not older than "
                f"{target.rule.older_than}: attach it again, or drop it")
    return "protected" if limits.protects(part.named) or limits.protects(target.named) else ""


def _young(part: Part) -> bool:
    """Whether it is out of the table and has rows that are to stay: the rule is another one now."""
    return part.fate == DETACHED and part.old != part.rows


def _change(state: Targets, target: Target, part: Part) -> Change:
    before = {"rows": f"{target.rule.column} older than {target.rule.older_than}"}
    handle = {"target": target, "part": part}
    if part.fate == ROWS:
        return Change(state.resource(part), "delete", before, {"rows": None}, _deletion(target, part), NO_UNDO, handle)
    return Change(state.resource(part), "drop_partition", {"partition_of": target.named, **before}, None,
                  _drop(target, part), NO_UNDO, handle)


def _deletion(target: Target, part: Part) -> str:
    rows = f"delete {part.old:,} of {part.rows:,} rows of {part.named}, older than {target.rule.older_than}"
    fired = f"fires {', '.join(target.triggers)}" if target.triggers else ""
    more = f"deletes or changes rows of {', '.join(target.cascades)}" if target.cascades else ""
    return "; ".join(filter(None, (rows, fired, more)))


def _drop(target: Target, part: Part) -> str:
    if part.fate == DETACHED:
        return f"drop {part.named} with {part.rows:,} rows, which an earlier run detached from {target.named}"
    drop = (f"drop {part.named}, a partition of {target.named} with {part.rows:,} rows, "
            f"all older than {target.rule.older_than}")
    locks = f"locks {target.named} against all for a moment" if target.locks else ""
    quiet = f"does not fire {', '.join(target.triggers)}" if target.triggers else ""
    return "; ".join(filter(None, (drop, locks, quiet)))
