# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An investigation from a playbook: the same command that people type, in a process that does not outlive its task."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from ..core.errors import OperationError

COMMAND = ("-m", "opsbook", "investigate", "--request", "--json")
PR_SET_PDEATHSIG = 1
END_SECONDS = 20.0
"""How long an investigation that was told to end may take to write its record."""

NOT_STORED, MATCHED, WITHHELD = 8, 1, 7


def investigate(options: Mapping[str, Any]) -> dict[str, Any]:
    """Run an investigation to its end.

    :param options: the module's parameters
    :returns: the module's result, with `failed` and `msg` where it did not conclude as wanted
    :raises OperationError: when it was refused or said nothing that can be understood
    """
    asked = {name: options.get(name) for name in ("name", "record", "fail_on", "inventory")}
    asked["parameters"] = {**(options.get("parameters") or {}), "system": options["system"]}
    code, output, errors = _run(json.dumps(asked), float(options["timeout"]))
    try:
        said = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise OperationError("run the investigation", str(options["name"]),
                             errors.strip()[-2000:] or f"it ended with status {code}",
                             "Run it with `python -m opsbook investigate` to see more.") from error
    return result_of(said, code)


def result_of(said: Mapping[str, Any], code: int) -> dict[str, Any]:
    """The module's result.

    :param said: what the command printed with --json
    :param code: its exit status
    """
    result = {"changed": False, **{name: value for name, value in said.items() if name != "findings" or value is not None}}
    if said.get("findings"):
        result["ansible_facts"] = {"opsbook_findings": said["findings"]}
    if code == 0:
        return result
    why = {MATCHED: f"the verdict is {said.get('verdict')}: {said.get('summary')}",
           NOT_STORED: "its record could not be stored whole", WITHHELD: f"its record was withheld: {said.get('error')}"}
    # A refusal is a whole message already.
    message = str(said.get("error")) if said.get("status") == "refused" else (
        f"The investigation {why.get(code) or 'did not conclude: ' + str(said.get('error') or said.get('status'))}. "
        f"Record: {said.get('record')}")
    return {**result, "failed": True, "msg": message}


def _run(asked: str, timeout: float) -> tuple[int, str, str]:
    """The command's exit status and what it said. What is asked goes in where no list of processes shows it."""
    process = subprocess.Popen(
        [sys.executable, *COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        encoding="utf-8", errors="replace", preexec_fn=_die_with(os.getpid()))
    try:
        output, errors = process.communicate(asked, timeout=timeout)
    except BaseException as error:
        # Told to end it still writes its record.
        process.terminate()
        output, errors = _ended(process)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
    return process.returncode, output, errors


def _ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return process.communicate(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


def _die_with(parent: int) -> Any:
    """What a child does before it becomes the command: ask the system to be told when its parent dies (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return ask
