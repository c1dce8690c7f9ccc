"""What the house asks of every file: size, names of functions, no secrets, no swallowed exceptions."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.contract.tree import relative, tracked

PYTHON = tracked(".py")
TEXT = tracked(".py", ".yml", ".yaml", ".md", ".json", ".toml", ".txt", ".cfg", ".tf", ".tfvars", "Makefile")
SECRETS = re.compile(r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----|xox[bp]-[0-9A-Za-z-]{10,}")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")


def is_test(path: Path) -> bool:
    return "tests" in path.parts


@pytest.mark.parametrize("path", [path for path in PYTHON if not is_test(path)], ids=relative)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300 or "/modules/" in str(path)
    long = [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or 0) - node.lineno > 44]
    assert long == []


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_no_exception_is_swallowed_whole(path: Path) -> None:
    silent = [node.lineno for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
              if isinstance(node, ast.ExceptHandler)
              and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
              and all(isinstance(item, ast.Pass | ast.Continue) for item in node.body)]
    assert silent == []


@pytest.mark.parametrize("path", TEXT, ids=relative)
def test_nothing_secret_and_nothing_unfinished(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not SECRETS.search(text)
    assert not UNFINISHED.search(text)


def test_constraints_name_no_registry() -> None:
    text = next(path for path in TEXT if path.name == "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--" not in text
