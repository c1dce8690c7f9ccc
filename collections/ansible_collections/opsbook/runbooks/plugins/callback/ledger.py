# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: ledger
type: aggregate
version_added: 0.1.0
short_description: Keep a journal and a record of every ansible-playbook run
description:
  - Opens a journal before the first task, appends an event for each task, safely on disk, and writes a record
    (C(record.json), C(record.html), under C(--check) also C(plan.json)) and a one-screen summary at the end.
  - The record is sealed by C(attestation.json), which names its files and the records it follows; see C(docs/records.md).
  - The guard refuses a changing procedure while this callback is not enabled.
  - A run that was killed leaves its journal. The next run writes its record from it and marks it as interrupted.
requirements:
  - enabled in C(ansible.cfg) as C(callbacks_enabled = opsbook.runbooks.ledger)
options:
  record_dir:
    description:
      - Folder that a folder per run is made in.
      - A relative path is relative to the current folder.
    type: path
    default: records
    ini:
      - section: callback_ledger
        key: record_dir
    env:
      - name: OPSBOOK_RECORD_DIR
  signing_key:
    description:
      - Where the key that signs records is kept, V(env:NAME), V(file:/path) or V(secretsmanager:NAME#field), never the key
        itself. An ed25519 key, PKCS8 PEM without a passphrase; a file is refused when others than its owner can read it.
      - The path of a file may be relative to the current folder.
      - Without one, or when it cannot be used, records are sealed and chained all the same, and say that nobody signed them.
      - Secrets Manager is reached by boto3's usual chain.
    type: str
    default: ""
    version_added: 0.2.0
    ini:
      - section: callback_ledger
        key: signing_key
    env:
      - name: OPSBOOK_SIGNING_KEY
  record_store:
    description:
      - Where finished records are copied to besides O(record_dir), as V(s3://bucket/prefix), or another folder.
      - A copy that fails is said and leaves the record where it is; the next run copies it too.
      - S3 is reached by boto3's usual chain.
    type: str
    default: ""
    version_added: 0.2.0
    ini:
      - section: callback_ledger
        key: record_store
    env:
      - name: OPSBOOK_RECORD_STORE
author:
  - opsbook contributors (@opsbook)
"""

import os
import platform
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__ as core_version

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.permit import process_started
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident import journal
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.copying import copy_record
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.journal import Journal
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.orphans import seal_interrupted, this_machine
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import EVIDENCE, JOURNAL
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.sealing import Signer, seal_run, signer_from
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.summary import summarize
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.events import evidence_of, name_of, task_events
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.operator import operator_name, project_revision
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.receipt import (
    delete_receipts,
    extra_vars,
    system_of,
)

COMMAND = ("inventory", "check", "diff", "subset", "tags", "skip_tags", "start_at_task")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "opsbook.runbooks.ledger"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._journal: Journal | None = None
        self._evidence: Journal | None = None
        self._folder = Path()
        self._begun: dict[str, float] = {}
        self._failed = False
        self._play: Any = None
        self._systems: dict[str, str] = {}
        self._signs: Signer | None = None

    def v2_playbook_on_start(self, playbook: Any) -> None:
        records = Path(self.get_option("record_dir")).absolute()
        name = Path(playbook._file_name).stem
        run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}-{secrets.token_hex(3)}"
        self._folder = records / run
        self._folder.mkdir(parents=True, mode=0o700)
        self._journal = Journal(str(self._folder / JOURNAL), run)
        self._evidence = Journal(str(self._folder / EVIDENCE), run)
        given = extra_vars()
        self._journal.write(
            "run_started", run=run, playbook=os.path.relpath(playbook._file_name), operator=operator_name(given),
            revision=project_revision(str(Path(playbook._file_name).parent), given), command=_command(given),
            versions={"ansible-core": core_version, "python": platform.python_version()},
            machine=this_machine(), launcher=os.getpid(), launcher_started=process_started(os.getpid()))
        # Workers fork from here on and inherit it; the guard refuses a changing procedure without it.
        journal.active = self._journal
        self._seal_orphans(records)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play
        if self._journal is not None:
            self._journal.write("play_started", play=play.get_name(),
                                procedure=play.get_vars().get("opsbook_procedure"))

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._begun[f"{host.name}/{task._uuid}"] = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write("ok", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._write("skipped", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._failed = self._failed or not ignore_errors
        self._write("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._failed = True
        self._write("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if self._journal is None:
            return
        failed = bool(stats.failures or stats.dark) or self._failed
        self._journal.write("run_finished", failed=failed)
        journal.active = None
        delete_receipts(self._folder)
        record, sealed = seal_run(self._folder, self._signer())
        copied = self._copy()
        said = f"{sealed.said}; {copied}" if copied else sealed.said
        self._display.display("\n" + summarize(record, os.path.relpath(self._folder), said))

    def _signer(self) -> Signer:
        if self._signs is None:
            self._signs = signer_from(self.get_option("signing_key") or "", os.environ)
        return self._signs

    def _copy(self) -> str:
        """Copy the record to the store elsewhere, where there is one; returns what is to be said about it."""
        address = self.get_option("record_store")
        return copy_record(self._folder, address, self._signer()).said if address else ""

    def _write(self, status: str, result: Any) -> None:
        if self._journal is None or self._evidence is None:
            return
        task, host = result.task, result.host
        begun = self._begun.get(f"{host.name}/{task._uuid}", time.monotonic())
        common = {"system": self._system(host), "host": host.name, "task": name_of(task), "phase": _phase(task)}
        for event in task_events(status, result.result):
            self._journal.write("task_finished", action=str(task.resolved_action or task.action),
                                seconds=round(time.monotonic() - begun, 3), **common, **event)
        for item in evidence_of(result.result):
            self._evidence.write("evidence", **common, **item)

    def _system(self, host: Any) -> str:
        """The system a host belongs to: a machine's variables name it."""
        if host.name not in self._systems:
            variables = self._play.get_variable_manager().get_vars(play=self._play, host=host, include_hostvars=False)
            self._systems[host.name] = system_of(variables)
        return self._systems[host.name]

    def _seal_orphans(self, records: Path) -> None:
        sealed = seal_interrupted(records, self._signer)
        for run in sealed.runs:
            self._display.display(f"An earlier run was interrupted; its record is in {run}")
        for run, reason in sealed.failed.items():
            self._display.warning(f"The record of an earlier run could not be written: {run}: {reason}")


def _phase(task: Any) -> str:
    """The name of the outermost named block around a task: the procedure's phase."""
    phase, parent = "", task._parent
    while parent is not None:
        phase = getattr(parent, "name", "") or phase
        parent = getattr(parent, "_parent", None)
    return phase


def _command(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the command line asked for. Extra variables by name only: a value may be a secret."""
    asked = {name: context.CLIARGS.get(name) for name in COMMAND}
    said = {name: list(value) if isinstance(value, (list, tuple)) else value for name, value in asked.items()}
    return {**{name: value for name, value in said.items() if value and value != ["all"]}, "parameters": sorted(given)}
