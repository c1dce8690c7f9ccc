"""Which program runs, in which surroundings."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Missing, OperationError, Skipped
from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.runner import child_environment, find_program


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    for name in ("terraform", "tofu"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_prefers_the_program_given_then_terraform_then_tofu(programs: Path) -> None:
    path = {"PATH": str(programs)}
    assert find_program(str(programs / "tofu"), path, "p", False) == str(programs / "tofu")
    assert find_program("", path, "p", False) == str(programs / "terraform")
    (programs / "terraform").unlink()
    assert find_program("", path, "p", False) == str(programs / "tofu")


def test_without_a_program_there_is_nothing_to_do_unless_it_is_required(tmp_path: Path) -> None:
    with pytest.raises(Skipped, match="neither terraform nor tofu is on PATH"):
        find_program("", {"PATH": str(tmp_path)}, "p", False)
    with pytest.raises(OperationError) as error:
        find_program("", {"PATH": str(tmp_path)}, "p", True)
    assert not isinstance(error.value, Skipped)


def test_a_given_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="binary_path"):
        find_program(str(tmp_path / "none"), {"PATH": str(tmp_path)}, "p", False)


def test_variables_that_change_commands_behind_our_back_do_not_pass() -> None:
    given = {"TF_CLI_ARGS_plan": "-target=x", "TF_LOG": "trace", "TF_WORKSPACE": "w", "TF_VAR_size": "2", "PATH": "/bin",
             "TF_CLI_CONFIG_FILE": "/rc", "AWS_PROFILE": "p"}

    kept = child_environment(given, "/data")

    assert {name for name in given if name in kept} == {"TF_VAR_size", "PATH", "TF_CLI_CONFIG_FILE", "AWS_PROFILE"}
    assert (kept["TF_DATA_DIR"], kept["TF_INPUT"], kept["CHECKPOINT_DISABLE"]) == ("/data", "0", "1")
