# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a changing procedure must satisfy before it begins: pure decisions of the guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import Refused
from .windows import freeze_at, parse_window

EMERGENCY = "emergency"


@dataclass(frozen=True)
class Opening:
    """Why a procedure may run now.

    :param reason: one line for the record
    :param overridden: whether a window or a freeze was put aside
    """

    reason: str
    overridden: bool


READ_ONLY = Opening("it changes nothing", False)
"""Why a procedure that only reads may run at any time, unconfirmed and without the lock."""


def refuse_unconfirmed(environment: str, system: str, confirm: str) -> None:
    """Production has to be confirmed by naming the system.

    :param confirm: system names separated by commas, as given with `-e confirm=`
    :raises Refused: when the system is not named
    """
    named = {name.strip() for name in str(confirm).split(",")}
    if environment == "production" and system not in named:
        raise Refused("run in production", system, "it is not confirmed",
                      f"If you mean it, add -e confirm={system} (several: comma-separated).")


def refuse_foreign_account(expected: str, actual: str, system: str) -> None:
    """The credentials must belong to the account that inventory expects.

    :raises Refused: when they do not
    """
    if expected and expected != actual:
        raise Refused("run against this AWS account", system,
                      f"the credentials belong to account {actual or 'unknown'}, inventory expects {expected}",
                      "Check the profile or the role; nothing was changed.")


def opening_of(
    procedure: Mapping[str, Any], now: datetime, windows: Sequence[Mapping[str, Any]],
    freezes: Sequence[Mapping[str, Any]], override_reason: str,
) -> Opening:
    """Whether a procedure may run at this moment, and why.

    An emergency skips windows and freezes but needs a reason; a routine needs an open window and no freeze, or a
    reason to override them, unless it says of itself that it may run at any time. No declared window means any time.

    :raises Refused: when it may not run now
    """
    name = str(procedure.get("title", "this procedure"))
    override_reason = override_reason.strip()
    if procedure.get("class") == EMERGENCY:
        if not override_reason:
            raise Refused("run an emergency procedure", name, "no reason is given",
                          'Add -e override_reason="..."; it is kept in the record.')
        return Opening(f"emergency: {override_reason}", True)
    if procedure.get("any_time"):
        return Opening("at any time: it alters nothing that the system lives on", False)
    frozen = freeze_at(now, freezes)
    inside = not windows or any(parse_window(window).contains(now) for window in windows)
    if inside and not frozen:
        return Opening("inside the maintenance window" if windows else "no maintenance window is declared", False)
    obstacle = f"change freeze: {frozen}" if frozen else "outside the maintenance window"
    if override_reason:
        return Opening(f"{obstacle}, overridden: {override_reason}", True)
    raise Refused("run now", name, f"{obstacle} ({now:%A %Y-%m-%d %H:%M} UTC)",
                  'Wait for the window, or add -e override_reason="..."; it is kept in the record.')
