"""When what was run, a lane a system, as SVG. The script moves the marks when filters change. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.markup import text
from opsbook.site.rows import Row

LANE = 26
"""Pixels from lane to lane."""

TICKS = 5

MOST_LANES = 12
"""Lanes that are shown; systems beyond the busiest share the last."""

OTHERS = "others"
NO_SYSTEM = "no system"


LEGEND = ('<figcaption aria-hidden="true"><span>\N{BLACK CIRCLE} procedure</span>'
          '<span>\N{BLACK DIAMOND} investigation</span><span class="key ok">well</span>'
          '<span class="key bad">failed, suspects</span>'
          '<span class="key warn">cut off, not enough seen</span><span class="key info">checked only</span></figcaption>')


def timeline(rows: Sequence[Row]) -> str:
    """The timeline of records that say when they began; nothing where none does.

    Marks are numbered like the rows, so that the script knows which belongs to which.
    """
    times = [row.started for row in rows if row.started is not None]
    if not times:
        return ""
    first, last = min(times), max(times)
    lanes = _lanes(rows)
    height = LANE * len(lanes)
    names = "".join(f"<li>{text(lane)}</li>" for lane in lanes)
    lines = "".join(f'<line x1="0" x2="100%" y1="{middle}" y2="{middle}"/>' for middle in map(_middle, range(len(lanes))))
    marks = "".join(_marks(number, row, lanes, first, last) for number, row in enumerate(rows))
    span = last - first
    ticks = "".join(f"<span>{_tick(first + span * part / (TICKS - 1), span)}</span>" for part in range(TICKS))
    return (f'<figure class="timeline" data-first="{first:.0f}" data-last="{last:.0f}"><ul class="lanes" aria-hidden="true">'
            f'{names}</ul><div class="chart"><svg role="img" width="100%" height="{height}" focusable="false" '
            f'aria-label="When what was run, by system; the list below says the same">'
            f'<g class="grid">{lines}</g><g id="marks">{marks}</g></svg>'
            f'<p class="ticks" id="ticks" aria-hidden="true">{ticks}</p></div>{LEGEND}</figure>')


def _lanes(rows: Sequence[Row]) -> list[str]:
    counts: dict[str, int] = {}
    for row in rows:
        for system in row.systems or (NO_SYSTEM,):
            counts[system] = counts.get(system, 0) + 1
    if len(counts) <= MOST_LANES:
        return sorted(counts)
    busiest = sorted(counts, key=lambda system: (-counts[system], system))[: MOST_LANES - 1]
    return [*sorted(busiest), OTHERS]


def _marks(number: int, row: Row, lanes: Sequence[str], first: float, last: float) -> str:
    """A mark in each lane of a record: round for a procedure, a diamond for an investigation."""
    if row.started is None:
        return ""
    place = 50.0 if last == first else 100 * (row.started - first) / (last - first)
    said = f"<title>{text(row.title)}: {text(row.said)}, {datetime.fromtimestamp(row.started, UTC):%Y-%m-%d %H:%M}</title>"
    mine = dict.fromkeys(lanes.index(system if system in lanes else OTHERS) for system in row.systems or (NO_SYSTEM,))
    shape = '<path d="M0-6.5 6.5 0 0 6.5-6.5 0Z"/>' if row.kind == "investigation" else '<circle r="5"/>'
    marks = "".join(f'<svg x="{place:.2f}%" y="{_middle(lane)}" class="{row.tone}" data-row="{number}">{shape}{said}</svg>'
                    for lane in mine)
    return f'<a href="{text(row.link)}" tabindex="-1">{marks}</a>' if row.link else marks


def _middle(lane: int) -> int:
    return lane * LANE + LANE // 2


def _tick(moment: float, span: float) -> str:
    form = "%m-%d %H:%M" if span < 3 * 86400 else "%Y-%m-%d"
    return datetime.fromtimestamp(moment, UTC).strftime(form)
