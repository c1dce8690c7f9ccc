"""Stores of sealed records: real ones of procedures, built from journals, with keys of their own."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.sealing import Sealed, Signer, seal_run
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.signers import KeySigner
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.verification import Fault
from ansible_collections.opsbook.runbooks.plugins.module_utils.signing.keys import new_key_pem, signing_key
from opsbook.verification import Judged, verify
from tests.support.journals import begun, ended, finished, planned, play, seen, started, task


class Keys:
    """A key that signs, and the file with its public half."""

    def __init__(self, folder: Path, name: str = "ours") -> None:
        self.private = folder / f"{name}.key"
        self.private.touch(mode=0o600)
        self.private.write_text(new_key_pem())
        self.signer = KeySigner(signing_key(self.private.read_text()))
        self.public = folder / f"{name}.pub"
        self.public.write_text(self.signer.key.public_pem)


def run_record(records: Path, name: str, signer: Signer) -> Sealed:
    """A run's folder with all files that a procedure leaves, sealed."""
    folder = records / name
    folder.mkdir(parents=True)
    write_run(folder, name)
    _record, sealed = seal_run(folder, signer)
    return sealed


def write_run(folder: Path, name: str) -> None:
    """The journal and the evidence of a check run, which leaves a plan too."""
    events = [started(run=name, command={"check": True}), play(), begun(), ended(), task(planned=[planned()]), finished()]
    (folder / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "evidence.jsonl").write_text(json.dumps(seen()) + "\n")


def faults_of(records: Path, *keys: Keys, names: tuple[str, ...] = (), heads: tuple[str, ...] = ()) -> list[Fault]:
    """What `verify` finds."""
    return list(judged(records, *keys, names=names, heads=heads).faults)


def judged(records: Path, *keys: Keys, names: tuple[str, ...] = (), heads: tuple[str, ...] = ()) -> Judged:
    """How `verify` judges a store."""
    return verify(str(records), names, [str(key.public) for key in keys], heads)


def told(faults: list[Fault]) -> set[tuple[str, str]]:
    """Entries and kinds of faults."""
    return {(fault.entry, fault.kind) for fault in faults}
