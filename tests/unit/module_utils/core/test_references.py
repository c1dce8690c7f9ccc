"""Secrets by reference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.references import (
    Reference,
    parse_reference,
    read_reference,
)


def read(text: str, **environ: str) -> str:
    return read_reference(parse_reference(text), environ, lambda name, field: f"{name}/{field}")


@pytest.mark.parametrize(("text", "meant"), [
    ("env:TOKEN", Reference("env", "TOKEN")),
    ("file:/run/secrets/key", Reference("file", "/run/secrets/key")),
    ("file:.lab/default/signing.key", Reference("file", ".lab/default/signing.key")),
    ("secretsmanager:prod/key", Reference("secretsmanager", "prod/key")),
    ("secretsmanager:prod/key#private", Reference("secretsmanager", "prod/key", "private")),
    ("secretsmanager:arn:aws:secretsmanager:eu-west-1:1:secret:key", Reference(
        "secretsmanager", "arn:aws:secretsmanager:eu-west-1:1:secret:key")),
])
def test_a_reference_is_read_and_written_alike(text: str, meant: Reference) -> None:
    assert parse_reference(text) == meant
    assert str(meant) == text


@pytest.mark.parametrize("text", ["canary-of-the-test", "", "env:", "vault:x", "http://canary-of-the-test"])
def test_a_secret_in_place_of_a_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_reference(text)

    assert "canary" not in str(refused.value)


def test_values_are_read_where_they_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text("kept")

    assert read("env:TOKEN", TOKEN="given") == "given"
    assert read(f"file:{path}") == "kept"
    assert read("secretsmanager:a#b") == "a/b"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_text("kept")
    path.chmod(mode)

    with pytest.raises(Refused, match="others than its owner"):
        read(f"file:{path}")


def test_what_is_not_there_or_no_file_is_said_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "bytes").touch(mode=0o600)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")

    for text, reason in ((f"file:{tmp_path}/none", "No such file"), (f"file:{tmp_path}", "no plain file"),
                         (f"file:{tmp_path}/pipe", "no plain file"), (f"file:{tmp_path}/bytes", "not text"),
                         ("env:NONE", "not set")):
        with pytest.raises(OperationError, match=reason):
            read(text)
