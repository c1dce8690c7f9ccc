# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs that ended without a record, or without its seal: killed before they came to it. Their journals are all it takes."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from ..core.permit import process_started
from .attestation import ATTESTATION
from .journal import read_journal
from .record import JOURNAL, RECORD
from .record_store import try_lock
from .sealing import finish_record, seal_run
from .signers import NOT_CONFIGURED, Signer, Unsigned


@dataclass(frozen=True)
class Sealed:
    """What sealing interrupted runs did.

    :param runs: ids of the runs whose record was written
    :param failed: id of a run to why its record could not be written
    :param attested: ids of records that were there and are sealed only now
    """

    runs: tuple[str, ...]
    failed: dict[str, str]
    attested: tuple[str, ...] = ()


def unsealed(records: Path) -> list[Path]:
    """Folders of runs that have a journal and no record: still running, or killed."""
    if not records.is_dir():
        return []
    return sorted(folder for folder in records.iterdir()
                  if (folder / JOURNAL).exists() and not (folder / RECORD).exists())


def unattested(records: Path) -> list[Path]:
    """Folders of runs that have a record and no attestation: killed just then, or from before there were attestations."""
    if not records.is_dir():
        return []
    return sorted(folder for folder in records.iterdir()
                  if (folder / RECORD).exists() and (folder / JOURNAL).exists() and not (folder / ATTESTATION).exists())


def is_running(folder: Path) -> bool:
    """Whether the ansible-playbook process of a run still lives, or may live on another machine."""
    events = read_journal(str(folder / JOURNAL))
    started = next((event for event in events if event["event"] == "run_started"), {})
    if started.get("machine", this_machine()) != this_machine():
        return True  # nobody can tell from here
    launcher = int(started.get("launcher") or 0)
    return bool(launcher) and process_started(launcher) == started.get("launcher_started")


def this_machine() -> str:
    """This machine since it was started: its name, and where the kernel tells it the id of this boot."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return f"{platform.node()} {boot}".strip()


def seal_interrupted(records: Path, signer: Callable[[], Signer] = lambda: Unsigned(NOT_CONFIGURED)) -> Sealed:
    """Write the records of all runs that were killed, and seal what is not; receipts they left are deleted.

    :param signer: who signs, asked only where there is something to seal
    """
    runs: list[str] = []
    attested: list[str] = []
    failed: dict[str, str] = {}
    for sort, folders, seal_one in ((runs, unsealed(records), _seal_killed), (attested, unattested(records), _attest)):
        for folder in folders:
            try:
                with _alone(folder) as mine:
                    if not mine or is_running(folder):
                        continue
                    trouble = seal_one(folder, signer())
                if trouble:
                    failed[folder.name] = trouble
                else:
                    sort.append(folder.name)
            except (OSError, ValueError, KeyError, TypeError) as error:
                failed[folder.name] = f"{type(error).__name__}: {error}"
    return Sealed(tuple(runs), failed, tuple(attested))


def _seal_killed(folder: Path, signer: Signer) -> str:
    for receipt in folder.glob(".receipt-*"):
        receipt.unlink(missing_ok=True)
    return seal_run(folder, signer)[1].trouble


def _attest(folder: Path, signer: Signer) -> str:
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return finish_record(folder, record, signer).trouble


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process is sealing this run at this moment: what one wrote, the other would alter."""
    handle = os.open(folder / JOURNAL, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield try_lock(handle) and not (folder / ATTESTATION).exists()
    finally:
        os.close(handle)
