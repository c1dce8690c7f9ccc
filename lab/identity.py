"""Which user a server runs as: PostgreSQL refuses uid 0, and containers often have no other.

Root enters a user namespace in which it has another uid: nothing on disk changes hands. Where the system forbids
namespaces, the server runs as `nobody`, whose data must lie where `nobody` can reach it.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.folders import LabError

_CLONE_NEWUSER = 0x10000000
_INNER_ID = 1000
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Identity:
    """How a child becomes the user that it runs as."""

    name: str
    before_exec: Callable[[], None] | None = None
    popen: Mapping[str, Any] = field(default_factory=dict)
    owner: tuple[int, int] | None = None

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as this user and wait for it; its output is captured."""
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            preexec_fn=self.before_exec,
            **{**self.popen, **options},
        )

    def can_reach(self, *paths: Path) -> bool:
        """Can this user enter all of these folders, or execute these files?"""
        return all(self.run(["test", "-x", str(path)]).returncode == 0 for path in paths)


OURSELVES = Identity("ourselves")
NAMESPACE = Identity("namespace", before_exec=lambda: _enter_namespace())


def nobody() -> Identity:
    """The user `nobody`; only root can become it."""
    entry = pwd.getpwnam("nobody")
    popen = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return Identity("nobody", popen=popen, owner=(entry.pw_uid, entry.pw_gid))


def choose_identity(*paths: Path) -> Identity:
    """The identity for a server that refuses uid 0, which needs to reach these paths if it can.

    Raises LabError when this machine offers none.
    """
    if os.geteuid() != 0:
        return OURSELVES
    if sys.platform == "linux" and _namespace_reaches(*paths):
        return NAMESPACE
    try:
        return nobody()
    except KeyError as error:
        raise LabError("PostgreSQL refuses uid 0, and this machine has neither user namespaces nor `nobody`") from error


def _namespace_reaches(*paths: Path) -> bool:
    try:
        return NAMESPACE.can_reach(*paths)
    except subprocess.SubprocessError:
        return False


def _enter_namespace() -> None:
    """Between fork and exec: become uid 1000 of a new user namespace; raises OSError where that is forbidden."""
    uid, gid = os.getuid(), os.getgid()
    if _LIBC.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{_INNER_ID} {uid} 1"), ("gid_map", f"{_INNER_ID} {gid} 1")):
        Path("/proc/self", name).write_text(text, encoding="ascii")
