"""What a person sees: tables and plots."""

from __future__ import annotations

from opsbook.show.plots import show_bars as bars
from opsbook.show.plots import show_lines as lines
from opsbook.show.states import cache, dead_rows, endpoints, functions, services, sessions, statements, targets, throughput
from opsbook.show.tables import show_table as table
from opsbook.show.views import changes, error_rates, failing_groups, measurements, new_messages

__all__ = [
    "bars", "cache", "changes", "dead_rows", "endpoints", "error_rates", "failing_groups", "functions", "lines",
    "measurements", "new_messages", "services", "sessions", "statements", "table", "targets", "throughput",
]  # fmt: skip
