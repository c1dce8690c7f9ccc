"""The notebook as it is kept: what was put out, without secrets, cut, and with the truth about every cell."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from opsbook.runner import caps
from opsbook.runner.outcome import BROKEN_OFF, CELL_FAILED, COMPLETED, CellSeen
from opsbook.runner.scrub import Scrubber

INJECTED = "injected-parameters"
DROPPED_METADATA = ("input_path", "output_path", "environment_variables")
"""Of papermill: paths of this machine."""


def tidy(outputs: Sequence[MutableMapping[str, Any]], allowance: caps.Allowance, scrubber: Scrubber) -> list[Any]:
    """The outputs of a cell as they are kept."""
    kept: list[Any] = []
    for output in outputs:
        if output["output_type"] == "stream":
            kept.append({**output, "text": _stream(output, allowance, scrubber)})
        elif output["output_type"] == "error":
            kept.append(_error(output, scrubber))
        else:
            kept += _data(output, scrubber)
    if allowance.dropped:
        kept.append(_note(f"{allowance.dropped} more outputs of this cell are not kept"))
    return kept


def _stream(output: Mapping[str, Any], allowance: caps.Allowance, scrubber: Scrubber) -> str:
    left_out = allowance.streams.get(output["name"], 0)
    # Escapes first: a terminal's colour in the middle of a secret would hide it.
    text = scrubber.text(caps.plain(output["text"]))
    if left_out:
        # What was cut may have cut a secret in two; its first part is in the last signs.
        text = text[: len(text) - scrubber.margin].rstrip()
    text = caps.cut_lines(text)
    return f"{text}\n{caps.said_of_rest(left_out)}\n" if left_out else text


def _error(output: Mapping[str, Any], scrubber: Scrubber) -> dict[str, Any]:
    trace = scrubber.text(caps.plain("\n".join(output.get("traceback") or ())))
    if len(trace) > caps.ERROR:
        half = caps.ERROR // 2
        trace = f"{trace[:half]}\n{caps.said_of_rest(len(trace) - 2 * half)}\n{trace[-half:]}"
    lines = caps.cut_lines(trace).split("\n")
    return {"output_type": "error", "ename": one_line(str(output.get("ename")), scrubber, 200),
            "evalue": one_line(str(output.get("evalue")), scrubber, 2000), "traceback": lines}


def _data(output: MutableMapping[str, Any], scrubber: Scrubber) -> list[Any]:
    data = {form: _clean(form, part) for form, part in output["data"].items()}
    data = scrubber.value(data)
    notes = caps.cut_data(data)
    kept: list[Any] = []
    if data:
        kept.append({**output, "data": data, "metadata": scrubber.value(dict(output.get("metadata") or {}))})
    return [*kept, *(_note(note) for note in notes)]


def _clean(form: str, part: Any) -> Any:
    """Texts without control characters, also deep inside; images are base64 and have none."""
    if isinstance(part, str):
        return part if form.startswith("image/") and not form.endswith("xml") else caps.plain(part)
    if isinstance(part, Mapping):
        return {_clean("", str(key)): _clean("", value) for key, value in part.items()}
    return [_clean("", value) for value in part] if isinstance(part, (list, tuple)) else part


def _note(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stderr", "text": f"[opsbook] {text}\n"}


def one_line(text: str, scrubber: Scrubber, most: int = 500) -> str:
    """Text on one line without secrets and control characters, cut where it is long."""
    line = " ".join(scrubber.text(caps.plain(text)).split())
    return line if len(line) <= most else f"{line[:most]} {caps.said_of_rest(len(line) - most)}"


def truthful(
    notebook: Mapping[str, Any], cells: Sequence[CellSeen], run: str, status: str, scrubber: Scrubber
) -> dict[str, Any]:
    """The notebook with papermill's metadata put right: `completed` is said only of what completed.

    :param status: of the run; "running" while it is
    """
    kept = copy.deepcopy(dict(notebook))
    seen = {cell.index: cell for cell in cells}
    own = kept["metadata"].setdefault("papermill", {})
    for name in DROPPED_METADATA:
        own.pop(name, None)
    own["exception"] = None if status in ("running", "ok") else True
    kept["metadata"]["opsbook"] = {"run": run, "status": status}
    for index, cell in enumerate(kept["cells"]):
        cell["metadata"]["papermill"] = _marks(cell["metadata"].get("papermill") or {}, seen.get(index))
    for name in ("metadata",):
        kept[name] = scrubber.value(kept[name])
    for cell in kept["cells"]:
        # Outputs were scrubbed where they were cut; a source can hold a secret too, in a default that somebody wrote.
        cell["source"], cell["metadata"] = scrubber.value(cell["source"]), scrubber.value(cell["metadata"])
    return kept


def _marks(marks: Mapping[str, Any], cell: CellSeen | None) -> dict[str, Any]:
    if cell is None:
        return {"status": COMPLETED, "exception": False}
    times = {name: marks.get(name) for name in ("start_time", "end_time", "duration")} if cell.finished else {}
    # papermill has no word for a cell that was broken off; it failed.
    status = CELL_FAILED if cell.status == BROKEN_OFF else cell.status
    return {**times, "status": status, "exception": status == CELL_FAILED}


def findings_of(notebook: Mapping[str, Any]) -> dict[str, Any] | None:
    """The findings that the notebook's last conclusion left, or None."""
    found = None
    for cell in notebook["cells"]:
        for output in cell.get("outputs") or ():
            if caps.FINDINGS in (output.get("data") or {}):
                found = output["data"][caps.FINDINGS]
    return found if isinstance(found, dict) else None if found is None else {"not a mapping": str(type(found).__name__)}
