# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of an operation: collect, plan, apply, verify, recover, clean up. The engine (engine.py) carries it out.

No Ansible in sight: the adapter wraps this for modules, a notebook or a test calls it directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Generic, TypeVar

from .change import Change, Plan, diff_of
from .coverage import Collected, Coverage
from .errors import OperationError, Refused
from .evidence import Evidence, verdict_of

State = TypeVar("State")


@dataclass(frozen=True)
class Outcome:
    """What applying one change did.

    :param resource: the change's resource
    :param detail: plain data worth keeping (an id, a count)
    """

    resource: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recovery:
    """What was done because verification failed.

    :param summary: one line: what was put back, or why nothing could be
    :param evidence: what was seen afterwards
    """

    summary: str
    evidence: Sequence[Evidence] = ()


@dataclass(frozen=True)
class Operation(Generic[State]):
    """The steps of a changing operation, each testable alone.

    :param collect: reads the system, all pages, and says what it could not read
    :param plan: pure; decides, and refuses what is unsafe
    :param apply: one atomic change, idempotent when repeated; None where `apply_together` makes them
    :param verify: reads the real system back, given what was collected and the changes that were carried out; runs
        also when there were none, since the run before may have died between apply and verify
    :param describe: plain data about the collected state for the result
    :param in_turn: the changes of a step one after another, sorted by this key, instead of side by side
    :param apply_together: instead of `apply`, for a tool that makes all changes of a step in one go (terraform), or for
        connections that several of them share; answers for each change in their order
    :param recover: called with the changes that were carried out and the evidence, when anything failed; also when this
        run changed nothing, since what fails may have been begun by a run that died
    :param cleanup: always called last
    """

    collect: Callable[[], Collected[State]]
    plan: Callable[[Collected[State]], Plan]
    apply: Callable[[Change], Outcome] | None
    verify: Callable[[Collected[State], Plan], Sequence[Evidence]]
    describe: Callable[[Collected[State]], Mapping[str, Any]] = lambda collected: {}
    in_turn: Callable[[Change], Any] | None = None
    apply_together: Callable[[Sequence[Change]], Sequence[Outcome | OperationError]] | None = None
    recover: Callable[[Plan, Sequence[Evidence]], Recovery] | None = None
    cleanup: Callable[[], None] | None = None


@dataclass(frozen=True)
class Reading(Generic[State]):
    """The steps of an information operation.

    :param collect: reads the system
    :param evaluate: pure; what the state means
    :param describe: plain data about the state for the result
    """

    collect: Callable[[], Collected[State]]
    evaluate: Callable[[Collected[State]], Sequence[Evidence]]
    describe: Callable[[Collected[State]], Mapping[str, Any]]


@dataclass
class Report:
    """The result of an operation as plain data; see the `result` doc fragment for the keys."""

    plan: Plan = field(default_factory=Plan)
    coverage: Coverage = field(default_factory=Coverage)
    evidence: list[Evidence] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    applied: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    recovery: str = ""
    error: str = ""
    only_planned: bool = False

    @property
    def failed(self) -> bool:
        """Whether anything that was asked for did not come true."""
        # What could not be verified is no success either.
        amiss = self.error or self.failures or any(item.ok is not True for item in self.evidence)
        return bool(amiss) or not self.coverage.complete

    @property
    def applied_plan(self) -> Plan:
        """The part of the plan that was carried out, which is what verification waits for and recovery puts back."""
        done = self._done
        steps = (tuple(change for change in step if (change.resource, change.action) in done) for step in self.plan.steps)
        return replace(self.plan, steps=tuple(step for step in steps if step))

    @property
    def _done(self) -> set[tuple[str, str]]:
        return {(entry["resource"], entry["action"]) for entry in self.applied}

    def as_result(self, diff: bool) -> dict[str, Any]:
        """The return value of a changing module."""
        changes = [change.as_dict() for change in self.plan.changes]
        for change in changes:
            change["applied"] = (change["resource"], change["action"]) in self._done
        result: dict[str, Any] = {
            **self.values,
            # A change whose answer was lost may have been made.
            "changed": bool(changes) if self.only_planned else bool(self.applied or self.uncertain),
            "changes": changes,
            "kept": [{"resource": kept.resource, "reason": kept.reason} for kept in self.plan.kept],
            "plan_digest": self.plan.digest,
            "evidence": [item.as_dict() for item in self.evidence],
            "coverage": self.coverage.as_dict(),
            "failed_resources": self.failures,
        }
        if self.recovery:
            result["recovery"] = self.recovery
        if diff:
            result["diff"] = diff_of(self.plan.changes)
        return result


def read(reading: Reading[State]) -> dict[str, Any]:
    """Carry out an information operation and return its result."""
    collected = reading.collect()
    evidence = list(reading.evaluate(collected))
    return {
        **reading.describe(collected),
        "changed": False,
        "evidence": [item.as_dict() for item in evidence],
        "coverage": collected.coverage.as_dict(),
        "verdict": verdict_of(evidence, collected.coverage),
    }


def refuse_incomplete(coverage: Coverage, attempted: str) -> None:
    """Refuse to decide on what was not read whole.

    :raises Refused: naming what could not be read
    """
    if not coverage.complete:
        gaps = "; ".join(f"{gap.resource}: {gap.reason}" for gap in coverage.missing)
        raise Refused(attempted, gaps, "what the decision rests on could not be read",
                      "Grant the missing permission or try again later; nothing was changed.")
