"""SQL is composed by psycopg2.sql, never from strings: no name and no value of a system becomes a part of a statement.

Where a name is composed in, values are too (`sql.Literal`): psycopg2 reads a statement that has parameters for `%s`, and so
takes a percent sign in a name for one more.
"""

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


def names_beside_parameters(tree: ast.AST) -> Iterator[ast.Call]:
    """Executions with parameters of a statement into which names are composed, also one that was put together before."""
    meanings = meanings_in(tree)
    for node in ast.walk(tree):
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EXECUTING
                and len(node.args) + len(node.keywords) > 1 and has_a_name(node.args[0], meanings, set())):
            yield node


def meanings_in(tree: ast.AST) -> dict[str, list[ast.AST]]:
    """What each name of a file may stand for: what is assigned to it, and what its function returns. Wherever that is."""
    found: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                found.setdefault(called(target), []).append(node.value)
        elif isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).extend(
                part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value)
    return found


def has_a_name(node: ast.AST, meanings: dict[str, list[ast.AST]], seen: set[str]) -> bool:
    """Whether an expression contains `sql.Identifier`, itself or in what its names stand for."""
    names = {called(part) for part in ast.walk(node)} - {""}
    if "Identifier" in names:
        return True
    new = names - seen
    seen |= new
    return any(has_a_name(meaning, meanings, seen) for name in new for meaning in meanings.get(name, []))


def called(node: ast.AST) -> str:
    """What a name or an attribute is called; empty for anything else."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_values_are_composed_in_where_names_are(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [f"line {node.lineno}" for node in names_beside_parameters(tree)] == []


COMPOSED = "sql.SQL('SELECT {}').format(sql.Identifier(name))"


@pytest.mark.parametrize(("code", "found"), [
    (f"cursor.execute({COMPOSED}, [1])", True), (f"cursor.execute({COMPOSED})", False),
    (f"cursor.execute({COMPOSED}, vars=[1])", True), (f"query = {COMPOSED}\ncursor.execute(query, [1])", True),
    ("parts = {'a': sql.Identifier(name)}\ncursor.execute(sql.SQL('SELECT {a}').format(**parts), [1])", True),
    (f"def made(): return {COMPOSED}\ncursor.execute(made(), [1])", True),
    ("self._table = sql.Identifier(name)\ncursor.execute(sql.SQL('SELECT {}').format(self._table), [1])", True),
    ("cursor.execute(sql.SQL('SELECT {}').format(sql.SQL(COLUMNS)), [1])", False),
    ("cursor.execute('SELECT %s', [1])", False), ("a = b\nb = a\ncursor.execute(a, [1])", False),
])
def test_the_search_for_names_finds_what_it_is_for(code: str, found: bool) -> None:
    assert bool(list(names_beside_parameters(ast.parse(code)))) is found


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
