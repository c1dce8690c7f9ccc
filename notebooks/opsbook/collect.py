"""What a notebook can look at. Each function answers with a piece of evidence; what could not be read is a gap in it."""

from __future__ import annotations

from opsbook.evidence.caches import cache_clusters, cache_server, cache_slowness
from opsbook.evidence.changes import api_changes, deployments, function_changes, service_events
from opsbook.evidence.databases import instances, sessions, statements, statements_lately, table_statistics
from opsbook.evidence.endpoints import certificates, endpoints, metrics_page, names, providers
from opsbook.evidence.logs import error_line_series, error_lines, insights
from opsbook.evidence.metrics import component_series
from opsbook.evidence.request_logs import request_groups
from opsbook.evidence.states import alarms, balancers, functions, queues, services, tables, targets

__all__ = [
    "alarms", "api_changes", "balancers", "cache_clusters", "cache_server", "cache_slowness", "certificates",
    "component_series", "deployments", "endpoints", "error_line_series", "error_lines", "function_changes", "functions",
    "insights", "instances", "metrics_page", "names", "providers", "queues", "request_groups", "service_events", "services",
    "sessions", "statements", "statements_lately", "table_statistics", "tables", "targets",
]  # fmt: skip
