# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run of ecs_service_deploy is asked for, read from the module's options and refused where it makes no sense."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

from ..core.durations import parse_duration
from ..core.errors import Refused
from ..core.selection import has_pattern

_DEFINITION = re.compile(r"(arn:[^:]+:ecs:[^:]+:\d+:task-definition/)?[A-Za-z0-9_-]+:\d+")
_REVISION = re.compile(r"arn:[^:]+:ecs:[^:]+:\d+:service-revision/(?P<cluster>[^/]+)/(?P<service>[^/]+)/\d+")


@dataclass(frozen=True)
class Request:
    """What a run was asked for.

    :param services: names or patterns
    :param task_definition: deploy this one; empty: the one the service has
    :param service_revision: return to what this revision ran
    :param force: start a deployment also where the definition wanted runs already
    :param not_within: a completed deployment younger than that is left alone
    :param rollback: go back when a deployment fails
    """

    cluster: str
    services: tuple[str, ...]
    task_definition: str = ""
    service_revision: str = ""
    force: bool = True
    not_within: timedelta | None = None
    rollback: bool = True


def request_of(options: Mapping[str, Any]) -> Request:
    """Read a module's options.

    :raises Refused: when they contradict each other
    """
    definition, revision = str(options["task_definition"] or ""), str(options["service_revision"] or "")
    services = tuple(options["services"])
    force = options["force_new_deployment"]
    if not services:
        refuse("no service", "the list of services is empty", "Name services, or give '*' for all of the cluster.")
    if (definition or revision) and (len(set(services)) != 1 or has_pattern(services)):
        refuse(", ".join(services), "one task definition or service revision does not suit several services",
               "Name one service, or leave the revision out to deploy each service's own again.")
    if definition and not _DEFINITION.fullmatch(definition):
        refuse(definition, "it names no revision of a task definition", "Give family:revision or the full ARN.")
    if revision:
        _refuse_foreign_revision(revision, str(options["cluster"]), services[0])
    if force is False and not (definition or revision):
        refuse(", ".join(services), "neither a new deployment nor a revision was asked for",
               "Set force_new_deployment, task_definition or service_revision.")
    within = parse_duration(options["not_within"]) if options["not_within"] else None
    return Request(str(options["cluster"]), services, definition, revision,
                   not (definition or revision) if force is None else bool(force), within, bool(options["rollback"]))


def _refuse_foreign_revision(revision: str, cluster: str, service: str) -> None:
    match = _REVISION.fullmatch(revision)
    if not match:
        refuse(revision, "it is not the ARN of a service revision", "Take it from an undo entry or ecs_service_info.")
    if (match["cluster"], match["service"]) != (cluster.rpartition("/")[2], service):
        refuse(revision, f"it belongs to {match['cluster']}/{match['service']}, not to {service}",
               "Name the service it belongs to.")


def refuse(resource: str, reason: str, advice: str) -> NoReturn:
    """End the run before anything changes."""
    raise Refused("deploy ECS services", resource, reason, advice)
