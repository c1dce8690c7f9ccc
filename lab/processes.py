"""Children of the supervisor: started so that none can outlive it, stopped together.

On Linux the kernel sends each child a signal when its parent dies (PDEATHSIG). That follows the *thread* that forked:
start children from the main thread only. Every child also inherits the descriptor of `children.lock`, by which others
see that a process of the lab is still alive.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.folders import CHECKOUT, LabError, log_tail

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.01
# Variables that would lead a child to somebody's real account, database or proxy.
_FOREIGN_PREFIXES = ("AWS_", "BOTO_", "PG", "MOTO_")
_LIBC = ctypes.CDLL(None, use_errno=True)


class ChildEnded(LabError):
    """A child ended before it was ready."""


@dataclass
class Child:
    """A started process, its log, and the signal that stops it."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True)
class Launch:
    """How a child differs from a plain one: what runs in it before exec, and Popen arguments."""

    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    before_exec: Callable[[], None] | None = None
    popen: Mapping[str, Any] = field(default_factory=dict)


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the lab's processes: the checkout importable from any folder, nothing of the user's cloud."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_FOREIGN_PREFIXES)}
    paths = [str(CHECKOUT), str(CHECKOUT / "collections"), kept.get("PYTHONPATH", "")]
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "NO_PROXY": "*", "no_proxy": "*"}


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of the lab; -P keeps the working folder out of its import path."""
    return [sys.executable, "-P", "-m", module, *arguments]


def start_child(name: str, command: Sequence[str], folder: Path, lifeline: int, launch: Launch = Launch()) -> Child:
    """Start a child whose output goes to `folder/name.log`; `lifeline` is the descriptor it inherits."""
    log = folder / f"{name}.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=folder,
            env=child_environment(os.environ),
            pass_fds=(lifeline,),
            preexec_fn=_before_exec(launch, os.getpid()),
            **launch.popen,
        )
    return Child(name, process, log, launch.stop_signal)


def _before_exec(launch: Launch, parent: int) -> Callable[[], None]:
    def prepare() -> None:
        if launch.before_exec:
            launch.before_exec()
        # After before_exec: a change of credentials clears the death signal.
        if sys.platform == "linux":
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(launch.death_signal))
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def wait_until(ready: Callable[[], bool], child: Child, timeout: float) -> None:
    """Wait until a child is ready.

    Raises ChildEnded or, when the time is over, LabError; both carry the end of its log.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        code = child.process.poll()
        # What was waited for may have come about between the two looks: a seeding is ready when it has ended.
        if code is not None and not ready():
            raise ChildEnded(f"{child.name} ended with code {code} while starting:\n{log_tail(child.log)}")
        if time.monotonic() > deadline:
            raise LabError(f"{child.name} was not ready after {timeout:g} seconds:\n{log_tail(child.log)}")
        time.sleep(_POLL_SECONDS)


def stop_children(children: Sequence[Child], timeout: float = 5.0) -> None:
    """Stop all children, side by side; those that do not listen are killed."""
    alive = [child for child in children if child.process.poll() is None]
    for child in alive:
        child.process.send_signal(child.stop_signal)
    deadline = time.monotonic() + timeout
    for child in alive:
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
