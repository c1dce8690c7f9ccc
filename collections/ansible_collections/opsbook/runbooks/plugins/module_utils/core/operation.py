# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of an operation and the one engine that carries it out: collect, plan, apply, verify, recover, clean up.

No Ansible in sight: the adapter wraps this for modules, a notebook or a test calls it directly.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Generic, TypeVar

from .change import Change, Plan, diff_of
from .coverage import Collected, Coverage
from .errors import OperationError, OutcomeUnknown, Refused, Stopped
from .evidence import Evidence, verdict_of
from .limits import refuse_beyond
from .parallel import Done
from .run import Run

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
    :param apply: one atomic change, idempotent when repeated
    :param verify: reads the real system back, given what was collected and the changes that were carried out; runs
        also when there were none, since the run before may have died between apply and verify
    :param describe: plain data about the collected state for the result
    :param apply_together: instead of `apply`, for a tool that makes all changes of a step in one go (terraform); answers
        for each change in their order
    :param recover: called with the changes that were carried out and the evidence, when anything failed; also when this
        run changed nothing, since what fails may have been begun by a run that died
    :param cleanup: always called last
    """

    collect: Callable[[], Collected[State]]
    plan: Callable[[Collected[State]], Plan]
    apply: Callable[[Change], Outcome]
    verify: Callable[[Collected[State], Plan], Sequence[Evidence]]
    describe: Callable[[Collected[State]], Mapping[str, Any]] = lambda collected: {}
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


def carry_out(
    operation: Operation[State], run: Run, only_plan: bool = False, approve: Callable[[Plan], None] = lambda plan: None
) -> Report:
    """Carry out a changing operation.

    :param only_plan: stop after the plan (check mode)
    :param approve: raises Refused when the plan is not the one that was approved
    :returns: a report, also of a partial failure; what was refused before any change raises
    :raises OperationError: when collecting or planning failed; nothing has changed then
    """
    try:
        collected = operation.collect()
        plan = operation.plan(collected)
        refuse_beyond(plan, run.limits)
        approve(plan)
        report = Report(plan, collected.coverage, values=dict(operation.describe(collected)), only_planned=only_plan)
        if not only_plan:
            _apply_and_verify(operation, run, collected, report)
    except BaseException:
        run.stop()
        # Why it failed is raised; what else was left behind is at least said.
        run.progress(_clean_up(operation))
        raise
    report.error = "; ".join(text for text in (report.error, _clean_up(operation)) if text)
    return report


def _clean_up(operation: Operation[State]) -> str:
    """What could not be cleaned up; empty when all was."""
    try:
        if operation.cleanup is not None:
            operation.cleanup()
    except OperationError as error:
        return error.message()
    return ""


def _apply_and_verify(
    operation: Operation[State], run: Run, collected: Collected[State], report: Report
) -> None:
    for step in report.plan.steps:
        if operation.apply_together is not None:
            outcomes = _apply_step(operation.apply_together, run, step)
        else:
            outcomes = run.each_change(lambda change: _apply_one(operation, run, change), step)
        _note(outcomes, report)
        if report.failures:
            break
    try:
        report.evidence.extend(operation.verify(collected, report.applied_plan))
    except Exception as error:
        # A defect in verification is no reason to leave a bad change where it is.
        report.error = explained(error, "verify the changes", "this operation").message()
    if report.failed and operation.recover is not None:
        _recover(operation.recover, run, report)


def explained(error: Exception, attempted: str, resource: str) -> OperationError:
    """An error as it is, or a defect of the code as an error that names where it showed."""
    if isinstance(error, OperationError):
        return error
    return OutcomeUnknown(attempted, resource, f"unexpected {type(error).__name__}: {error}",
                          "This is a defect of the module; read the resource before trying again.")


def _apply_one(operation: Operation[State], run: Run, change: Change) -> Outcome:
    begun = _write_begin(run, change)
    try:
        outcome = operation.apply(change)
    except Exception as error:
        _write_end(run, change, begun, error)
        # What the others did is not lost for it.
        raise explained(error, change.action, change.resource) from error
    except BaseException as error:
        _write_end(run, change, begun, error)
        raise
    _write_end(run, change, begun, outcome)
    return outcome


def _apply_step(
    apply_together: Callable[[Sequence[Change]], Sequence[Outcome | OperationError]], run: Run, step: Sequence[Change]
) -> list[Done[Change, Outcome]]:
    try:
        run.may_change()
    except OperationError as error:
        return [Done(change, None, error, started=False) for change in step]
    begun = [_write_begin(run, change) for change in step]
    try:
        outcomes = apply_together(step)
        if len(outcomes) != len(step):
            raise ValueError(f"the tool answered for {len(outcomes)} of {len(step)} changes")
    except OperationError as error:
        outcomes = [error] * len(step)
    except BaseException as error:
        for change, one in zip(step, begun):
            _write_end(run, change, one, error)
        raise
    for change, one, outcome in zip(step, begun, outcomes):
        _write_end(run, change, one, outcome)
    return [Done(change, None, outcome) if isinstance(outcome, OperationError) else Done(change, outcome, None)
            for change, outcome in zip(step, outcomes)]


def _write_begin(run: Run, change: Change) -> str:
    """Write down that a change begins; the id tells it from another of the same resource."""
    begun = uuid.uuid4().hex[:12]
    run.journal.write("change_started", id=begun, change=change.as_dict())
    return begun


def _write_end(run: Run, change: Change, begun: str, end: Outcome | BaseException) -> None:
    which = {"id": begun, "resource": change.resource, "action": change.action}
    if isinstance(end, Outcome):
        run.journal.write("change_finished", detail=dict(end.detail), **which)
        return
    known = isinstance(end, OperationError) and not isinstance(end, (OutcomeUnknown, Stopped))
    run.journal.write("change_failed" if known else "change_unknown",
                      error=end.message() if isinstance(end, OperationError) else type(end).__name__, **which)


def _note(outcomes: Sequence[Done[Change, Outcome]], report: Report) -> None:
    for done in outcomes:
        if done.answer is not None:
            report.applied.append({**done.answer.detail, "resource": done.item.resource, "action": done.item.action})
        else:
            reason = done.error.message() if done.error else "unknown"
            if done.started and isinstance(done.error, (OutcomeUnknown, Stopped)):
                report.uncertain.append(done.item.resource)
            report.failures.append({
                "resource": done.item.resource,
                "reason": reason if done.started else f"not started: {reason}",
            })


def _recover(recover: Callable[[Plan, Sequence[Evidence]], Recovery], run: Run, report: Report) -> None:
    try:
        recovery = recover(report.applied_plan, report.evidence)
    except Exception as error:
        failure = explained(error, "put the changes back", "this operation")
        report.recovery = f"Recovery failed too: {failure.message()}"
        return
    report.recovery = recovery.summary
    report.evidence.extend(recovery.evidence)
    back = {item.resource for item in recovery.evidence if item.ok}
    for change in report.plan.changes:
        if change.resource in back:
            run.journal.write("change_reverted", resource=change.resource, action=change.action)


def refuse_incomplete(coverage: Coverage, attempted: str) -> None:
    """Refuse to decide on what was not read whole.

    :raises Refused: naming what could not be read
    """
    if not coverage.complete:
        gaps = "; ".join(f"{gap.resource}: {gap.reason}" for gap in coverage.missing)
        raise Refused(attempted, gaps, "what the decision rests on could not be read",
                      "Grant the missing permission or try again later; nothing was changed.")
