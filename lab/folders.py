"""Where a lab lives and what is in its folder.

A lab is one folder. A process that is alive holds a lock there, so "is it running?" has a certain answer even after a
SIGKILL: `supervisor.lock` is held by the supervisor, `children.lock` by every process it started.

Standard library only and no import of other modules of the lab: the inventory plugin loads this file by its path.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
LABS = CHECKOUT / ".lab"
DEFAULT_NAME = "default"

SUPERVISOR_LOCK = "supervisor.lock"
CHILDREN_LOCK = "children.lock"
SETTINGS = "settings.json"
STATUS = "status.json"
SECRETS = "secrets.json"
CANARIES = "canaries.json"
ACTIVITY = "web.activity"
AUDIT = "audit.jsonl"
RECEIVED = "received.jsonl"
SUPERVISOR_LOG = "supervisor.log"
OUTSIDE = "outside.json"
SIGNING_KEY = "signing.key"
INCIDENT = "incident.json"

DEFAULT_SETTINGS: Mapping[str, Any] = {
    "systems": ["commerce", "analytics", "metering", "media", "reviews"],
    "size": 1,
    "seed": 1,
    "task_seconds": 0.4,
    "lock_table": "opsbook-locks",
    "record_bucket": "opsbook-records",
    "account_id": "123456789012",
    "region": "us-east-1",
    "idle_stop_hours": 4,
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_POLL_SECONDS = 0.02
_CHILDREN_SECONDS = 10.0


class LabError(Exception):
    """Something the lab cannot do; the message says what and what to do about it."""


def lab_folder(folder: str | None, name: str | None, environ: Mapping[str, str]) -> Path:
    """The folder of the lab that is meant: an explicit folder or name first, then the environment, then the default.

    Raises LabError for a name that is no plain file name.
    """
    if folder or (not name and environ.get("OPSBOOK_LAB_FOLDER")):
        return Path(folder or environ["OPSBOOK_LAB_FOLDER"]).absolute()
    name = name or environ.get("OPSBOOK_LAB") or DEFAULT_NAME
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r} is no name for a lab: use letters, digits, dots, hyphens and underscores")
    return LABS / name


def lab_command(verb: str, folder: Path) -> str:
    """The command line for a verb on the lab in this folder."""
    if folder.parent != LABS:
        return f"python -m lab {verb} --folder {folder}"
    return f"python -m lab {verb}" + ("" if folder.name == DEFAULT_NAME else f" --name {folder.name}")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file that only its owner may read; a reader sees the old or the new file, never half of one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=1)
    os.replace(temporary, path)


def read_json(path: Path) -> Any:
    """Read a JSON file; raises FileNotFoundError."""
    return json.loads(path.read_text(encoding="utf-8"))


def load_settings(folder: Path) -> dict[str, Any]:
    """The lab's settings, with defaults for what settings.json leaves out."""
    path = folder / SETTINGS
    return {**DEFAULT_SETTINGS, **(read_json(path) if path.exists() else {})}


def take_lock(path: Path, timeout: float = 2.0) -> int:
    """Take a lock file and return its descriptor; the lock is held while any copy of the descriptor is open.

    Tries for `timeout` seconds, since somebody who asks whether it is held holds it for a moment.
    Raises LabError when it stays held.
    """
    deadline = time.monotonic() + timeout
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if _try_lock(descriptor, fcntl.LOCK_EX) and _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise LabError(f"another process holds {path}")
        time.sleep(_POLL_SECONDS)


def is_locked(path: Path) -> bool:
    """Does a living process hold this lock file?"""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Is the locked file still the one at this path? `down` may have removed the folder in between."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def is_running(folder: Path) -> bool:
    """Is the supervisor of this lab alive?"""
    return is_locked(folder / SUPERVISOR_LOCK)


def running_status(folder: Path) -> dict[str, Any] | None:
    """The status of a lab that is up; None when it is not (or not yet)."""
    if not is_running(folder):
        return None
    try:
        status: dict[str, Any] = read_json(folder / STATUS)
    except FileNotFoundError:
        return None
    return status


def check_folder(folder: Path) -> None:
    """Raise LabError when the folder holds somebody's things: it is cleaned as a whole later."""
    if not folder.exists() or (folder / SUPERVISOR_LOCK).exists():
        return
    strangers = sorted({entry.name for entry in folder.iterdir()} - {SETTINGS, SUPERVISOR_LOG})
    if strangers:
        raise LabError(f"{folder} holds {', '.join(strangers[:3])} and no lab: choose another folder")


def clean_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Remove what a dead lab left and write the settings of the new one; for the holder of the supervisor's lock.

    A `settings.json` that was put there beforehand counts, unless it is the dead lab's.
    """
    _wait_for_children(folder)
    own = {} if (folder / SECRETS).exists() or not (folder / SETTINGS).exists() else read_json(folder / SETTINGS)
    _remove_outside(folder)
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name not in (SUPERVISOR_LOCK, SUPERVISOR_LOG):
            entry.unlink()
    write_json(folder / SETTINGS, {**DEFAULT_SETTINGS, **own, **settings})


def remove_folder(folder: Path) -> None:
    """Remove a dead lab's folder and what it noted in outside.json, once the last process of the lab is gone.

    Raises LabError when a process stays alive, or when the folder is not a lab's.
    """
    if not folder.exists():
        return
    if not (folder / SUPERVISOR_LOCK).exists():
        raise LabError(f"{folder} is not the folder of a lab; it is left alone")
    _wait_for_children(folder)
    _remove_outside(folder)
    shutil.rmtree(folder)
    if folder.parent == LABS and not any(LABS.iterdir()):
        LABS.rmdir()


def _wait_for_children(folder: Path) -> None:
    """A supervisor that was killed takes its children along, but not in the same instant."""
    deadline = time.monotonic() + _CHILDREN_SECONDS
    while is_locked(folder / CHILDREN_LOCK):
        if time.monotonic() > deadline:
            raise LabError(f"a process of the lab in {folder} is still alive; {SUPERVISOR_LOG} there names its pid")
        time.sleep(_POLL_SECONDS)


def _remove_outside(folder: Path) -> None:
    """Remove the folders that the lab had to create elsewhere (PostgreSQL as another user)."""
    path = folder / OUTSIDE
    for outside in read_json(path) if path.exists() else []:
        shutil.rmtree(outside, ignore_errors=True)


def log_tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log file, indented; empty if there is none."""
    if not path.exists():
        return ""
    tail = path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in tail)
