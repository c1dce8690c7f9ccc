"""`list` and `describe`: which investigations there are, and what one takes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from opsbook.runner.notebooks import find_notebook, names


def add_command(commands: Any) -> None:
    """Add `list` and `describe`."""
    listed = commands.add_parser("list", help="list the investigations")
    listed.add_argument("--json", action="store_true", help="print front matters as JSON")
    listed.set_defaults(run=_list)
    described = commands.add_parser("describe", help="say what an investigation asks, takes and needs")
    described.add_argument("name", help="its name as `list` says it, or the path of an .ipynb file")
    described.add_argument("--json", action="store_true", help="print its front matter as JSON")
    described.set_defaults(run=_describe)


def question_of(name: str) -> str:
    """What an investigation answers.

    :raises OperationError: when there is no such notebook
    """
    return str(front_of(name)["question"])


def front_of(name: str) -> dict[str, Any]:
    """The front matter of an investigation with its defaults.

    :raises OperationError: when there is no such notebook, or its front matter is not as it must be
    """
    # Not above: `investigate` shares this command line, and its kernel is to start before Ansible is imported.
    from ansible_collections.opsbook.runbooks.plugins.plugin_utils.procedure import validate_notebook

    notebook = find_notebook(name)
    return validate_notebook(notebook.front, notebook.name)


def _list(options: argparse.Namespace) -> int:
    return _said(lambda: _listing(options.json))


def _describe(options: argparse.Namespace) -> int:
    return _said(lambda: json.dumps(front_of(options.name), indent=1) if options.json
                 else description(options.name, front_of(options.name)))


def _said(text: Any) -> int:
    try:
        print(text())
    except OperationError as error:
        print(error.message(), file=sys.stderr)
        return 2
    return 0


def _listing(as_data: bool) -> str:
    fronts = {name: front_of(name) for name in names()}
    if as_data:
        return json.dumps(fronts, indent=1)
    width = max((len(name) for name in fronts), default=0)
    return "\n".join(f"{name:<{width}}  {front['question']}" for name, front in fronts.items()) or "There are none."


def description(name: str, front: Mapping[str, Any]) -> str:
    """An investigation for a terminal."""
    lines = [f"{front['title']}: {front['question']}", "", f"  {' '.join(front['purpose'].split())}", "",
             f"  procedures    {', '.join(front['ids'])}",
             f"  usual length  {front['duration']}, at most {front['deadline']} ({front['cell_timeout']} a cell)",
             f"  needs         {', '.join(front['permissions']) or 'nothing'}", "", "  parameters:"]
    for parameter, spec in front["parameters"].items():
        lines += [f"    {parameter:<14}{_kind(spec)}", *_explained(spec)]
    return "\n".join([*lines, "", f"  python -m opsbook investigate {name} --system SYSTEM"])


def _kind(spec: Mapping[str, Any]) -> str:
    kind = f"{spec.get('type', 'str')}" + (f" of {spec['elements']}" if spec.get("elements") else "")
    parts = [kind, "required" if spec.get("required") else f"default {json.dumps(spec.get('default'))}"]
    if spec.get("choices"):
        parts.append(f"one of {', '.join(map(str, spec['choices']))}")
    if spec.get("no_log"):
        parts.append("secret: env:NAME, file:/path or secretsmanager:NAME[#field]")
    return ", ".join(parts)


def _explained(spec: Mapping[str, Any]) -> list[str]:
    said = spec.get("description") or ""
    return [f"{'':<18}{' '.join(str(line).split())}" for line in (said if isinstance(said, list) else [said]) if line]
