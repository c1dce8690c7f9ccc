# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many pages rows need, by the layout that the manual tells ("Database Page Layout", "B-Tree Indexes"). Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

BLOCK = 8192
"""Bytes of a page in every server that was not built for another size."""
PAGE_HEADER, POINTER, TREE_SPECIAL = 24, 4, 16
ROW_HEADER, ENTRY_HEADER, ENTRY_BITMAP = 23, 8, 4
INNER_FILL = 70
"""Percent of a page above the leaves that a build fills."""
LONG = 127
"""Bytes from which on a value of varying length has a long header, which is aligned."""


@dataclass(frozen=True)
class Column:
    """A column as it is stored.

    :param length: bytes; negative where it varies
    :param alignment: bytes
    :param required: whether it is never null
    :param width: average bytes, by the statistics; None where these may not be seen
    :param nulls: the part of rows in which it is null, from 0 to 1, likewise
    """

    length: int
    alignment: int
    required: bool
    width: float | None
    nulls: float | None


def data_bytes(columns: Sequence[Column]) -> float | None:
    """Average bytes of a row's values with the gaps between them; None where they cannot be known."""
    end = 0.0
    for column in columns:
        width = column.length if column.length > 0 else column.width
        nulls = 0.0 if column.required else column.nulls
        if width is None or nulls is None:
            return None
        is_short = column.length < 0 and width < LONG
        begin = end if is_short else _aligned(end, column.alignment)
        end += (begin - end + width) * (1 - nulls)
    return end if columns else None


def heap_pages(rows: float, columns: Sequence[Column], fill: int) -> int | None:
    """Pages of a table that was written just now; None where its columns are not known."""
    row = _stored(columns, ROW_HEADER, math.ceil(len(columns) / 8))
    return None if row is None else math.ceil(rows / max(1, (BLOCK - PAGE_HEADER - _left_free(fill)) // row))


def tree_pages(rows: float, columns: Sequence[Column], fill: int) -> int | None:
    """Pages of a B-tree that was built just now; None where its columns are not known.

    The first holds no keys; each other but the last of its level also holds its neighbour's.
    """
    entry = _stored(columns, ENTRY_HEADER, ENTRY_BITMAP)
    if entry is None:
        return None
    level = math.ceil(rows / max(1, (leaf_room(fill) - entry) // entry))
    pages = 1 + level
    while level > 1:
        level = math.ceil(level / max(2, (leaf_room(INNER_FILL) - entry) // entry))
        pages += level
    return pages


def leaf_room(fill: int) -> int:
    """Bytes for entries in a page of a B-tree that a build fills so far."""
    return BLOCK - PAGE_HEADER - TREE_SPECIAL - _left_free(fill)


def _stored(columns: Sequence[Column], header: int, bitmap: int) -> float | None:
    """Average bytes of a row with its pointer; one with a null has a bitmap of nulls, and fewer values."""
    data, whole = data_bytes(columns), data_bytes([replace(column, nulls=0.0) for column in columns])
    if data is None or whole is None:
        return None
    without = math.prod(1.0 if column.required else 1.0 - (column.nulls or 0.0) for column in columns)
    full = _aligned(header, 8) + _aligned(whole, 8)
    if without == 1.0:
        return POINTER + full
    torn = (data - without * whole) / (1.0 - without)
    return POINTER + without * full + (1.0 - without) * (_aligned(header + bitmap, 8) + _aligned(torn, 8))


def _left_free(fill: int) -> int:
    return BLOCK * (100 - fill) // 100


def _aligned(end: float, alignment: int) -> int:
    return math.ceil(end / alignment) * alignment
