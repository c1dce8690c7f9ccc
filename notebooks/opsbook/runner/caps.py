"""How much of a cell's output is kept: enough to read, never so much that a careless print fills memory, disk or page."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

FINDINGS = "application/vnd.opsbook.findings+json"

STREAM = 64 * 1024
"""Characters that a cell may print to one stream."""
OUTPUTS = 60
"""Outputs of a cell: tables, plots, streams."""
PART = {"image/png": 3_000_000, "image/jpeg": 3_000_000, "image/svg+xml": 500_000, "text/html": 500_000,
        "text/markdown": 100_000, "text/plain": 100_000, "application/json": 100_000, FINDINGS: 4_000_000}
"""Characters of each form of one output; what is longer is left out with a note, text is cut. Other forms are not kept."""
CELL = 12_000_000
"""Characters of all outputs of a cell together."""
ERROR = 20_000
"""Characters of a traceback."""
LINE = 4_000
"""Characters of one printed line."""

ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[@-Z\\-_]|.)?", re.DOTALL)
"""Escape sequences of terminals (ECMA-48)."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def plain(text: str) -> str:
    """Text without what moves a terminal's cursor, control characters or halves of characters."""
    clean = CONTROL.sub("\N{REPLACEMENT CHARACTER}", ANSI.sub("", text).replace("\r\n", "\n"))
    return clean.replace("\r", "\n")


def said_of_rest(left_out: int, what: str = "characters") -> str:
    """The note where something was cut."""
    return f"... {left_out:,} more {what} are not kept"


def cut_lines(text: str) -> str:
    """Text whose lines are cut where they are long."""
    if len(text) <= LINE:
        return text
    return "\n".join(line if len(line) <= LINE else f"{line[:LINE]} {said_of_rest(len(line) - LINE)}"
                     for line in text.split("\n"))


def cut_data(data: MutableMapping[str, Any]) -> list[str]:
    """Leave out of one output what is too long or of a form that no reader of the record has.

    :returns: a note for each form that was left out
    """
    notes = []
    for form, content in list(data.items()):
        most = PART.get(form)
        size = len(content) if isinstance(content, str) else len(str(content))
        if most is None:
            del data[form]
        elif size > most and form in ("text/plain", "text/markdown"):
            data[form] = f"{content[:most]}\n{said_of_rest(size - most)}"
        elif size > most:
            del data[form]
            notes.append(f"{form} of {size:,} characters is not kept; {most:,} are the most")
    return notes


class Allowance:
    """What a cell may still put out. Streams of one name are joined: a secret is not hidden in the seam of two messages."""

    def __init__(self, margin: int) -> None:
        """:param margin: characters kept beyond the cap until secrets are taken out, so that none is cut in two"""
        self._margin = margin
        self._size = 0
        self.dropped = 0
        self.streams: dict[str, int] = {}
        """Characters that were not kept, by stream."""

    def takes(self, outputs: list[Any], message: MutableMapping[str, Any]) -> bool:
        """Whether an output may be added to a cell's; text of a stream is added here."""
        content = message["content"]
        if message["msg_type"] == "stream":
            return self._stream(outputs, content)
        size = sum(len(part) if isinstance(part, str) else len(str(part)) for part in (content.get("data") or {}).values())
        concludes = FINDINGS in (content.get("data") or {})
        if not concludes and (len(outputs) >= OUTPUTS or self._size + size > CELL) and message["msg_type"] != "error":
            self.dropped += 1
            return False
        self._size += size
        return True

    def _stream(self, outputs: list[Any], content: MutableMapping[str, Any]) -> bool:
        name, text = content["name"], content["text"]
        present = next((out for out in outputs if out["output_type"] == "stream" and out["name"] == name), None)
        room = STREAM + self._margin - (len(present["text"]) if present else 0)
        if len(text) > room:
            self.streams[name] = self.streams.get(name, 0) + len(text) - max(room, 0)
            text = text[:max(room, 0)]
        if present is not None:
            present["text"] += text
            return False
        content["text"] = text
        return True
