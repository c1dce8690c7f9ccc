"""Plots that can be read without seeing them: a PNG with alternative text, and the figures behind it in a table.

Figures are drawn without pyplot: no global state, no backend to choose, half the time to import.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import cycle

from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from opsbook.diagnosis.series import Series
from opsbook.evidence.pieces import Span
from opsbook.show.tables import cut, number, table_html

WIDTH, HEIGHT, DOTS = 8.4, 2.9, 100
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, which people who confuse colours can tell apart (https://jfly.uni-koeln.de/color/)."""
DASHES = ("-", "--", "-.", ":")
MOST_LINES = 7
"""More lines than colours cannot be told apart; the others are in the table."""
MOST_TABLE_ROWS = 60


def show_lines(
    series: Sequence[Series], title: str, span: Span, marks: Mapping[str, datetime | None] | None = None,
    limit: float | None = None,
) -> None:
    """Draw series over time, the window shaded.

    :param marks: moments to mark by what they are ("onset", "deployment"); None is left out
    :param limit: a threshold to draw
    """
    drawn = [one for one in series if one.points][:MOST_LINES]
    if not drawn:
        display({"text/html": f"<p>{escape(title)}: no data.</p>", "text/plain": f"{title}: no data."}, raw=True)
        return
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS, layout="constrained", facecolor="white")
    axes = figure.subplots()
    # A dash of its own with each colour: the plot is read in black and white too.
    for one, colour, dash in zip(drawn, COLOURS, cycle(DASHES)):
        axes.plot(_days(moment for moment, value in one.points), [value for moment, value in one.points], dash, color=colour,
                  linewidth=1.4, label=cut(_name(one, drawn), 50))
    axes.axvspan(*_days((span.start, span.end)), color="#888888", alpha=0.12, label="window")
    for (name, moment), dash in zip((marks or {}).items(), cycle((":", "-."))):
        if moment is not None:
            axes.axvline(_days([moment])[0], color="#444444", linestyle=dash, linewidth=1.2, label=cut(name, 50))
    if limit is not None:
        axes.axhline(limit, color="#b00020", linewidth=1, linestyle="--", label=f"limit {number(limit)}")
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylabel(drawn[0].unit, fontsize=9)
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False)
    _publish(figure, _in_words(series, title, span, marks or {}, limit), _table(series))


def show_bars(values: Mapping[str, float], title: str, unit: str) -> None:
    """Draw one bar a name, the greatest first."""
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))[:20]
    if not ordered:
        display({"text/html": f"<p>{escape(title)}: no data.</p>", "text/plain": f"{title}: no data."}, raw=True)
        return
    figure = Figure(figsize=(WIDTH, 0.9 + 0.28 * len(ordered)), dpi=DOTS, layout="constrained", facecolor="white")
    axes = figure.subplots()
    names = [cut(name, 60) for name, value in ordered]
    bars = axes.barh(range(len(names)), [value for name, value in ordered], color=COLOURS[0])
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.bar_label(bars, labels=[number(value) for name, value in ordered], fontsize=8, padding=3)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(unit, fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    axes.margins(x=0.12)
    told = "; ".join(f"{cut(name, 60)} {number(value)}" for name, value in ordered[:5])
    cells = [[cut(name), number(value)] for name, value in ordered]
    _publish(figure, f"Bar chart: {title}, in {unit}. Greatest first: {told}.", table_html(["name", unit], cells))


def _publish(figure: Figure, words: str, table: str) -> None:
    """The picture with its words, and the table of its figures folded beneath."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    picture = base64.b64encode(buffer.getvalue()).decode("ascii")
    display({"image/png": picture, "text/plain": words}, raw=True, metadata={"image/png": {"alt": words}})
    display({"text/html": f"<details><summary>Figures of this plot</summary>{table}</details>", "text/plain": ""}, raw=True)


def _days(moments: Iterable[datetime]) -> list[float]:
    """Moments as matplotlib counts them."""
    return [float(date2num(moment)) for moment in moments]


def _name(one: Series, others: Sequence[Series]) -> str:
    """Component and metric, as far as they differ between the lines."""
    components, metrics = {other.component for other in others}, {other.metric for other in others}
    parts = [one.component] if len(components) > 1 else []
    parts += [one.metric.replace("_", " ")] if len(metrics) > 1 or not parts else []
    return " ".join(parts)


def _in_words(
    series: Sequence[Series], title: str, span: Span, marks: Mapping[str, datetime | None], limit: float | None
) -> str:
    """What the plot shows, for who does not see it: levels before the window and in it."""
    parts = []
    for one in [one for one in series if one.points][:MOST_LINES]:
        before = [value for moment, value in one.points if moment < span.start]
        inside = [value for moment, value in one.points if span.start <= moment < span.end]
        parts.append(f"{one.component} {one.metric.replace('_', ' ')}: median {_median(before)} before the window, "
                     f"{_median(inside)} in it, at most {number(max(inside)) if inside else 'unknown'}")
    said = [f"{name} at {moment:%H:%M} UTC" for name, moment in marks.items() if moment]
    threshold = [f"limit {number(limit)}"] if limit is not None else []
    return f"Line plot: {title}, {span.say()}. " + ". ".join([*parts, *said, *threshold]) + "."


def _median(values: Sequence[float]) -> str:
    if not values:
        return "unknown"
    ordered = sorted(values)
    return number(ordered[len(ordered) // 2])


def _table(series: Sequence[Series]) -> str:
    """The series side by side, a row a moment, thinned to what a person reads."""
    columns = [one for one in series if one.points]
    moments = sorted({moment for one in columns for moment, value in one.points})
    kept = moments[:: max(1, math.ceil(len(moments) / MOST_TABLE_ROWS))]
    by_series = [dict(one.points) for one in columns]
    cells = [[f"{moment:%m-%d %H:%M}", *(number(values[moment]) if moment in values else "-" for values in by_series)]
             for moment in kept]
    heads = ["time (UTC)", *(f"{one.component} {one.metric.replace('_', ' ')} ({one.unit})" for one in columns)]
    note = f"<p>Every {len(moments) // len(kept) or 1}th of {len(moments)} points.</p>" if len(kept) < len(moments) else ""
    return table_html(heads, cells) + note
