"""One investigation from request to record: `investigate` is what the command and the module call."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.durations import parse_duration
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.permit import process_started
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.investigation_record import INVESTIGATION
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.orphans import this_machine
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.operator import operator_name, project_revision
from opsbook.runner.environment import environment_credentials, kernel_environment
from opsbook.runner.notebooks import Notebook, find_notebook
from opsbook.runner.outcome import Outcome
from opsbook.runner.request import SYSTEM, Request
from opsbook.runner.scrub import Scrubber, declared_credentials
from opsbook.runner.secret_references import resolve_secrets, secret_parameters
from opsbook.runner.settings import current_settings, named_inventory
from opsbook.runner.signals import Signals
from opsbook.runner.spare import spare_kernel
from opsbook.runner.store import RunFolder
from opsbook.runner.system import Resolution
from opsbook.times import PARAMETERS, spans_of

Say = Callable[[str], None]

START_SECONDS = 60.0
"""How long a kernel may take to start."""


@dataclass(frozen=True)
class Finished:
    """An investigation that has ended, well or not.

    :param record: the content of record.json
    :param findings: the content of findings.json; None where there are none
    :param folder: where the record is
    :param sealed: what is said of its seal
    :param stored: whether all of the record is on disk
    """

    outcome: Outcome
    record: Mapping[str, Any]
    findings: Mapping[str, Any] | None
    folder: Path
    sealed: str = ""
    stored: bool = True
    interrupted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before the first cell runs."""

    notebook: Notebook
    front: Mapping[str, Any]
    parameters: Mapping[str, Any]
    secrets: Mapping[str, str]
    declared: Mapping[str, Any]
    notes: tuple[str, ...]
    now: datetime
    started: float
    scrubber: Scrubber = field(repr=False)
    inventory: tuple[str, ...] = ()

    @property
    def system(self) -> str:
        """The system that is looked at."""
        return str(self.parameters.get(SYSTEM) or "")


def investigate(request: Request, say: Say, signals: Signals) -> Finished:
    """Carry out an investigation and write its record.

    :param say: takes a line of progress
    :raises OperationError: when it was refused before anything began; nothing is written then
    """
    started = time.monotonic()
    notebook = find_notebook(request.notebook)
    # Started before it is known whether it is needed: it takes longer than everything else here together.
    with contextlib.ExitStack() as stack:
        with signals.held():
            kernel = stack.enter_context(spare_kernel(kernel_environment(os.environ, current_settings().signing_key)))
            resolution = stack.enter_context(_resolving(request))
        prepared = _prepare(request, notebook, resolution, started)
        from opsbook.runner import execution

        return execution.execute(prepared, request, kernel, say, signals)


@contextlib.contextmanager
def _resolving(request: Request) -> Iterator[Resolution | None]:
    """The inventory being read, where a system was named."""
    resolution = Resolution(request.system, request.inventory) if request.system else None
    try:
        yield resolution
    finally:
        if resolution:
            resolution.close()


def _prepare(request: Request, notebook: Notebook, resolution: Resolution | None, started: float) -> Prepared:
    # Ansible's validator is imported while the kernel starts, not before.
    from ansible_collections.opsbook.runbooks.plugins.plugin_utils.procedure import (
        validate_investigation,
        validate_notebook,
    )

    front = validate_notebook(notebook.front, notebook.name)
    parameters = validate_investigation(front, notebook.name, request.parameters)
    now = datetime.now(UTC)
    _refuse_times(now, front, parameters)
    references = secret_parameters(front["parameters"], parameters)
    _import_execution()
    declared, notes = resolution.answer() if resolution else ({}, [])
    values = resolve_secrets(references, declared.get("opsbook_aws") or {})
    known = {**environment_credentials(os.environ, current_settings().signing_key), **declared_credentials(declared),
             **{f"the parameter {name}": value for name, value in values.items()}}
    return Prepared(notebook, front, _given(front, parameters, request.parameters), values, declared, tuple(notes),
                    now, started, Scrubber(known), named_inventory(request.inventory, os.environ))


def _refuse_times(now: datetime, front: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    """Refuse here what the kit would refuse in the kernel, seconds later and with a record of it."""
    given = {name: str(parameters[name]) for name in PARAMETERS
             if front["parameters"].get(name, {}).get("type", "str") == "str" and parameters.get(name) is not None}
    spans_of(now, **{"at": "", "window": "1h", "baseline": "3h", **given})


def _import_execution() -> None:
    """papermill takes as long to import as the inventory to be read: both at once."""
    from opsbook.runner import execution  # noqa: F401


def _given(front: Mapping[str, Any], parameters: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is injected into the notebook: every parameter but those that nobody gave and that have no default."""
    return {name: value for name, value in parameters.items() if name in front["parameters"]
            and (value is not None or name in given)}


def case_of(prepared: Prepared, run: str) -> dict[str, Any]:
    """What the kernel's `open_case` reads."""
    return {"run": run, "investigation": prepared.notebook.name, "question": prepared.front["question"],
            "system": prepared.system, "now": prepared.now.isoformat(), "declared": prepared.declared,
            "secrets": prepared.secrets, "inventory": list(prepared.inventory)}


def run_id(prepared: Prepared) -> str:
    """The id of a run: its moment, its name, and what tells it from another of that second."""
    return f"{prepared.now:%Y%m%dT%H%M%SZ}-{prepared.notebook.name}-{secrets.token_hex(3)}"


def open_folder(prepared: Prepared, request: Request, run: str, cells: list[dict[str, Any]]) -> RunFolder:
    """The run's folder with the first line of its journal.

    :raises Refused: where it cannot be made
    """
    try:
        folder = RunFolder(request.record_dir.absolute(), run, prepared.scrubber)
    except OSError as error:
        raise Refused("keep a record", str(request.record_dir), error.strerror or type(error).__name__,
                      "Name another folder with --record.") from error
    front = prepared.front
    folder.note(
        "run_started", run=run, kind=INVESTIGATION, investigation=prepared.notebook.name, title=front["title"],
        question=front["question"], ids=front["ids"], purpose=front["purpose"], permissions=front["permissions"],
        system=prepared.system, parameters=prepared.parameters, operator=operator_name({}),
        revision=project_revision(str(prepared.notebook.path.parent), {}), versions=versions(), cells=cells,
        notes=list(prepared.notes), machine=this_machine(), launcher=os.getpid(),
        launcher_started=process_started(os.getpid()),
        notebook_sha256=hashlib.sha256(prepared.notebook.path.read_bytes()).hexdigest())
    if folder.troubles:
        raise Refused("keep a record", str(request.record_dir), "; ".join(folder.troubles.values()),
                      "Name another folder with --record.")
    return folder


def versions() -> dict[str, str]:
    """What an investigation runs on."""
    from importlib.metadata import version

    return {"papermill": version("papermill"), "ipykernel": version("ipykernel"), "python": platform.python_version()}


def deadline_of(prepared: Prepared) -> float:
    """The moment the whole run ends at, by the monotonic clock."""
    return prepared.started + parse_duration(prepared.front["deadline"]).total_seconds()


def cell_timeout_of(prepared: Prepared) -> float:
    """Seconds that one cell may take."""
    return parse_duration(prepared.front["cell_timeout"]).total_seconds()


