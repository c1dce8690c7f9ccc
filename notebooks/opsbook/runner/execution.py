"""Running the cells and writing what came of it. Imports papermill, so it is imported while the kernel starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import papermill_engines  # type: ignore[import-untyped]
from papermill.parameterize import parameterize_notebook  # type: ignore[import-untyped]

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from opsbook.runner import engine, finishing
from opsbook.runner.course import Course, titles_of
from opsbook.runner.kept import findings_of, one_line
from opsbook.runner.outcome import Ending
from opsbook.runner.request import Request
from opsbook.runner.run import (
    START_SECONDS,
    Finished,
    Prepared,
    case_of,
    cell_timeout_of,
    deadline_of,
    open_folder,
    run_id,
)
from opsbook.runner.signals import Signals
from opsbook.runner.spare import SpareKernel

KERNEL = "python3"
GRACE_SECONDS = 3.0
"""How long after its deadline a run is ended from outside, should it not end by itself."""


def execute(
    prepared: Prepared, request: Request, kernel: SpareKernel, say: Callable[[str], None], signals: Signals
) -> Finished:
    """Run the notebook in the kernel and write the record.

    :raises Refused: when the record's folder cannot be made; nothing has run then
    """
    notebook = parameterised(prepared)
    run = run_id(prepared)
    signals.guard(kernel.kill)
    cells = [{"number": cell.number, "title": prepared.scrubber.text(cell.title)} for cell in titles_of(notebook["cells"])]
    folder = open_folder(prepared, request, run, cells)
    course = Course(notebook, folder, prepared.scrubber, say, deadline_of(prepared), cell_timeout_of(prepared),
                    lambda: signals.name)
    kernel.give(case_of(prepared, run))
    with _ended_at(course.deadline + GRACE_SECONDS, kernel.kill):
        ending = _carry_out(course, kernel, prepared)
    # What a cell had started must not go on while the record is written.
    kernel.kill()
    return finishing.finish(course, ending, findings_of(course.notebook), folder, prepared, request)


def parameterised(prepared: Prepared) -> Any:
    """The notebook with the parameters of this run, references in the place of secrets.

    :raises Refused: when it is no valid notebook
    """
    try:
        notebook = nbformat.v4.upgrade(nbformat.from_dict(prepared.notebook.content))  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise Refused("read the notebook", prepared.notebook.name, " ".join(str(error).split())[:300],
                      "Open it in Jupyter and save it again.") from error
    notebook.metadata.setdefault("papermill", {})
    notebook.metadata.setdefault("kernelspec", {"name": KERNEL, "display_name": "Python 3", "language": "python"})
    for cell in notebook.cells:
        cell.source = "".join(cell.source) if isinstance(cell.source, list) else cell.source
        cell.metadata.setdefault("tags", [])
    return parameterize_notebook(notebook, dict(prepared.parameters), kernel_name=KERNEL, language="python",
                                 engine_name=engine.NAME)


def _carry_out(course: Course, kernel: SpareKernel, prepared: Prepared) -> Ending:
    start = max(min(START_SECONDS, course.deadline - time.monotonic()), 1.0)
    try:
        papermill_engines.execute_notebook_with_engine(
            engine.NAME, course.notebook, KERNEL, output_path=None, progress_bar=False, kernel=kernel, watcher=course,
            margin=prepared.scrubber.margin, start_timeout=start)
    except CellTimeoutError:
        return course.ending(late=f"it took longer than {prepared.front['cell_timeout']}")
    except DeadKernelError:
        return course.ending(died=_how(kernel, prepared))
    except Exception as error:
        if time.monotonic() >= course.deadline - 1 and kernel.alive():
            # The kernel had the rest of the time to answer, in whole seconds: it was not broken, there was too little of it.
            return course.ending(late="the investigation's time is over")
        died = "" if kernel.alive() else _how(kernel, prepared)
        return course.ending(died=died, unexpected=one_line(f"{type(error).__name__}: {error}", prepared.scrubber))
    return course.ending()


def _how(kernel: SpareKernel, prepared: Prepared) -> str:
    said = kernel.said()
    return one_line(kernel.how_it_ended() + (f": {said}" if said else ""), prepared.scrubber)


class _ended_at:
    """Ends the kernel at a moment from a thread of its own, whatever the loop of the client does then."""

    def __init__(self, moment: float, kill: Callable[[], None]) -> None:
        self._timer = threading.Timer(max(moment - time.monotonic(), 0.0), kill)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()

