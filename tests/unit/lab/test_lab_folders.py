"""A lab's folder: which one is meant, who holds it, and whose things are never touched."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lab import folders
from lab.folders import LabError


@pytest.mark.parametrize(
    ("folder", "name", "environ", "expected"),
    [
        (None, None, {}, folders.LABS / "default"),
        (None, "drill", {}, folders.LABS / "drill"),
        (None, None, {"OPSBOOK_LAB": "drill"}, folders.LABS / "drill"),
        (None, None, {"OPSBOOK_LAB": "drill", "OPSBOOK_LAB_FOLDER": "/x/y"}, Path("/x/y")),
        (None, "mine", {"OPSBOOK_LAB_FOLDER": "/x/y"}, folders.LABS / "mine"),
        ("/a/b", None, {"OPSBOOK_LAB_FOLDER": "/x/y"}, Path("/a/b")),
        (None, None, {"OPSBOOK_LAB": "", "OPSBOOK_LAB_FOLDER": ""}, folders.LABS / "default"),
    ],
)
def test_what_is_said_wins_over_the_environment(
    folder: str | None, name: str | None, environ: dict[str, str], expected: Path
) -> None:
    assert folders.lab_folder(folder, name, environ) == expected


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "two words"])
def test_a_name_cannot_lead_out_of_the_labs(name: str) -> None:
    if name:
        with pytest.raises(LabError):
            folders.lab_folder(None, name, {})
    else:
        assert folders.lab_folder(None, name, {}) == folders.LABS / "default"


def test_commands_name_the_lab_only_where_it_is_not_the_default() -> None:
    assert folders.lab_command("down", folders.LABS / "default") == "python -m lab down"
    assert folders.lab_command("down", folders.LABS / "drill") == "python -m lab down --name drill"
    assert folders.lab_command("down", Path("/x/y")) == "python -m lab down --folder /x/y"


def test_a_lock_is_held_while_any_copy_of_its_descriptor_is_open(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not folders.is_locked(path)
    first = folders.take_lock(path)
    second = os.dup(first)
    os.close(first)
    assert folders.is_locked(path)
    with pytest.raises(LabError):
        folders.take_lock(path, timeout=0.05)
    os.close(second)
    assert not folders.is_locked(path)


def test_json_files_are_their_owners_only_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text("old")
    folders.write_json(path, {"a": 1})
    assert folders.read_json(path) == {"a": 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_settings_have_defaults(tmp_path: Path) -> None:
    folders.write_json(tmp_path / folders.SETTINGS, {"task_seconds": 2})
    assert folders.load_settings(tmp_path) == {**folders.DEFAULT_SETTINGS, "task_seconds": 2}


def test_the_status_of_a_dead_lab_does_not_count(tmp_path: Path) -> None:
    folders.write_json(tmp_path / folders.STATUS, {"name": "x"})
    assert folders.running_status(tmp_path) is None
    lock = folders.take_lock(tmp_path / folders.SUPERVISOR_LOCK)
    assert folders.running_status(tmp_path) == {"name": "x"}
    os.close(lock)


def test_settings_laid_out_beforehand_count_but_a_dead_labs_do_not(tmp_path: Path) -> None:
    folders.write_json(tmp_path / folders.SETTINGS, {"task_seconds": 2})
    folders.clean_folder(tmp_path, {"lock_table": "mine"})
    assert folders.load_settings(tmp_path)["task_seconds"] == 2
    folders.write_json(tmp_path / folders.SECRETS, {})
    folders.clean_folder(tmp_path, {})
    assert folders.load_settings(tmp_path) == dict(folders.DEFAULT_SETTINGS)


def test_only_a_labs_folder_is_removed_with_what_it_put_elsewhere(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "lab", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    with pytest.raises(LabError, match="left alone"):
        folders.remove_folder(folder)
    (folder / folders.SUPERVISOR_LOCK).touch()
    folders.write_json(folder / folders.OUTSIDE, [str(elsewhere)])
    folders.remove_folder(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_removed_while_a_process_of_the_lab_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_CHILDREN_SECONDS", 0.05)
    (tmp_path / folders.SUPERVISOR_LOCK).touch()
    lifeline = folders.take_lock(tmp_path / folders.CHILDREN_LOCK)
    with pytest.raises(LabError, match="still alive"):
        folders.remove_folder(tmp_path)
    os.close(lifeline)
    assert tmp_path.exists()


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert folders.log_tail(log) == ""
    log.write_text("\n".join(map(str, range(30))))
    assert folders.log_tail(log, 2) == "    28\n    29"
