"""Container images as the lab's registry knows them: which digest a tag stands for, and which images do not work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from lab.aws.ecs_model import CANNOT_PULL, ContainerImage


class ImageRegistry:
    """Resolves image references; tests declare some of them broken."""

    def __init__(self, common: ImageRegistry | None = None) -> None:
        """A registry; what fails in `common` fails in it too."""
        self._common = common
        self._failures: dict[str, str] = {}

    def fail(self, pattern: str, reason: str | None) -> None:
        """Let images that match `pattern` (a name or a shell pattern) fail with `reason`; None heals them."""
        if reason is None:
            self._failures.pop(pattern, None)
        else:
            self._failures[pattern] = reason

    def failures(self) -> dict[str, str]:
        """The failing patterns and their reasons."""
        return dict(self._failures)

    def _all_failures(self) -> dict[str, str]:
        return {**(self._common.failures() if self._common else {}), **self._failures}

    def clear(self) -> None:
        """Heal everything."""
        self._failures.clear()

    def resolve(self, container: str, image: str) -> ContainerImage:
        """What the reference stands for now.

        An image that cannot be pulled has no digest. One that starts and then fails has a digest of its own: in life
        too, a broken image behind an old tag is a new image.
        """
        failures = self._all_failures()
        patterns = [pattern for pattern in failures if pattern == image or fnmatchcase(image, pattern)]
        reason = failures[patterns[-1]] if patterns else None
        if reason is not None and reason.startswith(CANNOT_PULL):
            return ContainerImage(container, image, None, reason)
        if "@sha256:" in image:
            return ContainerImage(container, image, image.partition("@")[2], reason)
        digest = hashlib.sha256(f"{image}|{reason or ''}".encode()).hexdigest()
        return ContainerImage(container, image, f"sha256:{digest}", reason)

    def resolve_all(self, containers: Iterable[Mapping[str, Any]]) -> tuple[ContainerImage, ...]:
        """Resolve the images of a task definition's container definitions."""
        return tuple(self.resolve(container["name"], container["image"]) for container in containers)

    def pull_again(self, images: Iterable[ContainerImage]) -> tuple[ContainerImage, ...]:
        """What a starting task gets: resolved images by their digest, those never resolved by their name once more."""
        return tuple(self._pull(image) for image in images)

    def _pull(self, image: ContainerImage) -> ContainerImage:
        if image.digest is None:
            return self.resolve(image.container, image.image)
        # A tag that fails by now does not matter here; only a pattern with a digest in it means the image itself.
        pinned = f"{repository(image.image)}@{image.digest}"
        reason = next((why for p, why in self._all_failures().items() if "@" in p and fnmatchcase(pinned, p)), None)
        return replace(image, failure=reason) if reason else image


def repository(image: str) -> str:
    """An image reference without tag and digest; the colon of a registry's port is none of a tag."""
    name = image.partition("@")[0]
    head, _, tail = name.rpartition(":")
    return head if head and "/" not in tail else name
