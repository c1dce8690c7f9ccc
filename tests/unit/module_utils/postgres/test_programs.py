"""PostgreSQL's own programs: which version, in which surroundings, and how they end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Missing, OperationError, Refused, Stopped
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.connection import connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.programs import (
    Program,
    client_environment,
    find_program,
    major_of,
    parse_version,
    refuse_older,
    run_program,
)

CANARY = "canary-of-the-programs"


@pytest.mark.parametrize(("said", "version", "major"), [
    ("pg_dump (PostgreSQL) 18.6", "18.6", 18), ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18", 15),
    ("pg_dump (PostgreSQL) 19devel", "19devel", 19), ("pg_restore (PostgreSQL) 18beta1", "18beta1", 18),
    ("pg_dump (PostgreSQL) 13", "13", 13),
])
def test_a_version_is_read_as_a_program_says_it(said: str, version: str, major: int) -> None:
    assert parse_version(said, "p") == version
    assert major_of(version) == major


def test_what_is_no_program_of_postgresql_is_told(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="GNU"):
        parse_version("GNU coreutils", "p")
    with pytest.raises(Missing):
        find_program("pg_dump", str(tmp_path), {})


def test_a_program_older_than_what_it_reads_is_refused() -> None:
    refuse_older(Program("p", "15.18"), 15, "the server")
    with pytest.raises(Refused, match=r"version 15\.18"):
        refuse_older(Program("p", "15.18"), 18, "the server")


def test_a_program_connects_as_we_do() -> None:
    connect = connector({"login_host": "db", "login_db": "media", "login_password": CANARY, "ca_cert": "/ca"})
    made = client_environment({"PATH": "/bin", "PGHOST": "other", "PGDATABASE": "other"}, connect)

    assert {name: made[name] for name in ("PATH", "PGHOST", "PGDATABASE", "PGPASSWORD", "PGSSLROOTCERT", "PGAPPNAME")} == {
        "PATH": "/bin", "PGHOST": "db", "PGDATABASE": "media", "PGPASSWORD": CANARY, "PGSSLROOTCERT": "/ca",
        "PGAPPNAME": "opsbook"}
    assert "PGPASSWORD" not in client_environment({}, connector({}))


def script(tmp_path: Path, text: str) -> Program:
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return Program(str(path), "18.6")


def ended(program: Program, run: Run | None = None, **environment: str) -> Any:
    return run_program(run or Run(timeout=20), program, ["--list"], {**os.environ, **environment}, "try", "it")


def test_a_program_that_ends_well_is_told_with_its_warnings(tmp_path: Path) -> None:
    ran = ended(script(tmp_path, 'echo "out $1"; echo "a warning" >&2; echo "another" >&2'))
    assert (ran.output, ran.warnings) == ("out --list", ("a warning", "another"))


def test_a_program_that_fails_is_told_in_its_own_words_without_secrets(tmp_path: Path) -> None:
    wordy = script(tmp_path, 'head -c 9000 /dev/zero | tr "\\0" x >&2; echo "no $PGPASSWORD" >&2; exit 3')
    with pytest.raises(OperationError) as error:
        ended(wordy, PGPASSWORD=CANARY)
    assert error.value.reason.endswith("no ********")
    assert len(error.value.reason) < 5000


def test_a_program_ends_with_its_run(tmp_path: Path) -> None:
    stubborn = script(tmp_path, f"trap 'echo told > {tmp_path}/told; exit 1' TERM\necho $$ > {tmp_path}/pid\n"
                                "while :; do sleep 0.1; done")
    with pytest.raises(Stopped, match="passed"):
        ended(stubborn, Run(timeout=1))
    assert (tmp_path / "told").exists()
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_lost_lease_ends_a_program(tmp_path: Path) -> None:
    def permit() -> None:
        if (tmp_path / "begun").exists():
            raise Stopped("go on", "this run", "lease lost")

    with pytest.raises(Stopped, match="lease lost"):
        ended(script(tmp_path, f"touch {tmp_path}/begun\nexec sleep 30"), Run(timeout=30, permit=permit))
