"""The lab's AWS server as its own process, one per test module."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.support.waiting import eventually

CHECKOUT = Path(__file__).resolve().parents[3]
START_SECONDS = 30


@dataclass(frozen=True)
class AwsLab:
    """A running `python -m lab.aws`."""

    folder: Path
    endpoint: str

    def client(self, service: str, access_key: str = "LABOPERATOR", **options: Any) -> Any:
        """A boto3 client that does not retry, so that each call is one request."""
        return _client(self.endpoint, service, access_key, **options)

    def control(self, path: str, **body: Any) -> Any:
        """Ask a control route; returns its answer, or {"error": ...} where it refuses."""
        request = urllib.request.Request(f"{self.endpoint}/lab/{path}", json.dumps(body).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as refusal:
            return json.load(refusal)

    def audit(self) -> list[dict[str, Any]]:
        """The lines of the audit log."""
        return [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]


@functools.cache
def _client(endpoint: str, service: str, access_key: str, **options: Any) -> Any:
    """Clients are slow to make and safe to share."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key="not-a-real-one",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        **options,
    )


def start_aws(folder: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], AwsLab]:
    """Start the server and wait until it has said where it listens."""
    environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT / 'collections'}{os.pathsep}{CHECKOUT}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.aws", "--folder", str(folder), *arguments],
        env=environment,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    ready = folder / "aws.json"
    eventually(lambda: ready.exists() or process.poll() is not None, START_SECONDS)
    assert process.poll() is None, process.communicate()[0].decode()
    return process, AwsLab(folder, f"http://127.0.0.1:{json.loads(ready.read_text())['port']}")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsLab]:
    """The lab's AWS with all extensions, for the tests of one module."""
    process, lab = start_aws(tmp_path_factory.mktemp("aws"))
    yield lab
    process.terminate()
    printed, _ = process.communicate(timeout=10)
    assert printed == b"", "the server prints nothing"


@pytest.fixture
def clean_aws(aws: AwsLab) -> AwsLab:
    """The same server, empty again."""
    aws.control("reset")
    aws.control("audit/reset")
    return aws
