"""Runs that are ended from outside: signals, SIGKILL, a full disk. What they had seen is kept, and said to be a part."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import papermill
import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.permit import process_started
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.attestation import ATTESTATION
from tests.support.labs import ROOT
from tests.support.notebooks import Investigated, make_notebook, run_investigation, start_investigation
from tests.support.waiting import eventually

CANARY = "canary-of-a-killed-run"
WAITING = "import os, time\nprint('the evidence')\nopen(os.environ['MARK'], 'w').write(str(os.getpid()))\ntime.sleep(120)"
IGNORING = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{WAITING}"


class Under:
    """A run that is in the middle of its cell."""

    def __init__(self, tmp_path: Path, source: str = WAITING, *arguments: str) -> None:
        self.records, self.temporary, mark = tmp_path / "records", tmp_path / "temporary", tmp_path / "mark"
        self.temporary.mkdir()
        notebook = make_notebook(tmp_path, "print('before')", source)
        self.process = start_investigation(notebook, *arguments, records=self.records, temporary=self.temporary,
                                           environment={"MARK": str(mark), "CANARY": CANARY})
        self.kernel = int(eventually(lambda: mark.exists() and mark.read_text(), 40))

    def ended(self) -> Investigated:
        """Wait for its end."""
        output, errors = self.process.communicate(timeout=30)
        return Investigated(self.process.returncode, output, errors, self.records)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_cell_and_the_record_is_written(tmp_path: Path, number: signal.Signals, status: int) -> None:
    run = Under(tmp_path, IGNORING)
    run.process.send_signal(number)
    done = run.ended()

    assert done.status == status
    assert (done.record["status"], done.statuses) == ("interrupted", ["completed"] * 3 + ["broken_off", "pending"])
    assert done.record["error"] == f"{number.name} arrived in cell 4 (Small investigation)"
    assert "the evidence" in done.page
    assert (done.folder / ATTESTATION).exists()
    assert not process_started(run.kernel)
    assert list(run.temporary.iterdir()) == []


def test_further_signals_do_not_keep_the_record_from_being_written(tmp_path: Path) -> None:
    run = Under(tmp_path)
    for _again in range(5):
        run.process.send_signal(signal.SIGTERM)
        run.process.send_signal(signal.SIGINT)
    done = run.ended()

    assert (done.status, done.record["status"]) in ((143, "interrupted"), (130, "interrupted"))
    assert (done.folder / ATTESTATION).exists()


def test_a_killed_runner_takes_its_kernel_along_and_its_record_is_sealed_later(tmp_path: Path) -> None:
    run = Under(tmp_path, WAITING, "-p", "token", "env:CANARY")
    run.process.kill()
    run.ended()
    eventually(lambda: not process_started(run.kernel))
    folder = next(run.records.iterdir())
    left = b"".join(path.read_bytes() for path in [*tmp_path.rglob("*")] if path.is_file())
    sealed = subprocess.run([sys.executable, "-m", "opsbook", "records", "seal", "--record-dir", str(run.records)], cwd=ROOT,
                            capture_output=True, text=True, check=True, env={**os.environ, "OPSBOOK_SIGNING_KEY": ""})
    done = Investigated(-9, "", "", run.records)

    assert CANARY.encode() not in left
    assert folder.name in sealed.stdout
    assert (done.record["status"], done.record["kind"]) == ("interrupted", "investigation")
    assert done.record["error"] == "the runner was killed in cell 4 (Small investigation)"
    assert done.statuses == ["completed"] * 3 + ["broken_off", "pending"]
    assert done.notebook.metadata.opsbook.status == "interrupted"
    assert [cell.metadata.papermill.status for cell in done.notebook.cells if cell.cell_type == "code"][-2:] == [
        "pending", "pending"]
    assert done.notebook.cells[3].outputs[0].text == "before\n"
    assert "the runner was killed" in done.page
    assert (done.folder / ATTESTATION).exists()


def test_the_next_run_seals_a_killed_one_and_removes_what_it_left(tmp_path: Path) -> None:
    run = Under(tmp_path)
    run.process.kill()
    run.ended()
    folder = next(run.records.iterdir())
    done = run_investigation(make_notebook(tmp_path, name="next"), records=run.records, temporary=run.temporary)

    assert f"An earlier run was interrupted; its record is in {folder.name}" in done.output
    assert json.loads((folder / "record.json").read_text())["status"] == "interrupted"
    assert list(run.temporary.iterdir()) == []


def test_a_signal_before_anything_began_leaves_nothing(tmp_path: Path) -> None:
    process = start_investigation(make_notebook(tmp_path), records=tmp_path / "records", temporary=tmp_path)
    eventually(lambda: list(tmp_path.glob("opsbook-run-*")), 20)
    process.terminate()
    _output, errors = process.communicate(timeout=30)

    assert process.returncode == 143, errors
    assert "before the investigation began" in errors
    assert not (tmp_path / "records").exists()
    assert list(tmp_path.glob("opsbook-run-*")) == []


def test_a_full_disk_is_said_and_the_verdict_is_on_the_terminal(tmp_path: Path) -> None:
    """A file system of one megabyte, and a cell whose output is longer."""
    enter = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    records = tmp_path / "records"
    records.mkdir()
    mount = f'mount -t tmpfs -o size=1m small "{records}"'
    probe = subprocess.run([*enter, "sh", "-c", mount], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no file system can be mounted here: {probe.stderr.strip()}")
    notebook = make_notebook(
        tmp_path, "print('small')", "import base64, os\nfor n in range(4):\n    display({'text/html': '<p>' + "
        "base64.b64encode(os.urandom(300_000)).decode(), 'text/plain': 'x'}, raw=True)")
    command = [sys.executable, "-m", "opsbook", "investigate", str(notebook), "--record", str(records)]
    done = subprocess.run(
        [*enter, "sh", "-c", f'{mount} && "$@"; status=$?; cp -r {records} {tmp_path}/kept; exit $status', "sh", *command],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=90, env={**os.environ, "OPSBOOK_SIGNING_KEY": ""})
    kept = Investigated(done.returncode, done.stdout, done.stderr, tmp_path / "kept")

    assert done.returncode == 8, done.stderr
    assert "Writes to the table orders are throttled" in done.stdout
    assert "NOT STORED" in done.stdout
    assert "No space left on device" in str(kept.record["not_stored"])
    assert "small" in str(kept.notebook.cells[3].outputs)
    assert json.loads((kept.folder / "findings.json").read_text())["verdict"] == "suspects"


def test_a_record_that_cannot_be_begun_is_refused(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("a file")
    done = run_investigation(make_notebook(tmp_path), records=tmp_path / "records", temporary=tmp_path)

    assert done.status == 2
    assert "Name another folder with --record" in done.errors


def test_runs_side_by_side_do_not_disturb_each_other(tmp_path: Path) -> None:
    notebook = make_notebook(tmp_path, "print('number', number)")

    def one(number: int) -> Investigated:
        return run_investigation(notebook, "-p", "number", str(number), records=tmp_path / f"records{number}")

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(one, range(6)))

    assert [run.status for run in done] == [0] * 6
    assert [run.notebook.cells[3].outputs[0].text for run in done] == [f"number {number}\n" for number in range(6)]


def test_plain_papermill_runs_the_same_notebook(tmp_path: Path) -> None:
    notebook = make_notebook(tmp_path, "print('number', number)")
    done = papermill.execute_notebook(notebook, tmp_path / "out.ipynb", {"number": 7}, progress_bar=False)

    assert done.cells[3].outputs[0].text == "number 7\n"
    assert "application/vnd.opsbook.findings+json" in done.cells[-1].outputs[0].data
