"""A lab starts, says where it is, resets, stops, and leaves nothing behind, whatever happens to it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis

from lab import folders
from tests.support.short_lived_labs import EMPTY, ask, lab, processes_of, running_lab
from tests.support.waiting import eventually

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")


def supervisor_pid(folder: Path) -> int:
    return int((folder / folders.SUPERVISOR_LOCK).read_text())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("shared") / "a lab"
    with running_lab(folder, *EMPTY) as status:
        yield status


def test_status_has_every_endpoint_and_the_folder(shared: dict[str, Any]) -> None:
    assert set(shared["endpoints"]) == {"aws", "postgres", "redis", "web", "tls", "smtp", "dns"}
    assert Path(shared["folder"]).is_dir()
    assert shared["credentials"]["access_key"] == "LABOPERATOR"
    assert (shared["lock_table"], shared["record_bucket"]) == ("opsbook-locks", "opsbook-records")
    assert shared["idle_stop_hours"] == 4


def test_files_with_secrets_are_their_owners_only(shared: dict[str, Any]) -> None:
    for name in (folders.STATUS, folders.SECRETS, folders.CANARIES):
        assert stat.S_IMODE((Path(shared["folder"]) / name).stat().st_mode) == 0o600


def test_canaries_list_the_credentials_and_the_receivers_tokens(shared: dict[str, Any]) -> None:
    canaries = json.loads((Path(shared["folder"]) / folders.CANARIES).read_text())
    # Of a webhook's path the last part is the secret.
    tokens = {token.rpartition("/")[2] for token in shared["receivers"].values()}
    assert {shared["credentials"]["secret_key"], *tokens} <= set(canaries)


def test_up_on_a_running_lab_says_so_and_changes_nothing(shared: dict[str, Any]) -> None:
    again = lab("up", Path(shared["folder"]))
    assert again.returncode == 0
    assert "running already" in again.stdout
    assert json.loads(lab("status", Path(shared["folder"]), "--json").stdout) == shared


def test_status_for_people_names_the_endpoints_and_the_way_to_stop(shared: dict[str, Any]) -> None:
    shown = lab("status", Path(shared["folder"])).stdout
    assert all(endpoint in shown for endpoint in shared["endpoints"].values())
    assert "python -m lab down" in shown
    assert shared["credentials"]["secret_key"] not in shown


def test_a_reader_that_has_seen_enough_gets_no_traceback(shared: dict[str, Any]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "lab", "status", "--folder", shared["folder"]]
    result = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, cwd=folders.CHECKOUT
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, "")


def test_reset_brings_everything_back_to_its_fresh_state(shared: dict[str, Any]) -> None:
    endpoints = shared["endpoints"]
    store = redis.Redis.from_url(endpoints["redis"])
    store.set("left", "over")
    with psycopg2.connect(endpoints["postgres"]) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE left_over (id int); CREATE ROLE left_over")
    connection.close()
    ask(f"{endpoints['web']}/lab/health", {"system": "commerce", "endpoint": "api", "status": "degraded"})
    ask(f"{endpoints['aws']}/lab/faults", {"faults": [{"kind": "throttle"}]})

    result = lab("reset", Path(shared["folder"]))

    assert result.returncode == 0, result.stderr
    assert store.dbsize() == 0
    with psycopg2.connect(endpoints["postgres"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('left_over'), to_regrole('left_over')")
        assert cursor.fetchone() == (None, None)
    connection.close()
    assert ask(f"{endpoints['web']}/commerce/api/health")[0] == 200
    assert (Path(shared["folder"]) / folders.AUDIT).read_text() == ""


def test_faults_are_added_listed_and_cleared(shared: dict[str, Any]) -> None:
    folder = Path(shared["folder"])
    url = shared["endpoints"]["aws"]

    def list_clusters() -> int:
        headers = {
            "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=LABOPERATOR/20260101/us-east-1/ecs/aws4_request, x=y",
        }
        return ask(url, {}, headers=headers)[0]

    assert list_clusters() == 200
    assert lab("fault add", folder, "throttle", "--service", "ecs", "--action", "ListClusters").returncode == 0
    assert lab("fault add", folder, "latency", "--seconds", "0.001").returncode == 0
    assert list_clusters() == 400
    assert "1. throttle ecs:ListClusters" in lab("fault list", folder).stdout
    assert lab("fault clear", folder).returncode == 0
    assert list_clusters() == 200
    assert lab("fault list", folder).stdout == "No faults\n"


def test_commands_on_a_lab_that_does_not_run_fail_and_say_how_to_start_it(tmp_path: Path) -> None:
    for verb in ("status", "reset", "fault list"):
        result = lab(verb, tmp_path / "none")
        assert result.returncode == 1
        assert f"python -m lab up --folder {tmp_path / 'none'}" in result.stderr
    assert lab("down", tmp_path / "none").returncode == 0


def test_a_folder_with_somebodys_files_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    for verb in ("up", "down"):
        assert lab(verb, folder).returncode == 1
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


@linux_only
def test_two_labs_run_side_by_side_and_down_leaves_nothing(shared: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "other"
    with running_lab(folder, *EMPTY) as other:
        assert not set(other["endpoints"].values()) & set(shared["endpoints"].values())
        assert other["credentials"]["secret_key"] != shared["credentials"]["secret_key"]
        assert ask(f"{other['endpoints']['web']}/commerce/api/health")[0] == 200
        assert lab("down", folder).returncode == 0
        assert list(tmp_path.iterdir()) == []
        assert processes_of(tmp_path) == []
        assert ask(f"{shared['endpoints']['web']}/commerce/api/health")[0] == 200
        assert lab("status", Path(shared["folder"])).returncode == 0


@dataclass(frozen=True)
class Restart:
    """A lab whose supervisor was killed, and that was started again."""

    before: int
    status_code: int
    first: dict[str, Any]
    second: dict[str, Any]


@pytest.fixture(scope="module")
def restart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restart]:
    folder = tmp_path_factory.mktemp("restart") / "lab"
    with running_lab(folder, *EMPTY) as first:
        before = len(processes_of(folder))
        os.kill(supervisor_pid(folder), signal.SIGKILL)
        eventually(lambda: not processes_of(folder), 5)
        status_code = lab("status", folder).returncode
        (folder / "left-over").touch()
        with running_lab(folder, *EMPTY) as second:
            yield Restart(before, status_code, first, second)
    assert not folder.exists()


@linux_only
def test_a_killed_supervisor_leaves_no_process_and_the_next_up_starts_afresh(restart: Restart) -> None:
    assert restart.before >= 5
    assert restart.status_code == 1
    assert restart.second["credentials"] != restart.first["credentials"]
    assert not (Path(restart.second["folder"]) / "left-over").exists()


@linux_only
def test_a_dead_server_takes_the_lab_down_with_a_message(restart: Restart) -> None:
    folder = Path(restart.second["folder"])
    os.kill(json.loads((folder / "web.json").read_text())["pid"], signal.SIGKILL)
    eventually(lambda: not folders.is_running(folder), 5)
    assert "web ended with code -9" in (folder / folders.SUPERVISOR_LOG).read_text()
    assert "web ended with code -9" in lab("status", folder).stderr
    assert processes_of(folder) == []


def test_an_idle_lab_stops_itself_and_a_used_one_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    limit = 2.0
    with running_lab(folder, *EMPTY, "--set", f"idle_stop_hours={limit / 3600}") as status:
        started = (folder / folders.STATUS).stat().st_mtime
        health = f"{status['endpoints']['web']}/commerce/api/health"

        def used_for_longer_than_the_limit() -> bool:
            assert ask(health)[0] == 200
            return (folder / folders.ACTIVITY).stat().st_mtime > started + limit + 0.5

        eventually(used_for_longer_than_the_limit, 10)
        assert folders.is_running(folder)
        eventually(lambda: not folders.is_running(folder), 6)
        assert "nobody used the lab" in (folder / folders.SUPERVISOR_LOG).read_text()
        assert processes_of(folder) == []


def test_a_lab_that_cannot_start_says_why_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSBOOK_LAB_POSTGRES_BIN", str(tmp_path))
    folder = tmp_path / "lab"
    result = lab("up", folder, *EMPTY)
    assert result.returncode == 1
    assert "OPSBOOK_LAB_POSTGRES_BIN" in result.stderr
    assert processes_of(folder) == []
    assert lab("down", folder).returncode == 0
    assert not folder.exists()


def test_the_inventory_gets_the_running_lab(shared: dict[str, Any], tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    (inventory / "lab.yml").write_text("plugin: lab\n")
    (inventory / "hosts.yml").write_text("systems:\n  hosts:\n    commerce:\n")
    found = subprocess.run(
        [sys.executable, "-m", "ansible", "inventory", "-i", str(inventory), "--host", "commerce"],
        cwd=folders.CHECKOUT,
        env={**os.environ, "OPSBOOK_LAB_FOLDER": shared["folder"], "ANSIBLE_CONFIG": _config(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert urlsplit(json.loads(found.stdout)["lab"]["endpoints"]["aws"]) == urlsplit(shared["endpoints"]["aws"])


def _config(folder: Path) -> str:
    path = folder / "ansible.cfg"
    plugins = folders.CHECKOUT / "plugins" / "inventory"
    path.write_text(f"[defaults]\ninventory_plugins = {plugins}\n[inventory]\nenable_plugins = lab, yaml\n")
    return str(path)
