# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running terraform or tofu: which program, in which surroundings, and how it is stopped.

Every command works in a temporary data folder (TF_DATA_DIR), so that nothing is left in the project's folder.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Callable

from ..core.errors import Missing, OperationError, Skipped, Stopped
from ..core.run import Run
from . import minder

PROGRAMS = ("terraform", "tofu")

# Of the run's time the last tenth, at most this many seconds, is terraform's to stop in an orderly way.
STOP_SECONDS = 10.0

# How long one look at a running command takes: a lost lease or a stopped run is noticed that fast.
LOOK_SECONDS = 0.5

# Variables of the operator's shell that would change what a command does or write values to the log.
UNWANTED = ("TF_CLI_ARGS", "TF_LOG", "TF_WORKSPACE", "TF_DATA_DIR", "TF_INPUT")


@dataclass(frozen=True)
class Finished:
    """A command that has ended.

    :param code: exit code; negative when a signal ended it
    :param output: what it wrote to its standard output
    :param errors: what it wrote to its standard error
    :param stopped: why it was told to stop; empty when it ended by itself
    """

    code: int
    output: str
    errors: str
    stopped: str = ""


def find_program(binary_path: str | None, environment: Mapping[str, str], project: str, required: bool) -> str:
    """The program to run: the one given, else `terraform`, else `tofu` on PATH.

    :raises Missing: when the one given is none that can be run
    :raises Skipped: when none is found; an OperationError where `required` is set
    """
    if binary_path:
        if not (os.path.isfile(binary_path) and os.access(binary_path, os.X_OK)):
            raise Missing("run terraform", binary_path, "there is no such program that can be run",
                          "Correct binary_path, or leave it out to use the program on PATH.")
        return os.path.abspath(binary_path)
    for name in PROGRAMS:
        found = shutil.which(name, path=environment.get("PATH", os.defpath))
        if found:
            return os.path.abspath(found)
    kind = OperationError if required else Skipped
    raise kind("apply the Terraform configuration", project, "neither terraform nor tofu is on PATH",
               "Install one of them where this runs, or give binary_path. Nothing was compared or changed.")


def child_environment(environment: Mapping[str, str], data_folder: str) -> dict[str, str]:
    """The environment of every command: the caller's, without what would change a command behind our back."""
    kept = {name: value for name, value in environment.items() if not name.startswith(UNWANTED)}
    return {**kept, "TF_DATA_DIR": data_folder, "TF_INPUT": "0", "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


class Session:
    """One temporary folder and one minder process, for all commands of one operation. Commands run one at a time."""

    def __init__(self, run: Run, program: str, project: str, environment: Mapping[str, str]) -> None:
        """:param environment: the surroundings that terraform inherits (cloud credentials, proxies, TF_VAR_...)

        :raises OperationError: when the minder does not start
        """
        self._run = run
        self._program = program
        self._project = project
        self.folder = tempfile.mkdtemp(prefix="opsbook-terraform-")
        self._environment = child_environment(environment, os.path.join(self.folder, "data"))
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._minder = self._start(theirs.fileno())
        self._received = b""
        self._closed = False
        self._busy = threading.Lock()
        if self._reply(STOP_SECONDS) is None:
            self.close()
            raise OperationError("start terraform", project, "the process that runs it did not answer")

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        try:
            # A session of its own: no signal to the worker's group reaches terraform beside the minder's.
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", inspect.getsource(minder), str(number), self.folder],
                pass_fds=[number], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, cwd=self._project, env=self._environment)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise OperationError("start terraform", self._project, str(error)) from error

    def private_file(self, name: str, text: str = "") -> str:
        """A file of the temporary folder that only we can read; its path."""
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def command(
        self, *arguments: str, workspace: str = "", describe: Callable[[str], str] = lambda output: ""
    ) -> Finished:
        """Run one command to its end, or until the run is stopped; then it is interrupted once and waited for.

        :param workspace: the workspace it works in; empty means `default`
        :param describe: one line of progress for the output so far
        :raises OperationError: when it could not be run, or has not ended although told to stop
        """
        if self._closed:
            raise Stopped("run terraform", self._project, "the run was stopped")
        environment = {**self._environment, **({"TF_WORKSPACE": workspace} if workspace else {})}
        with self._busy, open(self.private_file("output"), "rb") as output, \
                open(self.private_file("errors"), "rb") as errors:
            self._send({"argv": [self._program, *arguments], "output": output.name, "errors": errors.name,
                        "environment": environment})
            code, stopped = self._wait(output, describe)
            return Finished(code, _text(output), _text(errors), stopped)

    def close(self) -> None:
        """End the minder and remove the temporary folder. What still runs is interrupted; the minder waits for it."""
        if self._closed:
            return
        self._closed = True
        self._channel.shutdown(socket.SHUT_WR)
        try:
            self._minder.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # Never killed: a killed terraform forgets what it has made. It ends by itself, the minder cleans up.
            return
        self._channel.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self, output: IO[bytes], describe: Callable[[str], str]) -> tuple[int, str]:
        poll = self._run.poll(first_delay=0.001, longest_delay=0.001)
        poll.deadline -= min(STOP_SECONDS, self._run.timeout / 10)
        try:
            waited = poll.until(lambda: self._reply(LOOK_SECONDS), lambda reply: reply is not None,
                                lambda reply: describe(_text(output)))
            reply, stopped = waited.seen, f"its time of {self._run.timeout:.0f} s passed"
        except Stopped as error:
            reply, stopped = None, error.reason
        if reply is not None:
            return int(reply["exit"]), ""
        self._send({})
        reply = self._reply(STOP_SECONDS)
        if reply is None:
            raise Stopped("wait for terraform", self._project, f"{stopped}; terraform was told to stop and is still busy",
                          "It ends by itself and holds the state lock until then. Run again afterwards.")
        return int(reply["exit"]), stopped

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise Stopped("run terraform", self._project, "the run was stopped") from error

    def _reply(self, seconds: float) -> dict[str, Any] | None:
        """The minder's next answer, or None when there is none yet."""
        self._channel.settimeout(seconds)
        try:
            while b"\n" not in self._received:
                part = self._channel.recv(4096)
                if not part:
                    raise OperationError("run terraform", self._project, "the process that runs it is gone",
                                         "Read the state before trying again.")
                self._received += part
        except socket.timeout:
            return None
        line, _newline, self._received = self._received.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
