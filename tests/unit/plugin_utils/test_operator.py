"""Who started a run, and from which revision."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.plugin_utils.operator import operator_name, project_revision


@pytest.mark.parametrize(
    ("given", "sudo", "name"),
    [
        ({"awx_user_name": "grace"}, "ada", "grace (says awx_user_name; account ada)"),
        ({"tower_user_name": "grace"}, "", "grace (says tower_user_name; account root-of-all)"),
        ({"awx_user_name": "", "tower_user_name": "grace"}, "", "grace (says tower_user_name; account root-of-all)"),
        ({}, "ada", "ada"),
        ({"user_name": "mallory"}, "", "root-of-all"),
    ],
)
def test_the_person_behind_a_run(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], sudo: str, name: str
) -> None:
    monkeypatch.setenv("SUDO_USER", sudo)
    monkeypatch.setattr(getpass, "getuser", lambda: "root-of-all")

    assert operator_name(given) == name


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no username")])
def test_an_account_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def nobody() -> str:
        raise error

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)

    assert operator_name({}) == f"uid {os.getuid()}"


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """git in a project of its own, whatever is configured on this machine."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    def run(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return run


def commit(git: Callable[..., str], folder: Path) -> str:
    git("init", "--quiet")
    (folder / "play.yml").write_text("[]")
    git("add", ".")
    git("commit", "--quiet", "--message=one")
    return git("rev-parse", "HEAD")[:12]


def test_the_revision_is_gits(git: Callable[..., str], tmp_path: Path) -> None:
    revision = commit(git, tmp_path)

    assert project_revision(str(tmp_path), {}) == revision


def test_a_tag_does_not_hide_the_revision(git: Callable[..., str], tmp_path: Path) -> None:
    revision = commit(git, tmp_path)
    git("tag", "--annotate", "v1", "--message=one")

    assert project_revision(str(tmp_path), {}) == revision


def test_files_that_differ_are_told(git: Callable[..., str], tmp_path: Path) -> None:
    revision = commit(git, tmp_path)
    (tmp_path / "play.yml").write_text("[1]")

    assert project_revision(str(tmp_path), {}) == f"{revision}-dirty"


def test_a_folder_without_git_has_no_revision(git: Callable[..., str], tmp_path: Path) -> None:
    assert project_revision(str(tmp_path), {}) == ""


def test_a_machine_without_git_has_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert project_revision(str(tmp_path), {}) == ""


@pytest.mark.parametrize("name", ["awx_project_revision", "tower_project_revision"])
def test_a_run_of_awx_has_its_revision(git: Callable[..., str], tmp_path: Path, name: str) -> None:
    commit(git, tmp_path)

    assert project_revision(str(tmp_path), {name: "abc"}) == "abc"
