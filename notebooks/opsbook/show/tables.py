"""Tables for people, as HTML and as text. Whatever a system returned is escaped: a log line is an attacker's input."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from html import escape
from typing import Any

from IPython.display import display

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import say_cost
from opsbook.evidence.pieces import Piece

MOST_ROWS = 50
"""Rows of a table that are shown; how many more there are is said."""
LONGEST = 400
"""Characters of one cell that are shown."""

# Control characters, among them what moves a terminal's cursor, and halves of characters.
NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def show_table(rows: Iterable[Any], columns: Sequence[str] = (), title: str = "") -> None:
    """Show rows as a table.

    :param rows: frozen dataclasses or mappings
    :param columns: which fields, in this order; by default all of the first row's
    """
    taken = [_cells(row) for row in rows]
    names = list(columns) or (list(taken[0]) if taken else [])
    cells = [[said(row.get(name)) for name in names] for row in taken[:MOST_ROWS]]
    more = f"{len(taken) - MOST_ROWS} more rows are not shown." if len(taken) > MOST_ROWS else ""
    heads = [name.replace("_", " ") for name in names]
    publish(_html(title, heads, cells, more), _text(title, heads, cells, more))


def show_evidence(pieces: Iterable[Piece[Any]]) -> None:
    """Show what was asked and how much of it was seen; what could not be read stands out."""
    rows = []
    for piece in pieces:
        gaps = (*piece.coverage.missing, *piece.coverage.left_out)
        missing = "; ".join(f"{gap.resource}: {gap.reason}" for gap in gaps)
        rows.append({"evidence": piece.name, "source": piece.source, "rows": len(piece.rows), "query": piece.query,
                     "not seen": missing or "-", **({"cost": say_cost(piece.cost)} if piece.cost else {})})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    show_table(rows, columns)


def facts(values: Mapping[str, Any]) -> str:
    """A short list of facts, as HTML."""
    return "<dl>" + "".join(f"<dt>{_e(name)}</dt><dd>{_e(value)}</dd>" for name, value in values.items()) + "</dl>"


def publish(html: str, text: str) -> None:
    """Show something that has an HTML and a text form."""
    display({"text/html": html, "text/plain": text}, raw=True)


def said(value: Any) -> str:
    """A value as a person reads it, on one line, cut where it is long."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return cut(", ".join(said(part) for part in value))
    if isinstance(value, Mapping):
        return cut(", ".join(f"{name} {said(part)}" for name, part in value.items()))
    return cut(str(value))


def number(value: float) -> str:
    """Four significant digits, thousands apart."""
    if value != value or value in (float("inf"), float("-inf")):
        return "-"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def cut(text: str, most: int = LONGEST) -> str:
    """Text without control characters, on one line, cut where it is long."""
    line = " ".join(NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", text).split())
    return line if len(line) <= most else f"{line[:most]} ... ({len(line) - most} more characters)"


def table_html(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A table of texts, which are escaped here."""
    head = "".join(f'<th scope="col">{_e(name)}</th>' for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{_e(cell)}</td>" for cell in row) + "</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html(title: str, heads: Sequence[str], cells: Sequence[Sequence[str]], more: str) -> str:
    caption = f"<p><strong>{_e(title)}</strong></p>" if title else ""
    body = table_html(heads, cells) if cells else "<p>None.</p>"
    return caption + body + (f"<p>{_e(more)}</p>" if more else "")


def _text(title: str, heads: Sequence[str], cells: Sequence[Sequence[str]], more: str) -> str:
    rows = [list(heads), *([cut(cell, 60) for cell in row] for row in cells)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*([cut(title)] if title else []), *(lines if cells else ["None."]), *([more] if more else [])])


def _cells(row: Any) -> Mapping[str, Any]:
    if is_dataclass(row):
        return {field.name: getattr(row, field.name) for field in fields(row)}
    return dict(row)


def _e(value: Any) -> str:
    return escape(NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", str(value)))
