"""Folders of dumps: what is left of runs that are gone."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied, Missing, OperationError, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.permit import process_started
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_files import partial_name
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.dump_places import (
    Folder,
    check_workspace,
    leftovers,
    place_of_dumps,
    remove_leftovers,
    working_path,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.local_files import files_of

NAME = "media-20261121T080000Z.dump"
NOW = datetime.now(UTC)


def test_what_a_process_that_is_gone_left_is_removed_and_no_other(tmp_path: Path) -> None:
    mine = working_path(Folder(tmp_path), NAME)
    # The number of a process that lives, and was started at another moment.
    dead = tmp_path / partial_name(os.uname().nodename, os.getpid(), process_started(os.getpid()) + "1", NAME)
    elsewhere = tmp_path / partial_name("another-host", 1, "1", NAME)
    for path in (mine, elsewhere, tmp_path / "media-by-hand.dump"):
        path.write_text("x")
    dead.mkdir()
    (dead / "toc.dat").write_text("x")

    assert remove_leftovers(tmp_path, "media", NOW) == []
    assert sorted(tmp_path.iterdir()) == sorted([mine, elsewhere, tmp_path / "media-by-hand.dump"])


def test_what_another_machine_left_goes_a_day_after_its_last_byte(tmp_path: Path) -> None:
    elsewhere = tmp_path / partial_name("another-host", 1, "1", NAME)
    elsewhere.write_text("x")

    assert leftovers(tmp_path, "media", NOW + timedelta(hours=23)) == []
    assert leftovers(tmp_path, "media", NOW + timedelta(hours=25)) == [elsewhere.name]


def test_a_folder_is_measured_and_summed_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "media-20261121T080000Z.dir").mkdir()
    for name, text in (("toc.dat", "abc"), ("1.dat.gz", "")):
        (tmp_path / "media-20261121T080000Z.dir" / name).write_text(text)

    found = files_of(Run(), tmp_path / "media-20261121T080000Z.dir")

    assert Folder(tmp_path).listing(Run(), "media").sizes == {"media-20261121T080000Z.dir": 3}
    assert [(file.path, file.size, file.sha256[:8]) for file in found] == [
        ("1.dat.gz", 0, "e3b0c442"), ("toc.dat", 3, "ba7816bf")]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        check_workspace(tmp_path / "unmounted", "destination")
    with pytest.raises(OperationError):
        Folder(tmp_path / "unmounted").listing(Run(), "media")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Denied):
        check_workspace(tmp_path, "destination")


@pytest.mark.parametrize("options", [{}, {"destination": "/b", "bucket": "b"}, {"bucket": "b", "format": "directory"}])
def test_one_place_is_needed_that_can_hold_the_dump(options: dict[str, str]) -> None:
    with pytest.raises(Refused):
        place_of_dumps(options)
