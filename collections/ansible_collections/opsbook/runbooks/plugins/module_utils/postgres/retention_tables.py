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
    Heir,
    Node,
    Reference,
    column_of,
    cutoff_of,
    find_tables,
    read_cascades,
    read_heirs,
    read_indexes,
    read_nodes,
    read_references,
    read_triggers,
)
from .retention_marks import mark_of, read_marked, why_not_ours
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
class Left:
    """A table that belongs to what a rule names and is left alone.

    :param named: its name with its schema
    """

    named: str
    reason: str


@dataclass(frozen=True)
class Target:
    """What a rule names.

    :param kind: the type of the rule's column
    :param cutoff: the moment before which a row is old
    :param locks: whether dropping a partition locks the whole table, since that cannot be done beside others' work
    :param triggers: those that a deletion fires
    :param cascades: tables whose rows are deleted or changed too
    :param heirs: tables that inherit from it, whose rows are left
    :param left: what else is left alone, or is once it was looked at
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
    heirs: tuple[Heir, ...] = ()
    left: tuple[Left, ...] = ()

    @property
    def named(self) -> str:
        """Its name with its schema."""
        return f"{self.schema}.{self.name}"

    @property
    def own_references(self) -> tuple[Reference, ...]:
        """The foreign keys by which its rows refer to each other."""
        return tuple(one for one in self.references if one.own)


@dataclass(frozen=True)
class Targets:
    """All that the rules name, in their order.

    :param place: host, port and database of the server
    """

    place: str
    targets: tuple[Target, ...]

    def resource(self, part: Part | Left) -> str:
        """A table's name in changes and evidence."""
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
    oid, schema, name, quoted, sort = table
    column = column_of(cursor, oid, rule.column)
    if column is None or column[1] not in TYPES:
        raise Refused(ATTEMPTED, f"{schema}.{name}.{rule.column}",
                      f"it is of type {column[1]}" if column else "there is no such column",
                      f"Name a column of one of the types {', '.join(TYPES)}.")
    number, kind = column
    cutoff = cutoff_of(cursor, kind, rule.age.total_seconds())
    nodes = read_nodes(cursor, oid, number, kind, cutoff)
    tables = [node.oid for node in nodes]
    cascades, references = read_cascades(cursor, tables), tuple(read_references(cursor, tables))
    locks = cursor.connection.server_version < DETACH_CONCURRENTLY_SINCE or any(
        node.default and node.level == 1 for node in nodes)
    # A partition that is dropped has no rows deleted, so nothing cascades from it: its detaching is refused instead.
    parts, left = _parts_of(nodes, not cascades, locks)
    found, altered = _detached_parts(read_marked(cursor, quoted, rule.column, kind, cutoff) if sort == "p" else [])
    # Rows that refer to others of the table are mostly later: their partition goes first, and what was begun before all.
    turned = parts[::-1] if any(one.own for one in references) else parts
    parts = sorted([*found, *turned], key=lambda part: part.fate not in (DETACHED, PENDING))
    return Target(rule, schema, name, quoted, kind, cutoff, locks, read_triggers(cursor, tables), cascades, references,
                  _with_keys(cursor, parts, rule), read_heirs(cursor, oid), (*left, *altered))


def _parts_of(nodes: Sequence[Node], dropping: bool, locks: bool) -> tuple[list[Part], list[Left]]:
    """What is dropped whole, and each other table with rows; what somebody else has begun to detach is left.

    :param dropping: whether what is past its time is dropped
    :param locks: whether that locks the table
    """
    table, fates = nodes[0].quoted, {}
    for node in nodes:
        if node.past and dropping:
            fates[node.oid] = PENDING if node.pending else ATTACHED
    foreign = {node.oid for node in nodes if node.pending and not (node.oid in fates and _is_ours(node, table))}
    parts, left = [], []
    for node in nodes:
        if node.oid in foreign:
            left.append(Left(f"{node.schema}.{node.name}", f"its detaching from {table} was begun, and not in order to drop "
                             "it by this rule: end it (ALTER TABLE ... DETACH PARTITION ... FINALIZE)"))
        elif node.oid in fates:
            below = [one for one in nodes if node.oid in (one.oid, one.branch)]
            parts.append(_part(node, fates[node.oid], _why_whole(below) or _why_not_beside(nodes, foreign, locks)))
        elif node.kind != "p" and not {node.branch} & (foreign | set(fates)):
            parts.append(_part(node, ROWS, _why_not(node)))
    return parts, left


def _is_ours(node: Node, table: str) -> bool:
    mark = mark_of(node.comment)
    return mark is not None and (mark.parent, mark.partition, mark.oid) == (table, node.quoted, node.oid)


def _detached_parts(found: Sequence[Sequence[Node]]) -> tuple[list[Part], list[Left]]:
    """What an earlier run detached and did not come to drop; what is not as that run left it stays."""
    parts, left = [], []
    for nodes in found:
        node = nodes[0]
        altered = why_not_ours(mark_of(node.comment), node.quoted, node.oid, node.version)
        if altered:
            left.append(Left(f"{node.schema}.{node.name}", f"{altered}: drop it or attach it again, or take the last line "
                             "of its comment away"))
        else:
            parts.append(_part(node, DETACHED, _why_whole(nodes)))
    return parts, left


def _part(node: Node, fate: str, obstacle: str) -> Part:
    unseen = _why_unseen(node)
    return Part(node.oid, node.schema, node.name, node.quoted, fate, countable=not unseen, obstacle=unseen or obstacle)


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
    begun = [node.quoted for node in below[1:] if node.pending]
    if begun:
        return f"it cannot be dropped: the detaching of {begun[0]} from it was begun"
    held_by = sorted({name for node in below for name in node.held_by})
    return f"it cannot be dropped, since others depend on it: {', '.join(held_by)}" if held_by else ""


def _why_not_beside(nodes: Sequence[Node], foreign: set[int], locks: bool) -> str:
    """Why none can be detached beside the work of others: PostgreSQL detaches one at a time."""
    begun = [node.quoted for node in nodes if node.oid in foreign and node.level == 1]
    return f"the detaching of {begun[0]} was begun and has to end before" if begun and not locks else ""


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
