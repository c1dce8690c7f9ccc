# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Task definitions, and the way back to what a service ran: the same definition with its images pinned by digest.

A tag names another image tomorrow: going back to a task definition whose image is `shop:stable` would fetch the broken
image again. AWS records what each tag was resolved to, so a copy of the definition that names those digests is exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import OutcomeUnknown
from ..core.run import Run
from .calls import all_pages, call_once
from .client import Connect
from .ecs_history import Image, Revision
from .errors import explaining

# What RegisterTaskDefinition takes of what DescribeTaskDefinition tells (botocore's service model, ecs 2014-11-13).
REGISTRABLE = (
    "family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes",
    "placementConstraints", "requiresCompatibilities", "cpu", "memory", "pidMode", "ipcMode", "proxyConfiguration",
    "inferenceAccelerators", "ephemeralStorage", "runtimePlatform", "enableFaultInjection",
    "trustedExecutionConfiguration",
)
# How many revisions of a family are searched for a copy made earlier; more would cost a call each for little.
SEARCHED = 20


@dataclass(frozen=True)
class Definition:
    """A task definition.

    :param content: what RegisterTaskDefinition takes; it may hold secrets and is never shown
    :param tags: its tags, as the API has them
    """

    arn: str
    active: bool
    content: Mapping[str, Any] = field(repr=False)
    tags: tuple[Mapping[str, str], ...] = ()

    @property
    def family(self) -> str:
        """Its family."""
        return str(self.content["family"])


@dataclass(frozen=True)
class Target:
    """The task definition to deploy.

    :param arn: the definition as it is; empty where a copy must be registered first
    :param original: what the copy is made of
    :param images: container to the image that its copy names, by digest
    """

    arn: str
    original: Definition
    images: Mapping[str, str] = field(default_factory=dict)


def read_definition(connect: Connect, name: str) -> Definition:
    """Read a task definition by ARN or `family:revision`, also one that was deregistered."""
    with explaining("read a task definition", name):
        reply = connect("ecs").describe_task_definition(taskDefinition=name, include=["TAGS"])
    definition = reply["taskDefinition"]
    content = {key: definition[key] for key in REGISTRABLE if definition.get(key) not in (None, [], {}, "")}
    return Definition(definition["taskDefinitionArn"], definition.get("status", "ACTIVE") == "ACTIVE", content,
                      tuple(reply.get("tags") or ()))


def with_images(content: Mapping[str, Any], images: Mapping[str, str]) -> dict[str, Any]:
    """A definition's content with other images in some of its containers."""
    containers = [{**container, "image": images.get(container["name"], container.get("image"))}
                  for container in content["containerDefinitions"]]
    return {**content, "containerDefinitions": containers}


def same_but_images(one: Definition, other: Definition) -> bool:
    """Whether two definitions differ in nothing but the images of their containers."""
    return _without_images(one) == _without_images(other)


def pinned_images(recorded: Revision, latest: Revision | None, forced: bool) -> dict[str, str]:
    """The images to name by digest when going back to a revision; none where its definition as it is gives the same.

    A reference gives the same image when the latest revision resolved it to the same digest just now. Where the latest
    does not use the reference, nobody knows without asking the registry: the definition is taken as it is, unless the
    deployment that went wrong was one of the same definition (`forced`) and the image is all that can have changed.

    :param latest: the revision that was deployed last; None where AWS does not tell
    :param forced: whether that is of the same task definition
    """
    resolved = {image.reference: image.digest for image in latest.images.values()} if latest else {}

    def moved(image: Image) -> bool:
        if not image.digest or "@sha256:" in image.reference:
            return False
        return resolved.get(image.reference, "" if forced else image.digest) != image.digest

    if not any(moved(image) for image in recorded.images.values()):
        return {}
    return {container: pinned(image) for container, image in recorded.images.items() if image.digest}


def pinned(image: Image) -> str:
    """An image reference by digest, without its tag; the colon of a registry's port belongs to no tag."""
    name = image.reference.partition("@")[0]
    head, _colon, tail = name.rpartition(":")
    return f"{head if head and '/' not in tail else name}@{image.digest}"


def target_of(connect: Connect, recorded: Revision, latest: Revision | None, forced: bool) -> Target:
    """What to deploy to get back to a revision: its own definition, a copy made earlier, or one still to be made."""
    original = read_definition(connect, recorded.task_definition)
    images = pinned_images(recorded, latest, forced)
    if not images and original.active:
        return Target(original.arn, original)
    return Target(_find_copy(connect, original, images), original, images)


def ensure_definition(connect: Connect, once: Connect, run: Run, target: Target) -> str:
    """The ARN of the definition to deploy; the copy is registered where there is none yet.

    :param once: connections that do not retry; registering twice makes two revisions
    """
    if target.arn:
        return target.arn
    original = target.original
    request = with_images(original.content, target.images)
    if original.tags:
        request["tags"] = [dict(tag) for tag in original.tags]
    try:
        reply = call_once(run, lambda: once("ecs").register_task_definition(**request),
                          "register a copy of a task definition with its images pinned", original.arn)
    except OutcomeUnknown:
        found = _find_copy(connect, original, target.images)
        if not found:
            raise
        return found
    return str(reply["taskDefinition"]["taskDefinitionArn"])


def _find_copy(connect: Connect, original: Definition, images: Mapping[str, str]) -> str:
    """The newest active revision of the family with the content wanted, empty where there is none."""
    wanted = with_images(original.content, images)
    with explaining("list the task definitions of a family", original.family):
        arns = all_pages(connect("ecs"), "list_task_definitions", "taskDefinitionArns",
                         familyPrefix=original.family, status="ACTIVE", sort="DESC", maxResults=SEARCHED)
        newest = list(itertools.islice(arns, SEARCHED))
    return next((arn for arn in newest if read_definition(connect, arn).content == wanted), "")


def _without_images(definition: Definition) -> dict[str, Any]:
    names = {container["name"]: "" for container in definition.content["containerDefinitions"]}
    return with_images(definition.content, names)
