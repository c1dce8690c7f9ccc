"""Short-lived labs for tests: run the command as a person does, and look for what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
# A lab without an estate starts in half the time; the web side and the servers are the same.
EMPTY = ("--set", "systems=[]")
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def lab(verb: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m lab VERB --folder FOLDER ...` from some other folder and wait for it."""
    return subprocess.run(
        [sys.executable, "-m", "lab", *verb.split(), "--folder", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'collections'}"},
        timeout=90,
    )


@contextmanager
def running_lab(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """A lab's status, while it runs; taken down afterwards."""
    started = lab("up", folder, *arguments)
    try:
        assert started.returncode == 0, started.stderr
        yield json.loads(lab("status", folder, "--json").stdout)
    finally:
        lab("down", folder)


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that work in a lab's folder: all of a lab's processes do."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place = os.readlink(process / "cwd").removesuffix(" (deleted)")
            if Path(place).is_relative_to(folder):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # Gone meanwhile, or somebody else's.
    return [line for line in found if line]


def ask(
    url: str, body: Any = None, method: str | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Status and body of a request; the body parsed where it is JSON. A body given goes out as JSON."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, dict(headers or {}), method=method)
    try:
        with _OPENER.open(request, timeout=10) as response:
            status, text = response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text
