"""The folder of a run: every file whole or not at all, and none with a secret in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.investigation_record import FINDINGS, NOTEBOOK
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.journal import Journal
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record_files import JOURNAL
from opsbook.runner.scrub import Scrubber, names_of

RESERVE = 128 * 1024
"""Bytes kept free for the end of a run."""


class Withheld(Exception):
    """A secret is still in what was to be kept. The message names the secret, never its value."""


class RunFolder:
    """Where a run's record comes about. A disk that fills is noted, not raised: the investigation goes on without it."""

    def __init__(self, records: Path, run: str, scrubber: Scrubber) -> None:
        """Make the folder.

        :raises OSError: when it cannot be made
        """
        self.path = records / run
        self.path.mkdir(parents=True, mode=0o700)
        self.troubles: dict[str, str] = {}
        """Why a file could not be stored, by its name."""
        self.missing: dict[str, str] = {}
        """What the record does without, and why."""
        self._scrubber = scrubber
        self._reserve = self.path / ".reserve.part"
        self._reserve.write_bytes(b"\0" * RESERVE)
        self._journal = Journal(str(self.path / JOURNAL), run)

    def note(self, event: str, **fields: Any) -> None:
        """Write an event to the journal, on disk when this returns."""
        try:
            self._journal.write(event, **self._scrubber.value(fields))
        except OSError as error:
            self.troubles[JOURNAL] = _said(error)

    def store(self, name: str, text: str) -> None:
        """Write a file; what is there stays until the new one is whole.

        :raises Withheld: when a secret is in it; it is not written then
        """
        content = text.encode("utf-8", "backslashreplace")
        found = self._scrubber.found_in(content)
        if found:
            raise Withheld(f"{name} still contained {names_of(found)}")
        part = self.path / f".{name}.part"
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path / name)
            self.troubles.pop(name, None)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            self.troubles[name] = _said(error)

    def make_room(self) -> None:
        """Give back what was reserved: the findings and the record find room on a disk that the notebook has filled."""
        self._reserve.unlink(missing_ok=True)

    def store_notebook(self, notebook: Mapping[str, Any]) -> None:
        """Write the executed notebook as far as it is."""
        self.store(NOTEBOOK, json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    def store_findings(self, findings: Mapping[str, Any]) -> None:
        """Write what was found."""
        self.store(FINDINGS, json.dumps(findings, indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    def scan(self) -> None:
        """Look at every byte of every file once more.

        :raises Withheld: when a secret is in one
        """
        for path in sorted(path for path in self.path.rglob("*") if path.is_file()):
            found = self._scrubber.found_in(path.read_bytes())
            if found:
                raise Withheld(f"{path.name} still contained {names_of(found)}")

    def empty(self) -> None:
        """Remove all that was kept, the journal's lines with a secret among it."""
        journal = (self.path / JOURNAL).read_bytes() if (self.path / JOURNAL).exists() else b""
        lines = [line for line in journal.splitlines(keepends=True) if not self._scrubber.found_in(line)]
        for path in self.path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if lines:
            (self.path / JOURNAL).write_bytes(b"".join(lines))


def _said(error: OSError) -> str:
    return error.strerror or type(error).__name__
