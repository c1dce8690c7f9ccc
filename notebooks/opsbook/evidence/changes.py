"""What changed around the window: deployments, configuration, calls that changed something. A hint at most, never a verdict:
"blame the last deployment" is right once in twenty-four (FACTS, diagnosis).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.cloudtrail_events import TrailEvent, changing_events
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_history import (
    SUCCESSFUL,
    WENT_BACK,
    History,
    Revision,
    ServiceDeployment,
    read_history,
    read_revisions,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_services import read_services, short
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.gathering import gather
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lambda_limits import collect_changed_versions
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Coverage, Gap, merge_coverage
from opsbook.diagnosis.service_map import Component, ServiceMap
from opsbook.evidence.log_text import clean
from opsbook.evidence.pieces import Piece, Span
from opsbook.evidence.sources import Source, attempt, undeclared, whole

LATEST = "$LATEST"


@dataclass(frozen=True)
class Change:
    """Something that somebody or something changed.

    :param component: its name in the service map; empty where the change is of none of them
    :param what: its kind: "deployment", "rolled back", "version published", "configuration changed", or the call
        ("ecs:UpdateService")
    :param by: who did it; empty where that is not known
    :param detail: one line: what it changed to, how it ended
    :param before: of a deployment, the ARN of the service revision that the last completed one before it ran
    """

    time: datetime
    component: str
    what: str
    by: str
    detail: str
    before: str = ""


def deployments(case: Source, name: str = "deployments") -> Piece[Change]:
    """The deployments of the system's ECS services that began in the baseline or the window, the oldest first."""
    span = whole(case)
    services = case.service_map.of_kind("ecs_service")
    cluster = str(case.declared.get("ecs_cluster") or "")
    blank: Piece[Change] = Piece(name, "ecs", f"ListServiceDeployments of {', '.join(one.name for one in services)}", span)
    if not (services and cluster):
        return undeclared(blank, "ECS services")

    def read(piece: Piece[Change]) -> Piece[Change]:
        connect, by_id = case.aws(), {one.id: one.name for one in services}
        histories, coverage = gather(case.run, "deployments of ecs-service", list(by_id),
                                     lambda one: read_history(connect, cluster, one))
        lately = [(history, entry) for history in histories for entry in history.entries if entry.created_at >= span.start]
        revisions = read_revisions(connect, (entry.revision for _history, entry in lately))
        rows = [row for history, entry in lately
                for row in _of_deployment(by_id[history.service], entry, revisions, completed_before(history, entry))]
        older, more = _not_kept(case, cluster, by_id, histories)
        return replace(piece, rows=_within([*rows, *older], span), coverage=merge_coverage([coverage, more]))

    return attempt(blank, read)


def function_changes(case: Source, name: str = "changes of functions") -> Piece[Change]:
    """The versions published and the functions changed in the baseline or the window, the oldest first.

    A function shows its last change only, and not what it was: CloudTrail (`api_changes`) may tell.
    """
    span = whole(case)
    functions = case.service_map.of_kind("lambda_function")
    blank: Piece[Change] = Piece(name, "lambda", f"ListVersionsByFunction of {', '.join(one.id for one in functions)}", span)
    if not functions:
        return undeclared(blank, "Lambda functions")

    def read(piece: Piece[Change]) -> Piece[Change]:
        by_id = {one.id: one.name for one in functions}
        seen = collect_changed_versions(case.aws(), case.run, list(by_id), span.start, span.end)
        rows = [Change(version.modified, by_id[version.function],
                       "configuration or code changed" if version.version == LATEST else "version published", "",
                       f"{version.version} {clean(version.description)}".strip()) for version in seen.state]
        return replace(piece, rows=_within(rows, span), coverage=seen.coverage)

    return attempt(blank, read)


def api_changes(case: Source, name: str = "changing calls") -> Piece[Change]:
    """The calls that changed something in the account, as CloudTrail has them, up to 15 minutes late; the oldest first."""
    span = whole(case)
    blank: Piece[Change] = Piece(name, "cloudtrail", "LookupEvents ReadOnly=false", span)

    def read(piece: Piece[Change]) -> Piece[Change]:
        trail = changing_events(case.aws(), case.run, span.start, span.end)
        gaps = (Gap("CloudTrail events", trail.cut),) if trail.cut else ()
        rows = (_of_event(event, case.service_map) for event in trail.events)
        return replace(piece, rows=_within(rows, span),
                       coverage=Coverage(() if gaps else ("CloudTrail events of the region",), gaps))

    return attempt(blank, read)


def service_events(case: Source, name: str = "service events") -> Piece[Change]:
    """What ECS says of its services in the baseline and the window: tasks it started, targets it found unhealthy."""
    span = whole(case)
    services = case.service_map.of_kind("ecs_service")
    cluster = str(case.declared.get("ecs_cluster") or "")
    blank: Piece[Change] = Piece(name, "ecs", f"DescribeServices events of {', '.join(one.name for one in services)}", span)
    if not (services and cluster):
        return undeclared(blank, "ECS services")

    def read(piece: Piece[Change]) -> Piece[Change]:
        by_id = {one.id: one.name for one in services}
        found, coverage = read_services(case.aws(), case.run, cluster, list(by_id))
        rows = [Change(datetime.fromisoformat(event["at"]), by_id[service.name], "event", "ecs", clean(event["message"]))
                for service in found for event in service.events if event["at"]]
        return replace(piece, rows=_within(rows, span), coverage=coverage)

    return attempt(blank, read)


def component_of(event: TrailEvent, service_map: ServiceMap) -> str:
    """The component that a call is about: the longest name or id among what it names; empty where there is none."""
    values = (*event.resources, *event.parameters.values())
    words = {word for value in values for word in (value, *re.split(r"[:/]", value)) if word}
    joined = "\n".join(values)
    found = [one for one in service_map.components
             if {one.name, one.id} & words or ("/" in one.id and one.id in joined)
             or (one.target_group and one.target_group in joined)]
    return max(found, key=_length).name if found else ""


def _length(component: Component) -> int:
    return max(len(component.name), len(component.id))


def _of_event(event: TrailEvent, service_map: ServiceMap) -> Change:
    said = ", ".join(f"{name}={value}" for name, value in event.parameters.items())
    refused = f"refused: {event.error}" if event.error else ""
    return Change(event.time, component_of(event, service_map), f"{event.source}:{event.name}", clean(event.user, 200),
                  clean("; ".join(part for part in (refused, said) if part), 500))


def completed_before(history: History, entry: ServiceDeployment) -> str:
    """The revision that the last deployment before this one ran that was completed; empty where AWS keeps none."""
    earlier = [one for one in history.entries if one.created_at < entry.created_at and one.status == SUCCESSFUL]
    return max(earlier, key=lambda one: one.created_at).revision if earlier else ""


def _of_deployment(
    component: str, entry: ServiceDeployment, revisions: Mapping[str, Revision], before: str
) -> Iterable[Change]:
    revision = revisions.get(entry.revision)
    what = short(revision.task_definition) if revision else "a revision that AWS does not keep"
    images = ", ".join(image.reference for image in revision.images.values()) if revision else ""
    told = clean("; ".join(part for part in (f"{entry.status}: {what}", images, entry.reason) if part), 500)
    yield Change(entry.created_at.astimezone(UTC), component, "deployment", "", told, before)
    if entry.status in WENT_BACK and entry.finished_at:
        yield Change(entry.finished_at.astimezone(UTC), component, "rolled back", "ecs", told)


def _not_kept(
    case: Source, cluster: str, by_id: Mapping[str, str], histories: Iterable[History]
) -> tuple[list[Change], Coverage]:
    """Deployments of services of which AWS keeps no history: those that the service still shows."""
    silent = [history.service for history in histories if not history.offered]
    if not silent:
        return [], Coverage()
    found, coverage = read_services(case.aws(), case.run, cluster, silent)
    rows = [Change(datetime.fromisoformat(one.created_at), by_id[service.name], "deployment", "",
                   f"{one.rollout_state or one.status}: {short(one.task_definition)}")
            for service in found for one in service.deployments if one.created_at]
    left = tuple(Gap(f"history of {name}", "AWS keeps none for it: its present deployments only") for name in silent)
    return rows, Coverage(coverage.read, coverage.missing, left)


def _within(rows: Iterable[Change], span: Span) -> tuple[Change, ...]:
    chosen = (row for row in rows if span.start <= row.time < span.end)
    return tuple(sorted(chosen, key=lambda row: (row.time, row.component, row.what)))
