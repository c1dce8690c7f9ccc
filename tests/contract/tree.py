"""The tree as contract tests read it."""

from __future__ import annotations

import ast
import importlib
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.labs import ROOT

COLLECTION = ROOT / "collections" / "ansible_collections" / "opsbook" / "runbooks"
PLUGINS = COLLECTION / "plugins"
LIBRARY = PLUGINS / "module_utils"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
CONTROLLER_ONLY = {"guard", "guard_release"}


def tracked(*endings: str) -> list[Path]:
    """The files that git tracks, or would, by the end of their name."""
    said = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    return [ROOT / line for line in said.stdout.splitlines() if line.endswith(endings) and (ROOT / line).is_file()]


def module_source(name: str) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse((PLUGINS / "modules" / f"{name}.py").read_text(encoding="utf-8"))


def documentation(name: str) -> dict[str, Any]:
    """A module's DOCUMENTATION block."""
    plugin = importlib.import_module(f"ansible_collections.opsbook.runbooks.plugins.modules.{name}")
    loaded: dict[str, Any] = yaml.safe_load(plugin.DOCUMENTATION)
    return loaded


def is_changing(name: str) -> bool:
    """Whether a module is bounded by limits and the guard."""
    return "opsbook.runbooks.limits" in documentation(name)["extends_documentation_fragment"]


def relative(path: Path) -> str:
    """A path as people name it."""
    return str(path.relative_to(ROOT))
