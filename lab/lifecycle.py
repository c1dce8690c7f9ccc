"""Start, stop and reset a lab: what the commands of `python -m lab` do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab import folders
from lab.control_client import post
from lab.databases import wiring
from lab.folders import LabError
from lab.processes import child_environment, python_command

_START_SECONDS = 90.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.03


def up(folder: Path, settings: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Start a lab and wait for it; returns its status and whether it was started now (not: ran already).

    Raises LabError with the end of supervisor.log when it does not start.
    """
    if folders.is_running(folder):
        return _wait_for_status(folder, None), False
    folders.check_folder(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / folders.STATUS).unlink(missing_ok=True)  # a dead lab's
    with (folder / folders.SUPERVISOR_LOG).open("ab") as log:
        supervisor = subprocess.Popen(
            python_command("lab.supervisor", "--folder", str(folder), "--settings", json.dumps(dict(settings))),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=child_environment(os.environ),
            start_new_session=True,
        )
    try:
        return _wait_for_status(folder, supervisor), True
    except BaseException:
        # Also on an interrupt: a lab that nobody waits for must not stay half started.
        if supervisor.poll() is None:
            supervisor.terminate()
        raise


def _wait_for_status(folder: Path, supervisor: subprocess.Popen[bytes] | None) -> dict[str, Any]:
    """The status, once the lab is up; another `up` may be the one that is starting it."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        status = folders.running_status(folder)
        if status:
            return status
        if not folders.is_running(folder) and (supervisor is None or supervisor.poll() is not None):
            raise LabError(f"the lab did not start:\n{folders.log_tail(folder / folders.SUPERVISOR_LOG)}")
        if time.monotonic() > deadline:
            tail = folders.log_tail(folder / folders.SUPERVISOR_LOG)
            raise LabError(f"the lab was not up after {_START_SECONDS:g} seconds:\n{tail}")
        time.sleep(_POLL_SECONDS)


def down(folder: Path) -> bool:
    """Stop a lab and remove its folder wholly; returns whether there was one.

    Raises LabError when its processes cannot be ended or the folder is not a lab's.
    """
    if not folder.exists():
        return False
    if folders.is_running(folder):
        _stop(folder)
    folders.remove_folder(folder)
    return True


def _stop(folder: Path) -> None:
    """End the supervisor, which ends the rest; by SIGKILL if it does not listen."""
    lock = folder / folders.SUPERVISOR_LOCK
    _wait(lambda: bool(lock.read_text(encoding="ascii")), "the supervisor to say its pid")
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(int(lock.read_text(encoding="ascii")), number)
            _wait(lambda: not folders.is_running(folder), "the supervisor to end")
        except ProcessLookupError:
            return
        except LabError:
            if number == signal.SIGKILL:
                raise
        else:
            return


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {_STOP_SECONDS:g} seconds in vain for {what}")
        time.sleep(_POLL_SECONDS)


def required_status(folder: Path) -> dict[str, Any]:
    """The status of a running lab; raises LabError that says how to start one."""
    status = folders.running_status(folder)
    if status is None:
        raise LabError(not_running(folder))
    return status


def not_running(folder: Path) -> str:
    """Why there is no status: not started, starting, or dead, with its last words."""
    if folders.is_running(folder):
        return f"the lab in {folder} is still starting"
    last_words = folders.log_tail(folder / folders.SUPERVISOR_LOG)
    story = f"; the last one there ended so:\n{last_words}" if last_words else ""
    return f"no lab is running in {folder}: start it with `{folders.lab_command('up', folder)}`{story}"


def reset(folder: Path) -> None:
    """Bring a running lab back to its freshly seeded state; its addresses and secrets stay. Raises LabError."""
    # Imported here: boto3 takes a third of a second that no other command needs.
    from lab.estate.connection import Connector
    from lab.estate.seeding import seed
    from lab.estate.terraform_projects import lay_out
    from lab.scenario.injection import clear

    status = required_status(folder)
    clear(folder)
    settings = folders.load_settings(folder)
    endpoints = status["endpoints"]
    for path in ("/lab/reset", "/lab/audit/reset"):
        post(endpoints["aws"], path, {})
    post(endpoints["web"], "/lab/reset", {})
    wiring.reset(folder)
    lay_out(folder, settings["systems"])
    values = folders.read_json(folder / folders.SECRETS)["values"]
    seed(Connector(settings["region"]), endpoints["aws"], settings, values)
