"""One AWS of the lab for all tests of operations. Tests make resources of their own and share no names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.audit import Calls, recording
from tests.support.modules import run_module


@dataclass(frozen=True)
class Aws:
    """The lab's AWS as tests use it."""

    folder: Path
    endpoint: str

    def client(self, service: str) -> Any:
        """A client that prepares the ground; its calls are not audited."""
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1",
                            aws_access_key_id="LABSEEDER", aws_secret_access_key="lab")

    @property
    def connection(self) -> dict[str, str]:
        """The connection options of a module."""
        return {"endpoint_url": self.endpoint, "region": "us-east-1", "access_key": "LABOPERATOR",
                "secret_key": "canary-of-the-test"}

    def control(self, path: str, body: dict[str, Any]) -> Any:
        """POST to a control route of the lab."""
        request = urllib.request.Request(
            f"{self.endpoint}/lab/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def calls(self) -> Any:
        """A context manager that collects the calls made inside its block."""
        return recording(self.folder)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """`python -m lab.aws` on a free port."""
    folder = tmp_path_factory.mktemp("aws")
    process = subprocess.Popen([sys.executable, "-m", "lab.aws", "--folder", str(folder)], env=os.environ,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    ready = folder / "aws.json"
    deadline = time.monotonic() + 30
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the lab's AWS did not start: {process.stderr.read().decode() if process.stderr else ''}")
        time.sleep(0.05)
    yield Aws(folder, f"http://127.0.0.1:{json.loads(ready.read_text())['port']}")
    process.kill()
    process.wait()


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """Faults of one test never reach the next."""
    yield
    if "aws" in request.fixturenames:
        request.getfixturevalue("aws").control("faults", {"faults": []})


Operate = Callable[..., dict[str, Any]]


@pytest.fixture
def operate(aws: Aws) -> Operate:
    """Run an AWS module against the lab: `operate("lambda_version_prune", check_mode=True, keep=3, ...)`."""

    def run(name: str, check_mode: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        return run_module(name, {**aws.connection, **arguments}, check_mode, diff)

    return run


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return f"t-{uuid.uuid4().hex[:8]}"


__all__ = ["Aws", "Calls", "Operate"]
