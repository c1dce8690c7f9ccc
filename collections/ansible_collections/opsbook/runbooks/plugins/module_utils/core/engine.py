# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one engine that carries out operations: collect, plan, refuse, apply, verify, recover, clean up.

What is begun is in the journal before it begins. A defect in one change, in verification or in recovery hides nothing of
what was done.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .change import Change, Plan
from .coverage import Collected
from .errors import OperationError, OutcomeUnknown, Stopped
from .evidence import Evidence
from .limits import refuse_beyond
from .operation import Operation, Outcome, Recovery, Report
from .parallel import Done
from .run import Run

State = TypeVar("State")


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
        _note(_apply_step(operation, run, step), report)
        if report.failures:
            break
    try:
        report.evidence.extend(operation.verify(collected, report.applied_plan))
    except Exception as error:
        # A defect in verification is no reason to leave a bad change where it is.
        report.error = explained(error, "verify the changes", "this operation").message()
    if report.failed and operation.recover is not None:
        _recover(operation.recover, run, report)


def _apply_step(operation: Operation[State], run: Run, step: Sequence[Change]) -> list[Done[Change, Outcome]]:
    if operation.apply_together is not None:
        return _apply_together(operation.apply_together, run, step)
    apply = operation.apply
    if apply is None:
        raise ValueError("an operation needs a way to apply its changes")
    if operation.in_turn is not None:
        return run.each_change(lambda change: _apply_one(apply, run, change), sorted(step, key=operation.in_turn), workers=1)
    return run.each_change(lambda change: _apply_one(apply, run, change), step)


def explained(error: Exception, attempted: str, resource: str) -> OperationError:
    """An error as it is, or a defect of the code as an error that names where it showed."""
    if isinstance(error, OperationError):
        return error
    return OutcomeUnknown(attempted, resource, f"unexpected {type(error).__name__}: {error}",
                          "This is a defect of the module; read the resource before trying again.")


def _apply_one(apply: Callable[[Change], Outcome], run: Run, change: Change) -> Outcome:
    begun = uuid.uuid4().hex[:12]  # tells it from another of the same resource
    _write(run, _begin(change, begun))
    try:
        outcome = apply(change)
    except Exception as error:
        _write(run, _end(change, begun, error))
        # What the others did is not lost for it.
        raise explained(error, change.action, change.resource) from error
    except BaseException as error:
        _write(run, _end(change, begun, error))
        raise
    _write(run, _end(change, begun, outcome))
    return outcome


def _write(run: Run, event: tuple[str, Mapping[str, Any]]) -> None:
    run.journal.write(event[0], **event[1])


def _apply_together(
    apply_together: Callable[[Sequence[Change]], Sequence[Outcome | OperationError]], run: Run, step: Sequence[Change]
) -> list[Done[Change, Outcome]]:
    try:
        run.may_change()
    except OperationError as error:
        return [Done(change, None, error, started=False) for change in step]
    # On disk together, before the first and after the last: a step may have hundreds of changes.
    begun = [uuid.uuid4().hex[:12] for _change in step]
    run.journal.write_all([_begin(change, one) for change, one in zip(step, begun)])
    try:
        outcomes = apply_together(step)
        if len(outcomes) != len(step):
            raise ValueError(f"the tool answered for {len(outcomes)} of {len(step)} changes")
    except OperationError as error:
        outcomes = [error] * len(step)
    except BaseException as error:
        run.journal.write_all([_end(change, one, error) for change, one in zip(step, begun)])
        raise
    run.journal.write_all([_end(change, one, outcome) for change, one, outcome in zip(step, begun, outcomes)])
    return [Done(change, None, outcome) if isinstance(outcome, OperationError) else Done(change, outcome, None)
            for change, outcome in zip(step, outcomes)]


def _begin(change: Change, begun: str) -> tuple[str, Mapping[str, Any]]:
    """What the journal says when a change begins."""
    return "change_started", {"id": begun, "change": change.as_dict()}


def _end(change: Change, begun: str, end: Outcome | BaseException) -> tuple[str, Mapping[str, Any]]:
    """What the journal says when a change has ended."""
    which = {"id": begun, "resource": change.resource, "action": change.action}
    if isinstance(end, Outcome):
        return "change_finished", {"detail": dict(end.detail), **which}
    known = isinstance(end, OperationError) and not isinstance(end, (OutcomeUnknown, Stopped))
    said = end.message() if isinstance(end, OperationError) else type(end).__name__
    return "change_failed" if known else "change_unknown", {"error": said, **which}


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
