# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every record's folder holds, of procedures and investigations alike, and how a file of it is written."""

from __future__ import annotations

from pathlib import Path

SCHEMA = "opsbook.record/1"
JOURNAL, EVIDENCE, RECORD, PAGE, PLAN = "journal.jsonl", "evidence.jsonl", "record.json", "record.html", "plan.json"

OK, FAILED, INTERRUPTED, CHECKED = "ok", "failed", "interrupted", "checked"


def write_whole(path: Path, text: str) -> None:
    """All of it or nothing: a reader never sees half a record.

    :raises OSError: when it cannot be written; what was there before is still there
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError:
        # Half of it would take the room that the next file needs.
        temporary.unlink(missing_ok=True)
        raise
