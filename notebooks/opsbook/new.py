"""`new`: begin a new investigation from the template."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from opsbook.runner.notebooks import FOLDER

TEMPLATE = Path(__file__).with_name("template.ipynb")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def add_command(commands: Any) -> None:
    """Add `new`."""
    command = commands.add_parser("new", help="begin a new investigation from the template")
    command.add_argument("name", help="its name, in small letters with hyphens, as a question's noun: queue-backlog")
    command.add_argument("--title", default="", help="by default from the name")
    command.add_argument("--question", required=True, help="the question that it answers")
    command.add_argument("--ids", nargs="+", default=["000-00"], metavar="ID", help="ids of the procedures it carries out")
    command.add_argument("--folder", type=Path, default=FOLDER, help="where it goes (default: with the others)")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    path = options.folder / f"{options.name}.ipynb"
    if not NAME.fullmatch(options.name) or path.exists():
        why = "is there already" if path.exists() else "is no name in small letters with hyphens"
        print(f"{options.name} {why}: nothing was written", file=sys.stderr)
        return 2
    title = options.title or options.name.replace("-", " ").capitalize()
    content = from_template(options.name, title, options.question, options.ids)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path} is written. Open it in Jupyter, or run it as it is:\n"
          f"  python -m opsbook investigate {path} --system commerce")
    return 0


def from_template(name: str, title: str, question: str, ids: list[str]) -> dict[str, Any]:
    """A notebook like the template, with these words in their places."""
    content: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    words = {"TITLE": title, "QUESTION": question, "NAME": name}
    for number, cell in enumerate(content["cells"]):
        cell["source"] = [_filled(line, words) for line in cell["source"]]
        cell["id"] = hashlib.sha256(f"{name}:{number}".encode()).hexdigest()[:8]
    content["metadata"]["runbook"].update(title=title, question=question, ids=ids)
    return content


def _filled(line: str, words: dict[str, str]) -> str:
    return re.sub(r"\b(TITLE|QUESTION|NAME)\b", lambda found: words[found[1]], line)
