"""Notebooks by name: where they are, and their front matter. Plain JSON: no notebook library is imported for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused

FOLDER = Path(__file__).resolve().parents[2]
"""Where the project keeps its investigations."""

FRONT = "runbook"


@dataclass(frozen=True)
class Notebook:
    """An investigation before it is run.

    :param name: what people call it, that of its file
    :param content: the notebook as it is in the file
    """

    name: str
    path: Path
    content: dict[str, Any]

    @property
    def front(self) -> Any:
        """The front matter as it is written, not validated."""
        return self.content["metadata"].get(FRONT)


def find_notebook(name: str, folder: Path = FOLDER) -> Notebook:
    """A notebook of the project by its name, or any by its path.

    :raises Refused: when there is none, or what is there is no notebook
    """
    is_path = name.endswith(".ipynb") or "/" in name
    path = Path(name) if is_path else folder / f"{name}.ipynb"
    if not path.is_file():
        known = ", ".join(names(folder)) or "none"
        raise Refused("find the investigation", name, "there is no such notebook",
                      f"There are {known}; or give the path of an .ipynb file.")
    return Notebook(path.stem, path, _read(path))


def names(folder: Path = FOLDER) -> list[str]:
    """The names of the project's investigations."""
    return sorted(path.stem for path in folder.glob("*.ipynb"))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused("read the notebook", str(path), f"{type(error).__name__}: {error}",
                      "Give a Jupyter notebook.") from error
    if not (isinstance(content, dict) and isinstance(content.get("cells"), list)
            and isinstance(content.get("metadata"), dict) and content.get("nbformat") == 4):
        raise Refused("read the notebook", str(path), "it is no notebook of format 4", "Give a Jupyter notebook.")
    return content
