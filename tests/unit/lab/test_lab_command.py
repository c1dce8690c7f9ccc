"""The command line: what it accepts and how it says things."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.__main__ import main
from lab.control_client import post
from lab.faults import _in_words
from lab.folders import LabError


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["up", "--name", "a", "--folder", "b"],
        ["up", "--set", "task_secnds=1"],
        ["up", "--set", "task_seconds=fast"],
        ["up", "--set", "task_seconds=true"],
        ["up", "--set", "systems=1"],
        ["up", "--size", "0"],
        ["up", "--seed", "x"],
        ["fault", "add", "deny", "--account", "1", "--system", "media"],
        ["fault", "target", "orders", "--state", "tired"],
        ["fault", "add", "explode"],
    ],
)
def test_wrong_usage_ends_with_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m lab" in capsys.readouterr().err


def test_a_lab_that_does_not_run_ends_with_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--folder", str(tmp_path / "none")]) == 1
    assert "no lab is running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "throttle *:*"),
        ({"service": "ecs", "probability": 0.3, "times": 5}, "throttle ecs:*, 30 % of calls, at most 5 times"),
        ({"kind": "latency", "seconds": 0.5}, "latency *:*, 0.5 s"),
        ({"kind": "drop", "when": "after"}, "drop *:*, after the work is done"),
        ({"code": "Busy", "except_purpose": "control"}, "throttle *:*, code Busy, not for control calls"),
        ({"kind": "deny", "account": "234567890123"}, "deny *:*, only in account 234567890123"),
    ],
)
def test_faults_are_said_in_words(changes: dict[str, object], words: str) -> None:
    fault = {
        "kind": "throttle", "service": "*", "action": "*", "probability": 1.0, "times": None, "seconds": 0.03,
        "when": "before", "code": None, "except_purpose": None,
    }  # fmt: skip
    assert _in_words({**fault, **changes}) == words


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(LabError, match=r"http://127.0.0.1:9/lab/reset does not answer"):
        post("http://127.0.0.1:9", "/lab/reset", {})
