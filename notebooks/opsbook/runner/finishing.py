"""The end of a run: what became of it, the record, its seal. Nothing here is cut short by a signal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.copying import copy_record
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.investigation_page import render_investigation
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.investigation_record import (
    finished_record,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.orphans import seal_interrupted
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record_files import PAGE, RECORD
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.sealing import (
    Signer,
    finish_record,
    signer_from,
)
from opsbook.pages.notebook_page import notebook_html
from opsbook.runner.course import Course
from opsbook.runner.kept import truthful
from opsbook.runner.outcome import FAILED, Ending, Outcome, decide
from opsbook.runner.request import Request
from opsbook.runner.run import Finished, Prepared
from opsbook.runner.settings import current_settings
from opsbook.runner.store import RunFolder, Withheld
from opsbook.runner.validation import faults_of

Findings = Mapping[str, Any]


def finish(
    course: Course, ending: Ending, findings: Findings | None, folder: RunFolder, prepared: Prepared, request: Request
) -> Finished:
    """Decide what became of the run, write the record and seal it."""
    faults = faults_of(findings) if findings is not None else []
    outcome = decide(course.seen, ending, findings, faults)
    # What is not as it must be is nobody's findings; the notebook still shows it.
    kept = findings if findings is not None and not faults else None
    settings = current_settings()
    signer = signer_from(settings.signing_key, os.environ)
    folder.make_room()
    try:
        _refuse(course)
        record = _write(course, outcome, kept, folder, prepared, signer.said)
        folder.scan()
    except Withheld as error:
        outcome, kept = Outcome(FAILED, str(error)), None
        record = _withhold(str(error), folder, signer.said)
    stored = not (folder.troubles or folder.missing)
    address = request.store or settings.record_store
    sealed = _seal(folder, record, address, signer) if stored else "NOT SEALED: the record is not whole"
    return Finished(outcome, record, kept, folder.path, prepared.scrubber.text(sealed), stored, _earlier(folder, signer))


def _refuse(course: Course) -> None:
    if course.withheld:
        raise course.withheld


def _write(
    course: Course, outcome: Outcome, findings: Findings | None, folder: RunFolder, prepared: Prepared, signed: str
) -> Mapping[str, Any]:
    """Every file of the record but its attestation; the small ones first, in case the disk is full.

    :raises Withheld: when a secret is in one
    """
    if findings is not None:
        folder.store_findings(findings)
    notebook = truthful(course.notebook, course.seen, folder.path.name, outcome.status, prepared.scrubber)
    folder.store_notebook(notebook)
    body = prepared.scrubber.text(_body(notebook, folder))
    folder.note("run_finished", status=outcome.status, error=outcome.error, not_stored=folder.troubles)
    return _record(folder, findings, body, signed)


def _body(notebook: Mapping[str, Any], folder: RunFolder) -> str:
    """The notebook for the page. What a cell put out is anything: no error in showing it may cost the record."""
    try:
        return notebook_html(notebook)
    except Exception as error:
        folder.missing["the notebook in this page"] = f"it could not be shown: {type(error).__name__}"
        return ""


def _record(folder: RunFolder, findings: Findings | None, body: str, signed: str) -> Mapping[str, Any]:
    """The page, without the notebook where the disk has no room for that, and record.json, which says what is missing."""
    record = finished_record(folder.path, findings)
    record["not_stored"] = {**record["not_stored"], **folder.missing}
    folder.store(PAGE, render_investigation(record, findings, body, signed))
    if PAGE in folder.troubles:
        folder.missing["the notebook in this page"] = folder.troubles.pop(PAGE)
        record["not_stored"] = {**record["not_stored"], **folder.missing}
        folder.store(PAGE, render_investigation(record, findings, "", signed))
    record["not_stored"] = {**record["not_stored"], **folder.missing, **folder.troubles}
    folder.store(RECORD, json.dumps(record, indent=1, sort_keys=True) + "\n")
    return record


def _withhold(why: str, folder: RunFolder, signed: str) -> Mapping[str, Any]:
    """A record that says only that there is none, and why."""
    folder.empty()
    folder.note("run_finished", status=FAILED, error="the record was withheld", withheld=why)
    return _record(folder, None, "<p>The notebook is not kept.</p>", signed)


def _seal(folder: RunFolder, record: Mapping[str, Any], address: str, signer: Signer) -> str:
    """Attest the record, and copy it to the store elsewhere, where there is one; returns what is to be said about both."""
    said = finish_record(folder.path, record, signer).said
    return f"{said}; {copy_record(folder.path, address, signer).said}" if address else said


def _earlier(folder: RunFolder, signer: Signer) -> tuple[str, ...]:
    """Runs that were killed before this one, whose records were written now."""
    sealed = seal_interrupted(folder.path.parent, lambda: signer)
    return (*(f"An earlier run was interrupted; its record is in {run}" for run in sealed.runs),
            *(f"The record of an earlier run could not be written: {run}: {why}" for run, why in sealed.failed.items()))
