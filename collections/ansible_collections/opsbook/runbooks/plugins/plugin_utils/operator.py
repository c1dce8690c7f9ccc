# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who started a run, and from which revision of the project."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Mapping
from typing import Any


def operator_name(extra_vars: Mapping[str, Any]) -> str:
    """The person behind a run: the account on this machine, and beside it the user that AWX names."""
    try:
        account = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        account = f"uid {os.getuid()}"
    for name in ("awx_user_name", "tower_user_name"):
        if extra_vars.get(name):
            # Anybody can give these names on a command line, so the account stays beside.
            return f"{extra_vars[name]} (says {name}; account {account})"
    return account


def project_revision(folder: str, extra_vars: Mapping[str, Any]) -> str:
    """The revision a run was started from: AWX's, or git's with `-dirty` where files differ; empty without git."""
    for name in ("awx_project_revision", "tower_project_revision"):
        if extra_vars.get(name):
            return str(extra_vars[name])
    try:
        said = subprocess.run(
            ["git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True, text=True, timeout=5, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip()
