# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much one run may change, and what it may never touch: refused in the plan, before anything changes."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field

from .change import Plan
from .errors import Refused


@dataclass(frozen=True)
class Limits:
    """The blast radius of one operation in one run.

    :param max_affected: a count ("10") or a percentage of what the plan chose from ("25%")
    :param protected: patterns (shell style) of resource names that are never touched
    :param already_affected: resources that this operation has changed earlier in the run, on this system
    """

    max_affected: str = "100%"
    protected: tuple[str, ...] = ()
    already_affected: frozenset[str] = field(default_factory=frozenset)

    def protects(self, name: str) -> bool:
        """Whether a resource's name is protected."""
        # The exact name first: a Terraform address contains brackets, which a pattern reads as a set of characters.
        return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in self.protected)

    def allowed(self, considered: int) -> int:
        """How many resources may be affected, of so many that were considered. A percentage rounds down, to at least one."""
        number, percent = parse_max_affected(self.max_affected)
        if not percent:
            return number
        return max(1, considered * number // 100) if number else 0

    def left(self, considered: int) -> int:
        """How many may be affected beside those that this operation has changed earlier in the run."""
        before = len(self.already_affected)
        return max(0, self.allowed(considered + before) - before)


def parse_max_affected(text: str) -> tuple[int, bool]:
    """Read "10" as (10, False) and "25%" as (25, True).

    :raises Refused: when the text is neither
    """
    match = re.fullmatch(r"(\d+)(%?)", str(text).strip())
    if not match or (match.group(2) and int(match.group(1)) > 100):
        raise Refused("read max_affected", str(text), "it is neither a count nor a percentage", "Give 10 or 25%.")
    return int(match.group(1)), bool(match.group(2))


def refuse_beyond(plan: Plan, limits: Limits) -> None:
    """Refuse a plan that touches something protected or more than it may.

    Resources changed earlier in the same run count too, so that a loop does not defeat the limit.

    :raises Refused: naming the resources
    """
    touched = [change for change in plan.changes if limits.protects(bare_name(change.resource))]
    if touched:
        names = ", ".join(sorted({change.resource for change in touched}))
        raise Refused("apply the plan", names, "protected resources are never touched",
                      "Leave them out, or change `protected` where it is declared.")
    affected = {change.resource for change in plan.changes}
    total = len(affected | limits.already_affected)
    allowed = limits.allowed(plan.considered + len(limits.already_affected - affected))
    if affected and total > allowed:
        raise Refused(
            "apply the plan", ", ".join(sorted(affected)[:20]),
            f"{total} resources would be affected in this run, and max_affected ({limits.max_affected}) allows "
            f"{allowed} of {plan.considered} {plan.considered_as}",
            "Look at the plan with --check --diff; raise max_affected if it is right.",
        )


def bare_name(resource: str) -> str:
    """A resource's own name without its kind ("secret:a/b" -> "a/b")."""
    return resource.partition(":")[2] or resource
