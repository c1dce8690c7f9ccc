# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making, replacing and dropping a view (procedure 003-17): only what is a view, and never what depends on it.

CREATE OR REPLACE VIEW keeps owner, privileges and triggers, and resets the options that it is not given, which are given
here. A definition's mark goes into the comment in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.change import Change, Plan, Undo, one_step
from ..core.coverage import Collected
from ..core.errors import Denied, Missing, Refused
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import Operation, Outcome
from ..core.run import Run
from .connection import Connect, opened, sql
from .views import Desired, Seen, View, collect_view, comment_with, look_at_view, look_up_in, why_other

MODULE = "opsbook.runbooks.postgres_view"
RELATIONS = {"r": "a table", "p": "a table", "f": "a foreign table", "m": "a materialized view", "S": "a sequence",
             "i": "an index", "I": "an index", "c": "a type"}

COLUMNS_STAY = "PostgreSQL takes no column out of a view: where this added one, drop the view first, and what depends on it."
DROPPED_FOR_GOOD = "Its privileges, comment, options, triggers and owner do not come back."


def ensure_view(connect: Connect, run: Run, desired: Desired) -> Operation[Seen]:
    """The operation: the view is as wanted, or gone."""
    return Operation(
        collect=lambda: collect_view(connect, run, desired),
        plan=lambda collected: plan_view(collected, desired, run.limits),
        apply=lambda change: apply_view(connect, run, change),
        verify=lambda collected, plan: [verify_view(connect, desired)],
    )


def plan_view(collected: Collected[Seen], desired: Desired, limits: Limits) -> Plan:
    """Decide what is done to the view.

    :raises Refused: where something else has its name, something depends on it, or a column would go
    :raises Denied: where the role has no right to it
    """
    view, resource = collected.state.view, desired.resource
    if view.kind not in (None, "v"):
        raise Refused("manage a view", resource, f"{RELATIONS.get(str(view.kind), 'something else')} has this name",
                      "Choose another name; nothing but a view is ever replaced or dropped here.")
    why = why_other(view, desired)
    if not why:
        return Plan(considered=1, considered_as="views")
    if limits.protects(desired.named):
        raise Refused("manage a view", resource, "protected resources are never touched",
                      "Change `protected` where it is declared.")
    _refuse_unfit(collected.state, desired)
    return one_step([_change(view, desired, why)], [], 1, "views")


def apply_view(connect: Connect, run: Run, change: Change) -> Outcome:
    """Create, replace or drop the view, in one transaction.

    :raises OperationError: when it is refused
    """
    run.may_change()
    view, desired = change.handle["view"], change.handle["desired"]
    name = sql.Identifier(desired.schema, desired.name)
    with opened(connect, f"{change.action} a view", change.resource) as cursor:
        if desired.definition is None:
            cursor.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(name))
            return Outcome(change.resource)
        look_up_in(cursor, desired.schema, "public")
        cursor.execute(sql.SQL("CREATE OR REPLACE VIEW {} {} AS\n{}").format(
            name, _with_options(view.options), sql.SQL(desired.definition)))
        look_up_in(cursor)
        cursor.execute("SELECT pg_get_viewdef(to_regclass(%s)::oid)", [name.as_string(cursor)])
        comment = comment_with(view.comment, desired.definition, cursor.fetchone()[0])
        cursor.execute(sql.SQL("COMMENT ON VIEW {} IS {}").format(name, sql.Literal(comment)))
    return Outcome(change.resource)


def verify_view(connect: Connect, desired: Desired) -> Evidence:
    """Read the view again."""
    why = why_other(look_at_view(connect, desired), desired)
    expected = "no view" if desired.definition is None else f"made of the definition sha256:{desired.digest[:12]}"
    return Evidence("view", desired.resource, expected, why or expected, not why)


def _refuse_unfit(seen: Seen, desired: Desired) -> None:
    view, resource = seen.view, desired.resource
    if desired.definition is None:
        if view.dependents:
            raise Refused("drop a view", resource, f"it is used by {', '.join(view.dependents)}",
                          "Drop or change these first; what depends on a view is never dropped with it.")
        if not view.droppable:
            raise Denied("drop a view", resource, "the role owns neither it nor its schema", "Use the owner's role.")
        return
    if not view.schema_exists:
        raise Missing("create a view", resource, f"there is no schema {desired.schema}", "Create the schema first.")
    if not view.makeable:
        raise Denied("create or replace a view", resource, "the role may not create in the schema, or does not own the view",
                     "Grant CREATE on the schema; use the owner's role to replace a view.")
    other = [f"{name} {kind}" for (name, kind), new in _paired(view.columns, seen.new_columns or ()) if new != (name, kind)]
    if other:
        raise Refused("replace a view", resource, f"these columns would go or become others: {', '.join(other)}",
                      "PostgreSQL only adds columns at the end. Keep them, or drop the view first (state: absent).")


def _paired(old: Sequence[Any], new: Sequence[Any]) -> list[tuple[Any, Any]]:
    return [(column, new[number] if number < len(new) else None) for number, column in enumerate(old)]


def _change(view: View, desired: Desired, why: str) -> Change:
    resource = desired.resource
    arguments = {"schema": desired.schema, "name": desired.name}
    before = view.wording and {"definition": view.wording}
    handle = {"view": view, "desired": desired}
    if desired.definition is None:
        undo = Undo(MODULE, {**arguments, "definition": str(view.wording).strip().rstrip(";")}, DROPPED_FOR_GOOD)
        return Change(resource, "drop", before, None, f"drop the view {desired.named}", undo, handle)
    after = {"definition": desired.definition}
    if view.kind is None:
        return Change(resource, "create", None, after, f"create the view {desired.named}",
                      Undo(MODULE, {**arguments, "state": "absent"}), handle)
    undo = Undo(MODULE, {**arguments, "definition": str(view.wording).strip().rstrip(";")}, COLUMNS_STAY)
    return Change(resource, "replace", before, after, f"replace the view {desired.named}: {why}", undo, handle)


def _with_options(options: Sequence[str]) -> Any:
    """CREATE OR REPLACE resets the options that it is not given."""
    if not options:
        return sql.SQL("")
    pairs = [option.partition("=") for option in options]
    return sql.SQL("WITH ({})").format(sql.SQL(", ").join(
        [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, _equals, value in pairs]))
