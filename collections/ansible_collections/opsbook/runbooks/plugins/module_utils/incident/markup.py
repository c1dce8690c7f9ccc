# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the pages of records are made of: one style sheet, and pieces of HTML in which everything is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --ink: #1f2328; --mute: #59636e; --page: #fff;
  --ok: #1a7f37; --bad: #cf222e; --warn: #9a6700; --info: #0969da; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #151b23; --ink: #f0f6fc; --mute: #9198a1;
  --page: #0d1117; --ok: #3fb950; --bad: #f85149; --warn: #d29922; --info: #4493f8; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 0 auto;
  max-width: 1080px; padding: 24px; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 18px; margin: 36px 0 8px; }
.head { display: flex; gap: 14px; align-items: center; flex-wrap: wrap; }
.mark { color: #fff; border-radius: 6px; padding: 3px 12px; font-weight: 600; }
.ok, .done, .healthy { --mark: var(--ok); } .failed, .unhealthy { --mark: var(--bad); }
.interrupted, .unknown, .rolled { --mark: var(--warn); } .checked, .skipped { --mark: var(--info); }
.mark { background: var(--mark, var(--mute)); } .tone { color: var(--mark, var(--ink)); font-weight: 600; }
.purpose { color: var(--mute); margin: 6px 0 20px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; padding: 14px 18px;
  background: var(--soft); border: 1px solid var(--line); border-radius: 8px; }
dt { color: var(--mute); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; color: var(--mute); font-weight: 600; }
th, td { border-bottom: 1px solid var(--line); padding: 6px 12px 6px 0; vertical-align: top; }
td { overflow-wrap: break-word; max-width: 380px; } td:last-child { white-space: normal; }
td code, td pre { overflow-wrap: anywhere; }
td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
code, pre { font: 12.5px/1.45 ui-monospace, monospace; } pre { margin: 0; white-space: pre-wrap; }
.kv { color: var(--mute); } details { border-top: 1px solid var(--line); padding: 6px 0; }
summary { cursor: pointer; padding: 2px 0; } summary b { font-weight: 600; } summary span { color: var(--mute); }
.none { color: var(--mute); } footer { margin-top: 40px; color: var(--mute); font-size: 13px; }
"""

LONGEST = 10_000
"""Characters of one value that are shown."""

NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def section(title: str, content: str, hide_empty: bool = False) -> str:
    """A heading with its content; with nothing in it it says so, or is left out."""
    if not content:
        return "" if hide_empty else f'<h2>{text(title)}</h2><p class="none">None.</p>'
    return f"<h2>{text(title)}</h2>{content}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already; nothing where it has no rows."""
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    if not lines:
        return ""
    head = "".join(f"<th>{text(name)}</th>" for name in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def tone(word: Any) -> str:
    """A word in the colour of what it means."""
    return f'<span class="tone {text(word)}">{text(word)}</span>'


def json_value(value: Any) -> str:
    """A value as people read it: short ones on a line, others as JSON."""
    if value is None:
        return '<span class="none">none</span>'
    if isinstance(value, Mapping) and all(_is_plain(part) or _is_row(part) for part in value.values()):
        return "<br>".join(f'<span class="kv">{text(name)}:</span> {json_value(part)}' for name, part in value.items())
    if _is_row(value):
        return ", ".join(code(part) for part in value) or '<span class="none">none</span>'
    if _is_plain(value):
        return code(value)
    return f"<pre>{text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))}</pre>"


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _is_row(value: Any) -> bool:
    return isinstance(value, list) and all(_is_plain(part) for part in value)


def code(value: Any) -> str:
    """A value in fixed width; an ARN by its last part, the whole of it when pointed at."""
    if isinstance(value, str) and value.startswith("arn:") and value.count(":") >= 5:
        return f'<code title="{text(value)}">{text(value.split(":", 5)[5])}</code>'
    return f"<code>{text('none' if value is None else value)}</code>"


def moment(time: Any) -> str:
    """A time to the second, in UTC."""
    return f"{str(time)[:19].replace('T', ' ')} UTC" if time else ""


def clock(time: Any) -> str:
    """The time of the day, the whole of it when pointed at."""
    return f'<span title="{text(time)}">{text(str(time)[11:19])}</span>'


def text(value: Any) -> str:
    """Escaped text, without control characters, cut where it is long: the whole of it is in record.json."""
    said = "" if value is None else str(value)
    if len(said) > LONGEST:
        said = f"{said[:LONGEST]} ... ({len(said) - LONGEST} more characters in record.json)"
    return escape(NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", said))
