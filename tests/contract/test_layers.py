"""Who may import and do what: the library knows no Ansible, one file knows boto3, one place sleeps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.tree import LIBRARY, PLUGINS, relative

FILES = sorted(path for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")
ADAPTER = LIBRARY / "core" / "adapter.py"
# A program of its own, started as a child: it minds terraform when everything above it is killed.
MINDER = LIBRARY / "terraform" / "minder.py"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_only_the_adapter_knows_ansible(path: Path) -> None:
    known = [name for name in imports(path) if name == "ansible" or name.startswith("ansible.")]
    assert path == ADAPTER or known == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_only_the_client_imports_boto3(path: Path) -> None:
    known = [name for name in imports(path) if name.split(".")[0] in ("boto3", "botocore")]
    assert path == LIBRARY / "aws" / "client.py" or known == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_the_library_neither_prints_nor_sleeps_nor_ends_the_process(path: Path) -> None:
    if path == MINDER:
        pytest.skip("a child program, not library code")
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    forbidden = {"print", "time.sleep", "sys.exit", "os._exit", "exit"}
    assert not calls & forbidden
    assert "os.environ" not in text
    assert path == ADAPTER or not any(call.endswith(("fail_json", "exit_json")) for call in calls)


@pytest.mark.parametrize("path", sorted((PLUGINS / "module_utils" / "incident").glob("*.py")), ids=relative)
def test_records_need_the_standard_library_only(path: Path) -> None:
    import sys

    assert {name.split(".")[0] for name in imports(path)} <= sys.stdlib_module_names
