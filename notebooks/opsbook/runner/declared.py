"""What the inventory declares for a system, as JSON: `python -m opsbook.runner.declared SYSTEM [-i INVENTORY]...`.

A process of its own: Ansible's configuration, plugins and warnings are no guests for a runner, let alone for a kernel.
`ansible-inventory --host` shows templates as they are written; here they are resolved, as a playbook would see them.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError, Refused

CONFIGURATION = "ANSIBLE_CONFIG"
PROJECT = Path(__file__).resolve().parents[3]

WITHHELD = frozenset({"notice_channels", "opsbook_lock", "opsbook_postgres_operator"})
"""Keys that an investigation has no use for: who only reads needs neither the operator's role nor the notices' addresses."""


def main(arguments: list[str] | None = None) -> int:
    """Print the declared keys of one system.

    :returns: exit status; 2 where the system is not known or a template does not resolve, with the reason on stderr
    """
    parser = argparse.ArgumentParser(prog="python -m opsbook.runner.declared", description=__doc__)
    parser.add_argument("system", help="a host of the inventory's group `systems`")
    parser.add_argument("-i", "--inventory", action="append", default=[], help="an inventory, as ansible-playbook takes it")
    options = parser.parse_args(arguments)
    # This process lives for half a second: looking for garbage would be a tenth of it.
    gc.disable()
    _choose_configuration()
    try:
        found, dropped = declared_by(options.system, tuple(options.inventory))
    except OperationError as error:
        print(error.message(), file=sys.stderr)
        return 2
    for name in dropped:
        print(f"left out, since it is kept in a vault: {name}", file=sys.stderr)
    json.dump(found, sys.stdout, default=str)
    return 0


def _choose_configuration() -> None:
    """The current folder's ansible.cfg, as Ansible chooses it; elsewhere that of this project, where there is one."""
    if not (CONFIGURATION in os.environ or Path("ansible.cfg").exists()) and (PROJECT / "ansible.cfg").exists():
        os.environ[CONFIGURATION] = str(PROJECT / "ansible.cfg")


def declared_by(system: str, sources: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    """The keys that a system declares, templates resolved, and the names of those that a vault keeps.

    :raises OperationError: for a system that the inventory does not know, or a template that does not resolve
    """
    # Ansible reads its configuration when it is imported.
    from ansible import constants
    from ansible.errors import AnsibleError
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar
    from ansible.vars.manager import VariableManager

    from ansible_collections.opsbook.runbooks.plugins.plugin_utils.declared import KEYS, refuse_unresolved

    loader = DataLoader()
    try:
        inventory = InventoryManager(loader=loader, sources=list(sources or constants.DEFAULT_HOST_LIST))
        host = _host(inventory, system)
        variables = VariableManager(loader=loader, inventory=inventory).get_vars(host=host)
    except AnsibleError as error:
        raise Refused("read the inventory", system, " ".join(str(error).split()), "Mend it and run again.") from error
    plain, dropped = without_vault(variables, _is_vaulted)
    templar = Templar(loader=loader, variables=plain)
    wanted = {name: plain[name] for name in KEYS if name in plain and name not in WITHHELD}
    refuse_unresolved(system, wanted, templar.template)
    return _plain({name: templar.template(value) for name, value in wanted.items()}), dropped


def _host(inventory: Any, system: str) -> Any:
    known = sorted(str(host) for host in inventory.groups["systems"].get_hosts()) if "systems" in inventory.groups else []
    if system not in known:
        raise Refused("find the system", system or "none was named", "the inventory does not know it",
                      f"It knows {', '.join(known)}." if known else "It has no group `systems`.")
    return inventory.get_host(system)


def without_vault(
    variables: Mapping[str, Any], is_vaulted: Callable[[Any], bool]
) -> tuple[dict[str, Any], list[str]]:
    """Variables with None for everything that a vault keeps, also deep inside, and the names of those that had any."""
    cleaned, dropped = {}, []
    for name, value in variables.items():
        found: list[Any] = []
        cleaned[name] = _without(value, is_vaulted, found)
        if found:
            dropped.append(name)
    return cleaned, dropped


def _without(value: Any, is_vaulted: Callable[[Any], bool], found: list[Any]) -> Any:
    if is_vaulted(value):
        found.append(value)
        return None
    if isinstance(value, Mapping):
        # A copy only where something is taken out: Ansible's own mappings know where they come from.
        parts = {key: _without(part, is_vaulted, found) for key, part in value.items()}
        return parts if any(parts[key] is not part for key, part in value.items()) else value
    if isinstance(value, list):
        items = [_without(part, is_vaulted, found) for part in value]
        return items if any(one is not other for one, other in zip(items, value, strict=True)) else value
    return value


def _is_vaulted(value: Any) -> bool:
    from ansible.parsing.vault import VaultHelper

    return VaultHelper.get_ciphertext(value, with_tags=False) is not None


def _plain(value: Any) -> Any:
    """Without Ansible's own kinds of text and lists."""
    return json.loads(json.dumps(value, default=str))


if __name__ == "__main__":
    sys.exit(main())
