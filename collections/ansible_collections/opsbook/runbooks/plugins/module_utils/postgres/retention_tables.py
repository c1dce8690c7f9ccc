# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tables that rules name, part by part: a partition that is past its time goes as a whole, of others the old rows.

What the role has no right to, or what hides rows from it, has that as its obstacle. The moment before which a row is old is
read from the server's clock once, and stays for the whole run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import Refused
from .retention_catalog import (
    DETACH_CONCURRENTLY_SINCE,
    TYPES,
    Node,
    Reference,
    column_of,
    cutoff_of,
    find_tables,
    read_cascades,
    read_detached,
    read_indexes,
    read_nodes,
    read_references,
    read_triggers,
)
from .retention_rules import ATTEMPTED, Rule, walk_of
from .tables import KIND

ROWS, ATTACHED, PENDING, DETACHED = "rows", "attached", "pending", "detached"
"""What a part is: a table whose old rows go one by one, or a partition that goes whole and how far that has come."""


@dataclass(frozen=True)
class Part:
    """A table that is worked on by itself: the one that a rule names, or a partition of it.

    :param fate: ROWS, or of a partition that is past its time as a whole ATTACHED, PENDING or DETACHED
    :param by_column: whether its rows are gone through in the order of the rule's column
    :param key: the columns in whose order they are gone through otherwise
    :param countable: whether the role sees all its rows
    :param obstacle: why it cannot be worked on
    :param rows: all its rows; None where they were not counted
    :param old: those that are old
    :param size: bytes with indexes
    """

    oid: int
    schema: str
    name: str
    quoted: str
    fate: str
    comment: str = ""
    until: str | None = None
    by_column: bool = False
    key: tuple[str, ...] = ()
    countable: bool = True
    obstacle: str = ""
    rows: int | None = None
    old: int | None = None
    size: int = 0

    @property
    def named(self) -> str:
        """Its name with its schema."""
        return f"{self.schema}.{self.name}"

    @property
    def concerned(self) -> bool:
        """Whether there is anything to do in it, as far as that is known."""
        return self.fate != ROWS or self.old != 0


@dataclass(frozen=True)
class Target:
    """What a rule names.

    :param kind: the type of the rule's column
    :param cutoff: the moment before which a row is old
    :param locks: whether dropping a partition locks the whole table, since that cannot be done beside others' work
    :param triggers: those that a deletion fires
    :param cascades: tables whose rows are deleted or changed too
    """

    rule: Rule
    schema: str
    name: str
    quoted: str
    kind: str
    cutoff: str
    locks: bool
    triggers: tuple[str, ...]
    cascades: tuple[str, ...]
    references: tuple[Reference, ...]
    parts: tuple[Part, ...]

    @property
    def named(self) -> str:
        """Its name with its schema."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Targets:
    """All that the rules name, in their order.

    :param place: host, port and database of the server
    """

    place: str
    targets: tuple[Target, ...]

    def resource(self, part: Part) -> str:
        """A part's name in changes and evidence."""
        return f"{KIND}:{self.place}:{part.named}"


def read_targets(cursor: Any, rules: Sequence[Rule]) -> tuple[Target, ...]:
    """Find what the rules name, nothing counted yet.

    :raises Refused: for a table or column that is not there or not fit, and for two rules on one table
    """
    cursor.execute("SET LOCAL datestyle = 'ISO'")
    names = find_tables(cursor)
    found = tuple(_target(cursor, _named(names, rule), rule) for rule in rules)
    meant = [name for target in found for name in {target.named, *(part.named for part in target.parts)}]
    twice = sorted({name for name in meant if meant.count(name) > 1})
    if twice:
        raise Refused(ATTEMPTED, ", ".join(twice), "two rules mean it", "Give one rule a table.")
    return found


def _named(names: Sequence[tuple[int, str, str, str, str]], rule: Rule) -> tuple[int, str, str, str, str]:
    """The one table that a rule means: by the name that SQL writes, else with its schema, else without."""
    for meant in ([one for one in names if one[3] == rule.table],
                  [one for one in names if f"{one[1]}.{one[2]}" == rule.table],
                  [one for one in names if one[2] == rule.table]):
        if len(meant) == 1:
            return meant[0]
        if meant:
            raise Refused(ATTEMPTED, rule.table, f"it may be any of {', '.join(one[3] for one in meant)}",
                          "Give the name with its schema, quoted as SQL writes it.")
    raise Refused(ATTEMPTED, rule.table, "there is no such table", "Check the name and the database.")


def _target(cursor: Any, table: tuple[int, str, str, str, str], rule: Rule) -> Target:
    oid, schema, name, quoted, _kind = table
    column = column_of(cursor, oid, rule.column)
    if column is None or column[1] not in TYPES:
        raise Refused(ATTEMPTED, f"{schema}.{name}.{rule.column}",
                      f"it is of type {column[1]}" if column else "there is no such column",
                      f"Name a column of one of the types {', '.join(TYPES)}.")
    number, kind = column
    cutoff = cutoff_of(cursor, kind, rule.age.total_seconds())
    nodes = read_nodes(cursor, oid, number, kind, cutoff)
    tables = [node.oid for node in nodes]
    cascades = read_cascades(cursor, tables)
    # A partition that is dropped has no rows deleted, so nothing cascades from it: its detaching is refused instead.
    parts = [_part(node, nodes, whole=node.past and not cascades) for node in nodes if _apart(node, nodes, not cascades)]
    parts += [_part(node, [node], whole=True) for node in read_detached(cursor, quoted, kind, cutoff)]
    locks = cursor.connection.server_version < DETACH_CONCURRENTLY_SINCE or any(
        node.default and node.level == 1 for node in nodes)
    return Target(rule, schema, name, quoted, kind, cutoff, locks, read_triggers(cursor, tables), cascades,
                  tuple(read_references(cursor, tables)), _with_keys(cursor, parts, rule))


def _apart(node: Node, nodes: Sequence[Node], dropping: bool) -> bool:
    """Whether a node is a part of its own: what is dropped whole is one, and else each table with rows."""
    dropped = {one.oid for one in nodes if one.past and dropping}
    return node.oid in dropped or (node.kind != "p" and node.branch not in dropped)


def _part(node: Node, nodes: Sequence[Node], whole: bool) -> Part:
    fate = ROWS
    if whole:
        fate = DETACHED if node.level == 0 else PENDING if node.pending else ATTACHED
    below = [one for one in nodes if one.oid == node.oid or (whole and one.branch == node.oid)]
    unseen = _why_unseen(node)
    return Part(node.oid, node.schema, node.name, node.quoted, fate, node.comment, node.until,
                countable=not unseen, obstacle=unseen or (_why_whole(below) if whole else _why_not(node)))


def _why_unseen(node: Node) -> str:
    if node.kind == "f":
        return "it is a foreign table: its rows are on another server"
    if node.hides:
        return "row-level security hides rows of it from the role: it needs BYPASSRLS, or to own the table"
    if not (node.usable and node.readable):
        return "the role may not read it: it needs USAGE of the schema and SELECT on the table"
    return ""


def _why_whole(below: Sequence[Node]) -> str:
    """Why a partition cannot be dropped, with what lies below it."""
    if not all(node.owned for node in below):
        return "the role may not drop it: it needs to own the table and the partition"
    held_by = sorted({name for node in below for name in node.held_by})
    return f"it cannot be dropped, since others depend on it: {', '.join(held_by)}" if held_by else ""


def _why_not(node: Node) -> str:
    if node.deletable and node.lockable:
        return ""
    return "the role may not delete its rows: it needs DELETE, and UPDATE on one column to lock them"


def _with_keys(cursor: Any, parts: Sequence[Part], rule: Rule) -> tuple[Part, ...]:
    indexes = read_indexes(cursor, [part.oid for part in parts])
    walked = []
    for part in parts:
        by_column, key = walk_of(indexes[part.oid], rule.column, rule.key)
        if part.fate == ROWS and not part.obstacle and not key and (rule.key or not by_column):
            raise Refused(ATTEMPTED, part.named,
                          "its rows are not told apart by the key given" if rule.key else
                          f"it has neither a primary key nor an index that leads with {rule.column}",
                          "Give as key the columns, none of them nullable, of a unique index over all rows.")
        walked.append(replace(part, by_column=by_column, key=key))
    return tuple(walked)
