"""Records of runs: listed, sealed where a run was killed, added to by people, copied to another store."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.copying import copy_all
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.notes import append_note
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.orphans import (
    is_running,
    seal_interrupted,
    unsealed,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import RECORD
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record_store import FolderStore, Store
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.sealing import Signer, open_store, signer_from
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.operator import operator_name
from opsbook.runner.settings import current_settings

ACTIONS = ("list", "seal", "append", "copy")


def add_command(commands: Any) -> None:
    """Add `records`."""
    command = commands.add_parser(
        "records", help="list the records of runs, seal those of runs that were killed, add to one, copy all",
        description="list: what was run. seal: write the records of runs that were killed, and seal what is not. append: "
                    "add what people found out to a record, as a signed entry of its own. copy: put all into another store.")
    command.add_argument("action", nargs="?", choices=ACTIONS, default="list")
    command.add_argument("record", nargs="?", metavar="ID", help="append: the record")
    command.add_argument("--record-dir", metavar="DIR", help="where records are kept, a folder or s3://bucket/prefix")
    command.add_argument("--text", help="append: what is to be said")
    command.add_argument("--root-cause", default="", metavar="TEXT", help="append: why it happened")
    command.add_argument("--action", action="append", default=[], metavar="TEXT", dest="actions",
                         help="append: what is to be done; may be given several times")
    command.add_argument("--to", metavar="DIR", help="copy: where to, a folder or s3://bucket/prefix")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    address = options.record_dir or str(current_settings().record_dir)
    try:
        if options.action == "append":
            return _append(options, address)
        if options.action == "copy":
            return _copy(options, address)
        return run(options.action, address)
    except OperationError as error:
        print(error, file=sys.stderr)
        return 1


def run(action: str, address: str) -> int:
    """List the records in a store, or seal the interrupted ones of a folder first.

    :param action: `list` or `seal`
    :returns: exit status; 1 where a record could not be sealed
    """
    folder = None if address.startswith("s3://") else Path(address)
    failed: dict[str, str] = {}
    if action == "seal" and folder is not None:
        failed = seal_interrupted(folder, configured_signer).failed
    store = open_store(address) if folder is None else FolderStore(folder)
    for record in store.ids():
        line = _line(store, record)
        if line:
            print(line)
    for path in unsealed(folder) if folder is not None else ():
        if path.name not in failed:
            print(f"{path.name}  {'running' if is_running(path) else 'not sealed'}")
    for name, reason in failed.items():
        print(f"{name}  {reason}")
    return 1 if failed else 0


def configured_signer() -> Signer:
    """Who signs here: the ledger's configuration says it."""
    return signer_from(current_settings().signing_key, os.environ)


def _append(options: argparse.Namespace, address: str) -> int:
    signer = configured_signer()
    entry = append_note(open_store(address), options.record or "", operator_name({}), options.text or "", signer,
                        options.root_cause, options.actions)
    print(f"Added {entry}. {signer.said}")
    return 0


def _copy(options: argparse.Namespace, address: str) -> int:
    to = options.to or current_settings().record_store
    if not to:
        raise OperationError("copy records", address, "nobody said where to", "Give --to.")
    copied = copy_all(open_store(address), open_store(to), configured_signer())
    print(f"{len(copied)} entries were copied from {address} to {to}")
    return 0


def _line(store: Store, record: str) -> str:
    try:
        found = json.loads(store.read(f"{record}/{RECORD}"))
        return _said(found)
    except OperationError:
        return ""  # A run without a record, which is named among those not sealed.
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{record}  cannot be read: {type(error).__name__}"


def _said(record: Mapping[str, Any]) -> str:
    if record.get("kind") == "investigation":
        what = str(record.get("verdict") or "no verdict")
    else:
        what = f"{sum(change['outcome'] == 'done' for change in record['changes']):>3} changes"
    return f"{record['id']}  {record['status']:<11}  {what}  {record['title']}"
