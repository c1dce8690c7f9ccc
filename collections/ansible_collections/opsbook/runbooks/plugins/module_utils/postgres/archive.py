# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of contents of a dump, as `pg_restore --list` prints it.

A line is `number; catalog oid KIND schema name owner`. Names are printed raw, blanks and all, so only what stands before
them is read: of a table's rows, `TABLE DATA`, the oid is the table's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_ENTRY = re.compile(r"^\d+; \d+ (\d+) (.*)$", re.MULTILINE)
_EXTENSION = re.compile(r"(?:COMMENT - )?EXTENSION (?:- )?(.+?) ?$")


def table_oids(listed: str) -> set[int]:
    """The tables whose rows are in the dump, by their oid in the database it was made of."""
    return {int(oid) for oid, what in _ENTRY.findall(listed) if what.startswith("TABLE DATA ")}


def without_extensions(listed: str, left_out: Collection[str]) -> str:
    """The table of contents without some extensions and the comments on them."""
    return "".join(f"{line}\n" for line in listed.splitlines() if not _is_of(line, left_out))


def _is_of(line: str, extensions: Collection[str]) -> bool:
    entry = _ENTRY.match(line)
    named = _EXTENSION.fullmatch(entry.group(2)) if entry else None
    return bool(named) and named.group(1) in extensions  # type: ignore[union-attr]  # bool(None) is False
