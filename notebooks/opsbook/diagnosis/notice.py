"""All signs in all evidence of a case: each kind of row is looked at by the file that knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_services import Observed as ObservedService
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elasticache_clusters import Cluster
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_balancers import Balancer
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_targets import TargetGroup
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lambda_limits import Bounds
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.rds_instances import Instance
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.check import Checked
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.dns import Resolved
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.sessions import Activity
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statements import Statement
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.statistics_state import Statistics
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.server_state import Observed as ObservedCache
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.slow_log import Slowness
from opsbook.diagnosis.noticing import logs, metrics, outside, requests, states, stores
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.series import Series
from opsbook.diagnosis.signs import Sign
from opsbook.evidence.changes import Change
from opsbook.evidence.endpoints import Certificate
from opsbook.evidence.log_text import LogLine
from opsbook.evidence.pieces import Piece, Span
from opsbook.evidence.request_logs import RequestGroup
from opsbook.evidence.states import TableUse

Noticing = Callable[[Scene, Any, str], Iterable[Sign]]

BY_ROW: tuple[tuple[type, Noticing], ...] = (
    (LogLine, logs.log_signs),
    (RequestGroup, requests.request_signs),
    (ObservedService, states.service_signs),
    (TargetGroup, states.target_signs),
    (TableUse, states.table_use_signs),
    (Cluster, states.cluster_signs),
    (Balancer, states.balancer_signs),
    (Activity, stores.session_signs),
    (Statement, stores.statement_signs),
    (Statistics, stores.table_signs),
    (ObservedCache, stores.cache_signs),
    (Slowness, stores.slowness_signs),
    (Resolved, outside.name_signs),
    (Certificate, outside.certificate_signs),
)
"""Which function looks at which kind of row. What shows the present only is passed over in a case about the past."""

OF_THE_PRESENT = (
    ObservedService, TargetGroup, Balancer, Activity, Statement, Statistics, ObservedCache, Resolved, Checked, Instance,
    Cluster,
)
"""Rows that show how things are now, and say nothing about an hour of yesterday."""


def notice(scene: Scene, pieces: Mapping[str, Piece[Any]]) -> list[Sign]:
    """Every sign in the evidence; hints of changes come last, since they need to know when trouble began.

    :param pieces: the evidence by name
    """
    series = [row for piece in pieces.values() for row in piece.rows if isinstance(row, Series)]
    signs: list[Sign] = []
    for name, piece in pieces.items():
        row = piece.rows[0] if piece.rows else None
        if row is None or (isinstance(row, OF_THE_PRESENT) and not scene.is_about_now):
            continue
        # Metrics are settled only some minutes later than now: what has not come yet is no silence.
        ends = min(scene.window.end, piece.span.end) if piece.span else scene.window.end
        seen = replace(scene, window=Span(scene.window.start, ends))
        if isinstance(row, Series):
            signs += metrics.metric_signs(seen, piece.rows, name)
        elif isinstance(row, Bounds):
            signs += states.function_signs(scene, piece.rows, series, name)
        elif isinstance(row, Instance):
            signs += states.instance_signs(scene, piece.rows, series, name)
        elif isinstance(row, Checked):
            look = outside.provider_signs if _of_providers(scene, piece.rows) else outside.endpoint_signs
            signs += look(scene, piece.rows, name)
        else:
            signs += next((look(scene, piece.rows, name) for kind, look in BY_ROW if isinstance(row, kind)), ())
    return [*signs, *_hints(scene, pieces, signs)]


def _of_providers(scene: Scene, checked: Sequence[Checked]) -> bool:
    outside_of_us = {one.name for one in scene.service_map.components if not one.owned}
    return all(one.endpoint.name in outside_of_us for one in checked)


def _hints(scene: Scene, pieces: Mapping[str, Piece[Any]], signs: Sequence[Sign]) -> Iterable[Sign]:
    onsets: dict[str, datetime | None] = {}
    for sign in signs:
        known = onsets.get(sign.component)
        onsets[sign.component] = min((moment for moment in (known, sign.onset) if moment), default=None)
    for name, piece in pieces.items():
        changes = [row for row in piece.rows if isinstance(row, Change)]
        yield from outside.change_signs(scene, changes, onsets, name)
