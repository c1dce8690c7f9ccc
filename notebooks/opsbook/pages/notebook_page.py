"""The cells of an executed notebook as sanitised HTML, for the page of its record.

The sanitiser and the Markdown of nbconvert (bleach, mistune) without nbconvert: importing its exporters takes a second, and
what they write is not used here. Code is folded, outputs are open, pictures keep their words.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import bleach
import mistune

from opsbook.runner.caps import FINDINGS
from opsbook.runner.course import titles_of

TAGS = frozenset({
    "b", "blockquote", "br", "caption", "code", "dd", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "li", "ol", "p", "pre", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot",
    "th", "thead", "tr", "ul"})
"""Structure and emphasis: nothing that loads, runs, links or places itself over something else. No attribute but these."""
ATTRIBUTES = {"th": ["scope", "colspan", "rowspan"], "td": ["colspan", "rowspan"], "ol": ["start"]}

PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
"""Kinds of pictures with what each begins with."""

NO_CONTENT = re.compile(r"<(script|style|template|iframe|object|svg|math)\b.*?(</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
"""Elements whose text is for no reader either."""


def notebook_html(notebook: Mapping[str, Any]) -> str:
    """The cells as HTML that may be put into a page."""
    titles = {cell.index: f"{cell.number}. {cell.title}" for cell in titles_of(notebook["cells"])}
    return "".join(_cell(cell, titles.get(index, "")) for index, cell in enumerate(notebook["cells"]))


def _cell(cell: Mapping[str, Any], title: str) -> str:
    if cell["cell_type"] == "markdown":
        return f'<section class="cell">{sanitised(str(mistune.html(cell["source"])), links=True)}</section>'
    if cell["cell_type"] != "code" or not cell["source"].strip():
        return ""
    outputs = "".join(f'<div class="out">{shown}</div>' for output in cell["outputs"] if (shown := _output(output)))
    status = cell["metadata"].get("papermill", {}).get("status")
    never = ' <span class="tone pending">never ran</span>' if status == "pending" else ""
    return (f'<section class="cell"><details><summary>{escape(title)}{never}</summary>'
            f'<pre><code>{escape(cell["source"])}</code></pre></details>{outputs}</section>')


def _output(output: Mapping[str, Any]) -> str:
    if output["output_type"] == "stream":
        return f'<pre class="{escape(str(output["name"]))}">{escape(output["text"])}</pre>'
    if output["output_type"] == "error":
        trace = escape("\n".join(output["traceback"]))
        return (f'<div class="error"><b>{escape(output["ename"])}: {escape(output["evalue"])}</b>'
                f"<details><summary>Where it was raised</summary><pre>{trace}</pre></details></div>")
    data = output["data"]
    if FINDINGS in data:
        return '<p class="none">The verdict is at the top of this page.</p>'
    picture = next((_picture(form, data[form], output.get("metadata") or {}) for form in PICTURES if form in data), "")
    if picture or "text/html" in data:
        return picture + sanitised(str(data.get("text/html", "")))
    if "text/markdown" in data:
        return sanitised(str(mistune.html(data["text/markdown"])))
    return f'<pre>{escape(data["text/plain"])}</pre>' if data.get("text/plain") else ""


def _picture(form: str, content: str, metadata: Mapping[str, Any]) -> str:
    try:
        raw = base64.b64decode(content, validate=False)
    except (binascii.Error, ValueError):
        raw = b""
    words = (metadata.get(form) or {}).get("alt") or metadata.get("alt") or "A picture that its cell describes in no words"
    if not raw.startswith(PICTURES[form]):
        return f'<p class="none">A picture that cannot be shown: {escape(str(words))}</p>'
    return f'<img alt="{escape(str(words))}" src="data:{form};base64,{base64.b64encode(raw).decode("ascii")}">'


def sanitised(html: str, links: bool = False) -> str:
    """HTML with what only structures text left; everything else is shown as the text that it is.

    :param links: whether links to pages are kept; in what a system returned they lead nowhere one wants to go
    """
    tags, attributes = (TAGS | {"a"}, {**ATTRIBUTES, "a": ["href", "title"]}) if links else (TAGS, ATTRIBUTES)
    known = NO_CONTENT.sub("", html)
    return str(bleach.clean(known, tags=tags, attributes=attributes, protocols={"http", "https"}, strip=True))
