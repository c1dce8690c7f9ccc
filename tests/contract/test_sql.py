"""SQL is composed by psycopg2.sql, never from strings: no name and no value of a system becomes a part of a statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.tree import COLLECTION, relative

FILES = sorted((COLLECTION / "plugins" / "module_utils" / "postgres").glob("*.py"))
EXECUTING = {"execute", "executemany", "copy_expert"}
MAKING = {"format", "join", "replace"}


def strings_made(tree: ast.AST) -> Iterator[ast.expr]:
    """First arguments of `execute` and of `sql.SQL` that are put together as strings."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if node.func.attr in EXECUTING or node.func.attr == "SQL":
            yield from (part for part in ast.walk(node.args[0]) if is_made(part))


def is_made(node: ast.AST) -> bool:
    """Whether an expression makes a string of others: f-string, `%`, or `format` of anything but `sql.SQL(...)`."""
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MAKING:
        return not is_composed(node.func.value)
    return False


def is_composed(node: ast.AST) -> bool:
    """Whether an expression is a call of `sql.SQL`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "SQL"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_statement_is_put_together_from_strings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [f"line {node.lineno}" for node in strings_made(tree)] == []


@pytest.mark.parametrize(("code", "found"), [
    ("cursor.execute(f'SELECT {name}')", 1), ("cursor.execute('SELECT %s' % name)", 1),
    ("cursor.execute('SELECT {}'.format(name))", 1), ("cursor.execute(sql.SQL(f'SELECT {name}'))", 1),
    ("cursor.execute(sql.SQL('SELECT {}').format(sql.Identifier(name)))", 0), ("cursor.execute('SELECT %s', [name])", 0),
    ("cursor.execute(sql.SQL('A {}').format(sql.SQL(', ').join(parts)))", 0), ("cursor.execute(QUERY)", 0),
])
def test_the_search_finds_what_it_is_for(code: str, found: int) -> None:
    assert bool(list(strings_made(ast.parse(code)))) is bool(found)
