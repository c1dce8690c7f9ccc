# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small process between a worker and its terraform: runs the commands, and cleans up when the worker dies.

The worker starts it with `python -I -S -c <this file's text>`; it imports nothing of ours. It exists for what a child
process of the worker cannot have (each measured with Terraform 1.11):

- One interrupt, never two. Ansible's worker passes a signal on to its process group and then dies, so that a child
  with a parent-death signal would get two, and terraform exits at once on the second ("data loss may have occurred").
  Here terraform has a session of its own and gets SIGINT once: when the worker asks, or is gone.
- terraform writes to files, not to pipes: a pipe without a reader would end it by SIGPIPE in the middle of an apply.
- The temporary folder, with variables and the saved plan, goes also when the worker was killed with SIGKILL.

Protocol over the socket whose number is the first argument: a line of JSON in, `{"argv", "output", "errors",
"environment"}`, a line of JSON out, `{"exit"}`. While a command runs, anything sent (`{}`), or the end of the socket,
means: interrupt it. The end of the socket ends this process, once a running command has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any

CANNOT_RUN = 126
"""The exit code of a command that could not be started, as in a shell."""


def main() -> None:
    """Serve the socket given as first argument; remove the folder given as second at the end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        # Handlers, not SIG_IGN: an ignored signal would stay ignored in terraform.
        signal.signal(number, lambda *_: None)
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    try:
        _serve(channel)
    finally:
        _remove(sys.argv[2])


def _serve(channel: socket.socket) -> None:
    woken, wakes = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    _tell(channel, {"ready": os.getpid()})
    held = b""
    while True:
        while b"\n" not in held:
            part = channel.recv(65536)
            if not part:
                return
            held += part
        line, _newline, held = held.partition(b"\n")
        request = json.loads(line)
        # An interrupt that came when its command had just ended carries no command.
        if request:
            _tell(channel, {"exit": _run(request, channel, woken, bool(held))})


def _run(request: dict[str, Any], channel: socket.socket, woken: int, interrupted: bool) -> int:
    try:
        child = _start(request)
    except OSError as error:
        with open(request["errors"], "w", encoding="utf-8") as errors:
            errors.write(str(error))
        return CANNOT_RUN
    if interrupted:
        os.kill(child, signal.SIGINT)
    return _wait(child, [woken] if interrupted else [woken, channel], woken)


def _start(request: dict[str, Any]) -> int:
    opened = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
              (os.POSIX_SPAWN_OPEN, 1, request["output"], os.O_WRONLY, 0),
              (os.POSIX_SPAWN_OPEN, 2, request["errors"], os.O_WRONLY, 0)]
    argv = request["argv"]
    # Python ignores SIGPIPE, and what is ignored would stay so in terraform and its provisioners.
    return os.posix_spawn(argv[0], argv, request["environment"], file_actions=opened, setsigdef=[signal.SIGPIPE])


def _wait(child: int, watched: list[Any], woken: int) -> int:
    """The exit code of the child, negative when a signal ended it; anything from the channel interrupts it, once."""
    while True:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            return os.waitstatus_to_exitcode(status)
        ready = select.select(watched, [], [])[0]
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 512)
        if len(ready) > (woken in ready):
            watched = [woken]
            os.kill(child, signal.SIGINT)


def _tell(channel: socket.socket, message: dict[str, Any]) -> None:
    # A worker that is gone needs no answer.
    with contextlib.suppress(OSError):
        channel.sendall(json.dumps(message).encode() + b"\n")


def _remove(folder: str) -> None:
    if os.path.isdir(folder):
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
