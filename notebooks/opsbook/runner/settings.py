"""Where records go and what signs them: the environment, else the same ansible.cfg that the ledger callback reads."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opsbook.runner.declared import CONFIGURATION, PROJECT

SECTION = "callback_ledger"
INVENTORY = "ANSIBLE_INVENTORY"


@dataclass(frozen=True)
class Settings:
    """What the ledger's settings say for investigations.

    :param record_dir: folder that a folder per run is made in
    :param signing_key: a reference; empty: records are not signed
    :param record_store: where finished records are kept besides; empty: nowhere
    """

    record_dir: Path
    signing_key: str
    record_store: str


def read_settings(environ: Mapping[str, str], folder: Path) -> Settings:
    """The settings as they are for a run that begins in a folder."""
    path = _configuration(environ, folder)
    parser = configparser.ConfigParser(interpolation=None)
    if path is not None:
        parser.read(path, encoding="utf-8")
    section = parser[SECTION] if parser.has_section(SECTION) else {}

    def setting(name: str, default: str = "") -> str:
        variable = f"OPSBOOK_{name.upper()}"
        said = environ[variable] if variable in environ else section.get(name, "")
        said = said or default
        return said.replace("{{CWD}}", str(folder)).replace("{{ANSIBLE_HOME}}", os.path.expanduser("~/.ansible"))

    return Settings(Path(setting("record_dir", "records")), setting("signing_key"), setting("record_store"))


def current_settings() -> Settings:
    """The settings for a run that begins here and now."""
    return read_settings(os.environ, Path.cwd())


def named_inventory(given: Sequence[str], environ: Mapping[str, str], project: Path = PROJECT) -> tuple[str, ...]:
    """The inventories that a command has to name so that it is about the same systems, wherever it is pasted.

    :param given: those of this run; none: what the environment says
    :returns: none for the checkout's own
    """
    chosen = tuple(given) or tuple(one.strip() for one in environ.get(INVENTORY, "").split(",") if one.strip())
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(project / "ansible.cfg", encoding="utf-8")
    own = [one.strip() for one in parser.get("defaults", "inventory", fallback="").split(",") if one.strip()]
    is_own = [os.path.abspath(one) for one in chosen] == [os.path.abspath(project / one) for one in own]
    return () if is_own else chosen


def _configuration(environ: Mapping[str, str], folder: Path) -> Path | None:
    usual = [folder / "ansible.cfg", PROJECT / "ansible.cfg"]
    places = [Path(environ[CONFIGURATION])] if environ.get(CONFIGURATION) else usual
    return next((place for place in places if place.is_file()), None)
