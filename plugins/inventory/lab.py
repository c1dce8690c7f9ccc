# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Inventory plugin: where the running lab is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = r"""
name: lab
short_description: Endpoints and credentials of the running lab
description:
  - Reads the status of the lab that C(python -m lab up) started and sets it as the variable C(lab) of the group
    C(systems). It adds no hosts; those are declared beside it, in V(inventory/lab).
  - When no lab is running it says so in a warning, with the command that starts one, and sets nothing.
  - The variable C(lab) holds what C(python -m lab status --json) prints - C(endpoints) (C(aws), C(postgres), C(redis),
    C(web), C(smtp), C(dns)), C(credentials), C(receivers), C(lock_table), C(record_bucket), C(folder) and more.
author:
  - opsbook contributors
options:
  plugin:
    description: Marks a file as meant for this plugin.
    type: str
    required: true
    choices: [lab]
  lab_name:
    description:
      - Name of the lab, that is its folder below V(.lab) in the checkout.
      - By default V(default).
    type: str
    env:
      - name: OPSBOOK_LAB
  lab_folder:
    description: Folder of the lab, for one that was started with C(--folder). Wins over O(lab_name).
    type: path
    env:
      - name: OPSBOOK_LAB_FOLDER
"""

EXAMPLES = r"""
# inventory/lab/lab.yml: the default lab, or the one that OPSBOOK_LAB or OPSBOOK_LAB_FOLDER names
plugin: lab

# A lab of its own, started with `python -m lab up --name drill`
# plugin: lab
# lab_name: drill
"""

GROUP = "systems"
VARIABLE = "lab"


def _lab_folders() -> ModuleType:
    """The lab's own knowledge of its folders, loaded by path: plugins must work without the checkout on sys.path."""
    path = Path(__file__).resolve().parents[2] / "lab" / "folders.py"
    spec = importlib.util.spec_from_file_location("opsbook_lab_folders", path)
    if spec is None or spec.loader is None:
        raise AnsibleParserError(f"inventory plugin lab: {path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Sets the status of the running lab on the group of systems."""

    NAME = "lab"

    def verify_file(self, path: str) -> bool:
        """Only files named lab.yml or lab.yaml are for this plugin."""
        return bool(super().verify_file(path)) and Path(path).name in ("lab.yml", "lab.yaml")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Read the status of the lab that the configuration or the environment names."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        folders = _lab_folders()
        try:
            folder = folders.lab_folder(self.get_option("lab_folder"), self.get_option("lab_name"), {})
            status = folders.running_status(folder)
        except folders.LabError as error:
            raise AnsibleParserError(f"inventory plugin lab: {error}") from error
        if status is None:
            self.display.warning(f"no lab is running in {folder}: start it with `{folders.lab_command('up', folder)}`")
            return
        self.inventory.add_group(GROUP)
        self.inventory.set_variable(GROUP, VARIABLE, status)
