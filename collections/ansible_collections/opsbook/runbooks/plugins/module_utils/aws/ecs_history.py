# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service's deployment history: its service deployments, and the revisions they deployed with resolved images.

AWS keeps both only for deployments since 25 October 2024 (ListServiceDeployments, DescribeServiceRevisions, API
reference) and only for services whose deployments ECS makes. What is not kept is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..core.errors import OperationError
from .client import Connect
from .ecs_tasks import chunks
from .errors import code_of, explaining

ARNS_A_CALL = 20
SUCCESSFUL = "SUCCESSFUL"
OPEN = frozenset({"PENDING", "IN_PROGRESS"})
GOING_BACK = frozenset({"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})
WENT_BACK = frozenset({"ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"})
LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Image:
    """What a container ran.

    :param reference: the image as the task definition names it
    :param digest: what that was resolved to ("sha256:..."), empty where AWS recorded nothing
    """

    reference: str
    digest: str


@dataclass(frozen=True)
class Revision:
    """A service revision: a task definition and its images as they were resolved, by container."""

    arn: str
    task_definition: str
    images: Mapping[str, Image] = field(default_factory=dict)

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each container's image, where one was recorded."""
        return {container: image.digest for container, image in self.images.items() if image.digest}


@dataclass(frozen=True)
class ServiceDeployment:
    """One entry of the history.

    :param revision: ARN of the revision it deployed
    """

    arn: str
    status: str
    reason: str
    revision: str
    created_at: datetime
    finished_at: datetime | None

    @property
    def deployment(self) -> str:
        """The id that the same deployment has in DescribeServices."""
        return f"ecs-svc/{self.revision.rpartition('/')[2]}"


@dataclass(frozen=True)
class History:
    """A service's deployments.

    :param service: its name
    :param entries: the newest first
    :param offered: False where AWS keeps no history for this service
    """

    service: str
    entries: tuple[ServiceDeployment, ...] = ()
    offered: bool = True

    @property
    def newest(self) -> ServiceDeployment | None:
        """The last deployment, whatever became of it."""
        return self.entries[0] if self.entries else None

    @property
    def completed(self) -> ServiceDeployment | None:
        """The last one that was completed."""
        return next((entry for entry in self.entries if entry.status == SUCCESSFUL), None)


def read_history(connect: Connect, cluster: str, service: str) -> History:
    """Read the whole history of a service, all pages.

    :raises OperationError: when it cannot be read; "AWS does not offer it" is an answer
    """
    request: dict[str, Any] = {"cluster": cluster, "service": service, "maxResults": 100}
    entries: list[ServiceDeployment] = []
    try:
        with explaining("read the deployment history of an ECS service", f"{cluster}/{service}"):
            while True:  # botocore has no paginator for this operation
                page = connect("ecs").list_service_deployments(**request)
                entries += [_entry(entry, entry.get("targetServiceRevisionArn", ""))
                            for entry in page.get("serviceDeployments") or ()]
                if not page.get("nextToken"):
                    break
                request["nextToken"] = page["nextToken"]
    except OperationError as error:
        if not _not_offered(error):
            raise
        return History(service, offered=False)
    # The order of the pages is not documented.
    return History(service, tuple(sorted(entries, key=lambda entry: entry.created_at, reverse=True)))


def read_service_deployments(connect: Connect, arns: Iterable[str]) -> dict[str, ServiceDeployment]:
    """Service deployments by their ARN, twenty a call; those that AWS does not know are left out."""
    found: dict[str, ServiceDeployment] = {}
    for some in chunks(sorted({arn for arn in arns if arn}), ARNS_A_CALL):
        with explaining("read service deployments", ", ".join(some)):
            reply = connect("ecs").describe_service_deployments(serviceDeploymentArns=some)
        for entry in reply.get("serviceDeployments") or ():
            target = (entry.get("targetServiceRevision") or {}).get("arn", "")
            found[entry["serviceDeploymentArn"]] = _entry(entry, target)
    return found


def read_revisions(connect: Connect, arns: Iterable[str]) -> dict[str, Revision]:
    """Service revisions by their ARN, twenty a call; those that AWS does not know are left out."""
    found: dict[str, Revision] = {}
    for some in chunks(sorted({arn for arn in arns if arn}), ARNS_A_CALL):
        with explaining("read service revisions", ", ".join(some)):
            reply = connect("ecs").describe_service_revisions(serviceRevisionArns=some)
        for revision in reply.get("serviceRevisions") or ():
            found[revision["serviceRevisionArn"]] = _revision(revision)
    return found


def _entry(entry: Mapping[str, Any], revision: str) -> ServiceDeployment:
    return ServiceDeployment(
        arn=entry["serviceDeploymentArn"], status=entry.get("status", ""), reason=entry.get("statusReason", ""),
        revision=revision, created_at=entry.get("createdAt") or LONG_AGO, finished_at=entry.get("finishedAt"))


def _revision(reply: Mapping[str, Any]) -> Revision:
    images = {image["containerName"]: Image(image.get("image", ""), image.get("imageDigest", ""))
              for image in reply.get("containerImages") or () if image.get("containerName")}
    return Revision(reply["serviceRevisionArn"], reply.get("taskDefinition", ""), images)


def _not_offered(error: BaseException) -> bool:
    return code_of(error.__cause__ or error) == "UnsupportedFeatureException"
