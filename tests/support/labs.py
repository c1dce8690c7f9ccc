"""A whole lab of its own for tests that run procedures."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from lab.accounts import HOME

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Lab:
    """A running lab."""

    folder: Path

    @property
    def status(self) -> dict[str, Any]:
        """What `python -m lab status --json` prints."""
        status: dict[str, Any] = json.loads((self.folder / "status.json").read_text(encoding="utf-8"))
        return status

    @property
    def systems(self) -> list[str]:
        """The systems that this lab holds."""
        return list(self.status["accounts"])

    @property
    def canaries(self) -> list[str]:
        """Every secret of this lab."""
        return [str(value) for value in json.loads((self.folder / "canaries.json").read_text(encoding="utf-8"))]

    def client(self, service: str, system: str = HOME) -> Any:
        """A client, in the account and region of a system, whose calls are not audited."""
        place = self.status["accounts"][system]
        create: Any = boto3.client
        client = create(service, endpoint_url=self.status["endpoints"]["aws"], region_name=place["region"],
                        aws_access_key_id="LABSEEDER", aws_secret_access_key="lab")
        client.meta.events.register("before-sign", _in_account(place["account_id"]))
        return client

    def control(self, path: str, body: dict[str, Any], of: str = "aws") -> Any:
        """POST to a control route of the lab's AWS or web server."""
        url = f"{self.status['endpoints'][of]}/lab/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def reset(self) -> None:
        """Bring the lab back to how it was freshly seeded."""
        lab_command("reset", "--folder", str(self.folder))


def _in_account(account: str) -> Callable[..., None]:
    def say(request: Any, **_: Any) -> None:
        request.headers["x-moto-account-id"] = account

    return say


def lab_command(*arguments: str) -> str:
    """Run `python -m lab` and return what it printed."""
    done = subprocess.run([sys.executable, "-m", "lab", *arguments], cwd=ROOT, capture_output=True, text=True,
                          timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"python -m lab {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def running_lab(folder: Path, systems: Iterable[str] = ("commerce",), size: int = 1) -> Iterator[Lab]:
    """Start a lab of these systems in a folder of its own; stop it and all it started at the end."""
    lab_command("up", "--folder", str(folder), "--set", f"systems={json.dumps(list(systems))}", "--set", f"size={size}")
    try:
        yield Lab(folder)
    finally:
        lab_command("down", "--folder", str(folder))
