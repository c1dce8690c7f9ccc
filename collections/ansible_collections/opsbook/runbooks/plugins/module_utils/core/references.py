# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets by reference: where a value is kept, never the value itself.

`env:NAME`, `file:/path`, `secretsmanager:NAME` or `secretsmanager:NAME#field` (a field of a value that is JSON).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

from .errors import OperationError, Refused

ENVIRONMENT, FILE, SECRETS_MANAGER = "env", "file", "secretsmanager"
KINDS = (ENVIRONMENT, FILE, SECRETS_MANAGER)

LONGEST = 64 * 1024
"""Bytes of a value; Secrets Manager keeps no longer ones either."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Reference:
    """Where a secret is kept.

    :param kind: one of KINDS
    :param name: a variable, a path, or a secret's name or ARN
    :param field: a field of the secret's JSON; empty: the value as it is
    """

    kind: str
    name: str
    field: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" + (f"#{self.field}" if self.field else "")


def parse_reference(text: str) -> Reference:
    """Read a reference. The path of a file may be relative to the current folder.

    :raises Refused: for anything else; the text is not repeated, since it may be the secret itself
    """
    kind, colon, name = text.partition(":")
    if not colon or kind not in KINDS or not name:
        raise Refused("read a reference to a secret", "(not shown)", "it is not env:NAME, file:/path or secretsmanager:NAME",
                      "Give where the secret is kept, never the secret itself.")
    if kind == SECRETS_MANAGER:
        secret, _hash, inside = name.partition("#")
        return Reference(kind, secret, inside)
    return Reference(kind, name)


def read_reference(
    reference: Reference, environ: Mapping[str, str], read_secret: Callable[[str, str], str]
) -> str:
    """The value that a reference leads to.

    :param environ: the environment of the process
    :param read_secret: reads a secret of Secrets Manager by its name, and a field of it or ""
    :raises OperationError: when there is none, or a file is one that others can read
    """
    if reference.kind == ENVIRONMENT:
        if not environ.get(reference.name):
            raise OperationError("read a secret", str(reference), "the variable is not set", "Set it and run again.")
        return environ[reference.name]
    if reference.kind == FILE:
        return _read_file(reference)
    return read_secret(reference.name, reference.field)


def _read_file(reference: Reference) -> str:
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would be waited for.
        handle = os.open(reference.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise OperationError("read a secret", str(reference), error.strerror or type(error).__name__) from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise Refused("read a secret", str(reference), "it is no plain file")
        if found.st_mode & OTHERS:
            raise Refused("read a secret", str(reference), "others than its owner may read or change it",
                          f"chmod 600 {reference.name}")
        return os.read(handle, LONGEST).decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise OperationError("read a secret", str(reference), "it is not text") from error
    finally:
        os.close(handle)
