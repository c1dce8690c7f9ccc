# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guard's receipt, and how a changing module's action fills the option `guard` from it.

A receipt is a file in the run's own record folder, mode 0600, deleted when the lock is released. The folder is known
from the ledger callback's memory, not from a variable, so `-e` cannot forge one; and its token is compared with the
lock's row before anything changes, so a file put there by somebody else is refused too.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible import context
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from ..module_utils.core.errors import Refused
from ..module_utils.core.lock_store import lease_length
from ..module_utils.core.permit import process_started
from ..module_utils.incident import journal
from .approval import approved_changes
from .events import label_of, name_of

INVENTORY_ONLY = frozenset({"opsbook_require_guard", "opsbook_lock", "opsbook_aws", "opsbook_environment", "system"})
"""Variables that decide about safety: inventory says them, never the command line."""

RECEIPT = ".receipt-"
"""How the name of a receipt's file begins."""

CONNECTION = ("region", "profile", "endpoint_url", "access_key", "secret_key", "session_token", "assume_role_arn",
              "external_id", "validate_certs", "aws_ca_bundle")
"""Options of the AWS connection that the lock's table is reached with: all there are."""


@dataclass(frozen=True)
class Receipt:
    """What the guard leaves for the operations of its run.

    :param run: the run's id
    :param system: the system that is locked
    :param token: the lease's secret token
    :param without_lock: why an emergency goes on without the lock; empty where it is held
    """

    run: str
    system: str
    token: str
    without_lock: str = ""

    def save(self) -> None:
        """Write the receipt into the running playbook's folder, readable by its owner only."""
        handle = os.open(_active_path(self.system), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)


def load_receipt(system: str) -> Receipt | None:
    """The receipt of the running playbook for one system, or None where there is none."""
    if journal.active is None:
        return None
    try:
        return Receipt(**json.loads(_path(run_folder(journal.active), system).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise Refused("read the guard's receipt", system, f"it is damaged ({error})",
                      "Start the procedure again.") from error


@contextlib.contextmanager
def turn(system: str) -> Iterator[None]:
    """One host of a system at a time, among the workers of the running playbook."""
    with _active_path(system).with_suffix(".turn").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def join(system: str, host: str) -> None:
    """Note that a host of this run works under its system's lock."""
    _member(system, host).touch(mode=0o600)


def leave(system: str, host: str) -> bool:
    """Note that a host is done; returns whether others of its system still work under the lock."""
    _member(system, host).unlink(missing_ok=True)
    path = _active_path(system)
    return any(path.parent.glob(f"{glob.escape(path.stem)}.host-*"))


def _member(system: str, host: str) -> Path:
    path = _active_path(system)
    return path.with_name(f"{path.stem}.host-{host.replace(os.sep, '_')}")


def _active_path(system: str) -> Path:
    path = receipt_path(system)
    if path is None:
        raise Refused("use the run lock", system, "the ledger keeps no journal of this run",
                      "Enable it: callbacks_enabled = opsbook.runbooks.ledger in ansible.cfg.")
    return path


def receipt_path(system: str) -> Path | None:
    """Where the receipt of the running playbook for one system is; None outside a run."""
    return _path(run_folder(journal.active), system) if journal.active is not None else None


def delete_receipt(system: str) -> None:
    """Forget a system's receipt; there being none is fine."""
    if journal.active is not None:
        _path(run_folder(journal.active), system).unlink(missing_ok=True)


def delete_receipts(folder: Path) -> None:
    """Forget all receipts of a run that ended: one is left where the play never came to releasing its lock."""
    for receipt in folder.glob(f"{RECEIPT}*"):
        receipt.unlink(missing_ok=True)


def run_folder(running: journal.Journal) -> Path:
    """The record folder of a running playbook."""
    return Path(running.path).parent


def extra_vars() -> dict[str, Any]:
    """What the command line gave with -e, AWX's launch variables among it."""
    if "extra_vars" not in context.CLIARGS:
        return {}
    return dict(load_extra_vars(DataLoader()))


def guard_option(task: Any, task_vars: Mapping[str, Any], templar: Any) -> dict[str, Any]:
    """The option `guard` of a changing module: receipt, lock, journal and launcher of this run.

    :raises Refused: when the command line sets what only the inventory may say
    """
    system = system_of(task_vars)
    required = _required(task_vars, templar)
    # Not simply the parent: where ansible-playbook died before this line, that is whoever adopts orphans.
    launcher = journal.active.owner if journal.active else os.getppid()
    option: dict[str, Any] = {
        "system": system, "required": required, "operation": str(task.action).rpartition(".")[2],
        "task": name_of(task), "item": item_of(task, task_vars, templar),
        "launcher": launcher, "launcher_started": process_started(launcher),
        "task_timeout": float(task.timeout or 0) or None,
    }
    if journal.active is not None:
        option["journal"] = journal.active.path
    given = extra_vars()
    if "approved_plan" in given:
        option["approved_plan"] = approved_changes(str(given["approved_plan"]), system, option["task"], option["item"])
    receipt = load_receipt(system)
    if receipt is not None:
        option.update(run=receipt.run, token=receipt.token, store=lock_store(task_vars, templar),
                      without_lock=receipt.without_lock)
    return option


def lock_store(task_vars: Mapping[str, Any], templar: Any) -> dict[str, Any] | None:
    """Where the system's lock is kept, with the connection to it, from inventory; None where none is declared."""
    lock = templar.template(task_vars.get("opsbook_lock")) or {}
    if not lock:
        return None
    return stored_lock(lock, templar.template(task_vars.get("opsbook_aws")) or {})


def stored_lock(lock: Mapping[str, Any], connection: Mapping[str, Any]) -> dict[str, Any]:
    """What `open_store` needs of inventory's lock and its AWS connection."""
    if lock.get("postgres"):
        return {"postgres": dict(lock["postgres"]), "lease_seconds": lease_length(lock)}
    store = {name: connection[name] for name in CONNECTION if connection.get(name) not in (None, "")}
    return {**store, "table": lock["table"], "lease_seconds": lease_length(lock)}


def system_of(task_vars: Mapping[str, Any]) -> str:
    """The system a host belongs to: a machine names it, a system is its own."""
    return str(task_vars.get("system") or task_vars.get("inventory_hostname", ""))


def item_of(task: Any, task_vars: Mapping[str, Any], templar: Any) -> str:
    """A loop's item as its result is labelled, empty outside a loop: the name an approval was given under."""
    item = task_vars.get(task_vars.get("ansible_loop_var", "item"))
    label = getattr(task.loop_control, "label", None)
    if label:
        return label_of(templar.template(label))
    return label_of(item)


def _required(task_vars: Mapping[str, Any], templar: Any) -> bool:
    forced = sorted(INVENTORY_ONLY & set(extra_vars()))
    if forced:
        raise Refused("use the command line's variables", ", ".join(forced), "only the inventory may set them",
                      "Leave them out of -e.")
    try:
        return bool(boolean(templar.template(task_vars.get("opsbook_require_guard", False))))
    except TypeError:
        # A word that is neither yes nor no is a mistake, and a mistake does not switch the guard off.
        return True


def _path(folder: Path, system: str) -> Path:
    return folder / f"{RECEIPT}{system.replace(os.sep, '_')}.json"
