"""Where each system of the lab lives: one account and one region a system.

Standard library only: the commands, the supervisor and the seeding all ask here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The role that the operator's keys assume in every account but their own.
ROLE = "opsbook-operations"


@dataclass(frozen=True)
class Place:
    """An account and a region."""

    account: str
    region: str


# The system whose account the operator's keys belong to; its place is in the settings (account_id, region).
HOME = "commerce"
_AWAY: Mapping[str, Place] = {
    "analytics": Place("234567890123", "us-east-1"),
    "metering": Place("345678901234", "eu-west-1"),
    "media": Place("456789012345", "eu-central-1"),
    "reviews": Place("567890123456", "us-west-2"),
}
SYSTEMS = (HOME, *_AWAY)


def place_of(system: str, settings: Mapping[str, Any]) -> Place:
    """The account and region of a system; raises KeyError for one that the lab does not know."""
    if system == HOME:
        return Place(str(settings["account_id"]), str(settings["region"]))
    return _AWAY[system]


def role_arn(system: str, settings: Mapping[str, Any]) -> str | None:
    """The role by which the operator's keys reach a system; None where they reach it themselves."""
    return None if system == HOME else f"arn:aws:iam::{place_of(system, settings).account}:role/{ROLE}"


def accounts(settings: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    """What a lab's status says of the accounts of its systems."""
    return {
        system: {
            "account_id": place_of(system, settings).account,
            "region": place_of(system, settings).region,
            "role_arn": role_arn(system, settings),
        }
        for system in settings["systems"]
    }
