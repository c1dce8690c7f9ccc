"""What was asked for, before anything is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused

SYSTEM = "system"


@dataclass(frozen=True)
class Request:
    """One investigation that is asked for.

    :param notebook: its name or path
    :param parameters: as given, not validated
    :param inventory: inventories as ansible-playbook takes them; none: as the configuration says
    :param record_dir: folder that a folder per run is made in
    :param store: `s3://bucket/prefix` where the record is kept besides; empty: nowhere
    """

    notebook: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inventory: tuple[str, ...] = ()
    record_dir: Path = Path("records")
    store: str = ""

    @property
    def system(self) -> str:
        """The system that is looked at; empty where none was named."""
        return str(self.parameters.get(SYSTEM) or "")


def parameters_of(pairs: Sequence[Sequence[str]], files: Sequence[str], system: str) -> dict[str, Any]:
    """The parameters of a command line: files first, then each `-p`, then `--system`.

    :raises Refused: for a name that was given twice, or a file that is no mapping
    """
    read: dict[str, Any] = {}
    for path in files:
        read.update(_file(path))
    given = {pair[0]: pair[1] for pair in pairs}
    names = [pair[0] for pair in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if system and given.get(SYSTEM, system) != system:
        twice.append(SYSTEM)
    if twice:
        raise Refused("start the investigation", ", ".join(twice), "given more than once", "Give each parameter once.")
    return {**read, **given, **({SYSTEM: system} if system else {})}


def _file(path: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Refused("read the parameters", path, " ".join(str(error).split()),
                      "Give a YAML file with a mapping.") from error
    if not (isinstance(content, dict) and all(isinstance(name, str) for name in content)):
        raise Refused("read the parameters", path, "it holds no mapping of names to values", "Write `name: value` lines.")
    return content


def place_of(record: str, default: Path) -> tuple[Path, str]:
    """The folder and the store that `--record` means: a folder, or a place in S3 besides the usual folder."""
    return (default, record) if record.startswith("s3://") else (Path(record) if record else default, "")
