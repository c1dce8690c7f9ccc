# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets and their versions, read without ever reading a value (no GetSecretValue anywhere).

Sources: Secrets Manager API reference, DescribeSecret, ListSecretVersionIds, RotateSecret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.coverage import Collected
from ..core.run import Run
from ..core.selection import has_pattern, select
from .calls import all_pages
from .client import Connect
from .errors import explaining
from .gathering import gather

KIND = "secret"


@dataclass(frozen=True)
class Secret:
    """One secret: its stages and how it is rotated.

    :param current: version with the stage AWSCURRENT; empty where the secret has no value
    :param previous: version with the stage AWSPREVIOUS, or empty
    :param pending: version of a rotation that is not complete (AWSPENDING, and not AWSCURRENT too), or empty
    :param pending_since: when that version was created
    :param last_rotated: when a rotation last completed; None when there never was one
    :param rotates: whether automatic rotation is turned on
    :param was_set_up: whether a rotation has been configured, be it turned off by now
    :param function: the rotation function's ARN; empty where AWS itself rotates (managed rotation)
    :param replica_of: the region of the primary, when this is a replica
    :param deleted: whether it is scheduled for deletion
    """

    name: str
    arn: str
    current: str = ""
    previous: str = ""
    pending: str = ""
    pending_since: datetime | None = None
    last_rotated: datetime | None = None
    rotates: bool = False
    was_set_up: bool = False
    function: str = ""
    replica_of: str = ""
    deleted: bool = False

    @property
    def resource(self) -> str:
        """The secret as changes and evidence name it."""
        return f"{KIND}:{self.name}"

    def stages(self) -> dict[str, Any]:
        """The stages and the last rotation as evidence."""
        return {"current": self.current or None, "previous": self.previous or None, "pending": self.pending or None,
                "last_rotated": self.last_rotated.isoformat() if self.last_rotated else None}


def secret_names(connect: Connect, wanted: Sequence[str]) -> list[str]:
    """The secrets meant by names, ARNs and patterns of names. Plain ones are taken as they are, without listing.

    None meant is none: a system that declares no secret must not have all of the account's rotated.

    :raises OperationError: when the secrets cannot be listed
    """
    if not has_pattern(wanted):
        return list(dict.fromkeys(wanted))
    with explaining("list secrets", ", ".join(wanted)):
        existing = [str(secret["Name"]) for secret in all_pages(connect("secretsmanager"), "list_secrets", "SecretList")]
    chosen = select(wanted, existing)
    return [*sorted(chosen.chosen), *chosen.absent]


def collect_secrets(connect: Connect, run: Run, wanted: Sequence[str]) -> Collected[tuple[Secret, ...]]:
    """Read the stages of all secrets meant; one named twice, by name and ARN, is read as one.

    :raises OperationError: when the secrets cannot be listed
    """
    client = connect("secretsmanager")
    secrets, coverage = gather(run, KIND, secret_names(connect, wanted), lambda name: read_secret(client, name))
    return Collected(tuple({secret.arn: secret for secret in secrets}.values()), run.now(), coverage)


def read_secret(client: Any, name: str) -> Secret:
    """Read one secret's stages.

    :param name: its name or ARN
    :raises OperationError: when it cannot be read
    """
    with explaining("read the stages of a secret", name):
        reply = client.describe_secret(SecretId=name)
        versions = {stage: version for version, stages in (reply.get("VersionIdsToStages") or {}).items()
                    for stage in stages}
        # A complete rotation may leave AWSPENDING on the version that is AWSCURRENT.
        pending = versions.get("AWSPENDING", "")
        pending = "" if pending == versions.get("AWSCURRENT") else pending
        since = _created(client, name, pending) if pending else None
    return _secret(reply, versions, pending, since)


def _secret(reply: Mapping[str, Any], versions: Mapping[str, str], pending: str, since: datetime | None) -> Secret:
    arn, primary = str(reply["ARN"]), str(reply.get("PrimaryRegion") or "")
    return Secret(
        name=str(reply["Name"]), arn=arn, current=versions.get("AWSCURRENT", ""),
        previous=versions.get("AWSPREVIOUS", ""), pending=pending, pending_since=since,
        last_rotated=reply.get("LastRotatedDate"), rotates=bool(reply.get("RotationEnabled")),
        was_set_up=bool(reply.get("RotationRules") or reply.get("RotationLambdaARN")),
        function=str(reply.get("RotationLambdaARN") or ""),
        replica_of=primary if primary and primary != arn.split(":")[3] else "",
        deleted=reply.get("DeletedDate") is not None)


def _created(client: Any, name: str, version: str) -> datetime | None:
    """When a version was created. botocore has no paginator for this call."""
    request: dict[str, Any] = {"SecretId": name}
    while True:
        reply = client.list_secret_version_ids(**request)
        for entry in reply.get("Versions") or ():
            if entry.get("VersionId") == version:
                created: datetime | None = entry.get("CreatedDate")
                return created
        if not reply.get("NextToken"):
            return None
        request["NextToken"] = reply["NextToken"]
