# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs that ended without a record: killed before they could write it. Their journals are all it takes."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from ..core.permit import process_started
from .journal import read_journal
from .record import JOURNAL, RECORD, seal


@dataclass(frozen=True)
class Sealed:
    """What sealing interrupted runs did.

    :param runs: ids of the runs whose record was written
    :param failed: id of a run to why its record could not be written
    """

    runs: tuple[str, ...]
    failed: dict[str, str]


def unsealed(records: Path) -> list[Path]:
    """Folders of runs that have a journal and no record: still running, or killed."""
    if not records.is_dir():
        return []
    return sorted(folder for folder in records.iterdir()
                  if (folder / JOURNAL).exists() and not (folder / RECORD).exists())


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


def seal_interrupted(records: Path) -> Sealed:
    """Write the records of all runs that were killed; receipts they left are deleted, their leases expire."""
    runs: list[str] = []
    failed: dict[str, str] = {}
    for folder in unsealed(records):
        try:
            if is_running(folder):
                continue
            for receipt in folder.glob(".receipt-*"):
                receipt.unlink(missing_ok=True)
            seal(folder)
            runs.append(folder.name)
        except (OSError, ValueError, KeyError, TypeError) as error:
            failed[folder.name] = f"{type(error).__name__}: {error}"
    return Sealed(tuple(runs), failed)
