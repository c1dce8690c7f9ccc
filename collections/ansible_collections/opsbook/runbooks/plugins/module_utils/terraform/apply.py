# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apply a Terraform configuration: the plan that was shown, exactly, and nothing that destroys unless it is named.

Procedure 000-09's seed plans with `-var-file=production.tfvars` and applies without it: defaults get deployed, from a
plan that nobody has seen. Here the saved plan file is applied, so the same variables hold for both.

A plan has one change per address, since limits, approvals, `allow_destroy` and the record all speak of addresses.
terraform applies them all in one go; each change's outcome is read from what terraform said of its address and from the
state.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.change import Change, Plan, no_undo, one_step
from ..core.coverage import Collected, Coverage
from ..core.errors import OperationError, Refused
from ..core.evidence import Evidence
from ..core.limits import Limits
from ..core.operation import Operation, Outcome
from ..core.run import Run
from .messages import INTERRUPTED, Diagnostic, Progress, read_diagnostics, read_events, read_progress
from .plan_file import DESTROYING, Entry
from .project import Planned, Project, Wanted
from .runner import Finished, Session, find_program

NO_UNDO = no_undo("Terraform has no way back: apply the former revision of the configuration and its variables.")

# terraform's own messages that tell of an address; the rest (moves, imports, outputs) is done when all is done.
TOLD = frozenset({"create", "update", "delete", "replace"})

NOTHING_TOLD = Progress(frozenset(), {}, frozenset())


def apply_configuration(
    run: Run, wanted: Wanted, allow_destroy: Sequence[str], environment: Mapping[str, str],
    binary_path: str = "", required: bool = False, lock_timeout: int = 30, parallel: int = 8,
) -> Operation[Planned]:
    """The operation: bring the real resources to what the configuration says.

    :param allow_destroy: addresses, or patterns of addresses, that may be deleted or replaced
    :param environment: the surroundings terraform inherits, PATH among them
    :param binary_path: the program; empty means `terraform`, else `tofu`, on PATH
    :param required: whether it is an error that no program is there
    :param lock_timeout: seconds that an apply waits for the state's lock
    :param parallel: how many resources terraform works on at once
    """
    work = _Work(run, wanted, environment, binary_path, required, lock_timeout, parallel)
    return Operation(
        collect=work.collect,
        plan=lambda collected: plan_apply(collected, allow_destroy, run.limits),
        apply=None,
        apply_together=work.apply_together,
        verify=work.verify,
        describe=describe_plan,
        cleanup=work.cleanup,
    )


def plan_apply(collected: Collected[Planned], allow_destroy: Sequence[str], limits: Limits) -> Plan:
    """One change per address.

    :raises Refused: when something would be destroyed that is not allowed to be, or something protected be touched
    """
    entries = collected.state.plan.entries
    destroyed = [entry for entry in entries if entry.action in DESTROYING and not names_address(allow_destroy, entry)]
    if destroyed:
        raise Refused(
            "apply the plan", ", ".join(f"{entry.address} ({entry.action})" for entry in destroyed),
            "resources would be destroyed that allow_destroy does not name",
            "Look at the plan; if the destruction is meant, add these addresses to allow_destroy.")
    touched = [entry.address for entry in entries if names_address(limits.protected, entry)]
    if touched:
        raise Refused("apply the plan", ", ".join(touched), "protected resources are never touched",
                      "Leave them out of the change, or change `protected` where it is declared.")
    return one_step([_change(entry) for entry in entries], [], collected.state.plan.considered,
                    "resources of the configuration")


def names_address(patterns: Sequence[str], entry: Entry) -> bool:
    """Whether a list names an address: whole, without its index, or by a pattern with `*` and `?`.

    Brackets are part of an address (`rule["web"]`), so they are no pattern here.
    """
    plain = [pattern.replace("[", "[[]") for pattern in patterns]
    return any(fnmatch.fnmatchcase(entry.address, pattern) or fnmatch.fnmatchcase(entry.address, f"{pattern}[[]*]")
               for pattern in plain)


def describe_plan(collected: Collected[Planned]) -> Mapping[str, Any]:
    """What the result tells beside the changes."""
    found = collected.state
    return {"workspace": found.workspace, "terraform_version": found.version,
            "drift": [dict(entry) for entry in found.drift], "warnings": list(found.warnings)}


def outcome_of(change: Change, applied: Applied) -> str:
    """Why a change is not done; empty when it is. Pure.

    Without an error everything is done. After one, an address is done when terraform told that its change completed
    and the state, where it could be read, agrees.
    """
    if not applied.errors and not applied.stopped:
        return ""
    address, action = change.handle["address"], change.handle["action"]
    done = applied.progress.completed.get(address, frozenset())
    needed = {"delete", "create"} if action == "replace" else {action}
    if action in TOLD and done >= needed and _state_agrees(address, action, applied.state):
        return ""
    own = [error.text() for error in applied.errors if error.address == address and error.summary not in INTERRUPTED]
    if own:
        return "; ".join(own)
    cause = applied.stopped or applied.reason
    if address in applied.progress.begun:
        return f"interrupted while it was being applied, its state is uncertain ({cause})"
    return f"not applied, since terraform stopped before it ({cause})"


@dataclass(frozen=True)
class Applied:
    """How the apply of a saved plan ended.

    :param errors: terraform's errors; empty when everything was done
    :param progress: what it told of each address
    :param state: the addresses in the state afterwards; None where it was not read
    :param stopped: why it was interrupted; empty when it was not
    :param reason: all errors in one text, without secrets
    :param advice: what to do next
    """

    errors: Sequence[Diagnostic] = ()
    progress: Progress = NOTHING_TOLD
    state: frozenset[str] | None = None
    stopped: str = ""
    reason: str = ""
    advice: str = ""


class _Work:
    """The session of one operation and what its steps share."""

    def __init__(self, run: Run, wanted: Wanted, environment: Mapping[str, str], binary_path: str, required: bool,
                 lock_timeout: int, parallel: int) -> None:
        self._run = run
        self._wanted = wanted
        self._environment = environment
        self._program = (binary_path, required)
        self._how = (lock_timeout, parallel)
        self._session: Session | None = None
        self._project: Project | None = None
        self._told = 0

    def collect(self) -> Collected[Planned]:
        """Plan, and keep the saved plan for `apply`."""
        self._wanted.check()
        project = self._wanted.project
        program = find_program(self._program[0], self._environment, project, self._program[1])
        self._session = Session(self._run, program, project, self._environment)
        self._project = Project(self._session, self._wanted, self._environment.get("TF_WORKSPACE", ""))
        planned = self._project.plan()
        self._told = sum(entry.action in TOLD for entry in planned.plan.entries)
        return Collected(planned, self._run.now(), Coverage((f"terraform:{project}",)))

    def apply_together(self, changes: Sequence[Change]) -> list[Outcome | OperationError]:
        """Apply the saved plan, and tell how it ended for each change."""
        applied = self._apply_all()
        return [_end_of(change, applied) for change in changes]

    def verify(self, collected: Collected[Planned], plan: Plan) -> list[Evidence]:
        """Plan again; nothing is left to change. A plan that was empty is that proof itself."""
        left = self._ready().remaining() if plan.changes else []
        return [Evidence("changes left to make", f"terraform:{self._wanted.project}", [], left, not left)]

    def cleanup(self) -> None:
        """End the session; variables and the saved plan go with its folder."""
        if self._session is not None:
            self._session.close()

    def _apply_all(self) -> Applied:
        project = self._ready()
        try:
            finished = project.apply(*self._how, total=self._told)
        except OperationError as error:
            return Applied(stopped=error.reason, advice=error.advice)
        return _read_failure(project, finished) if finished.code else Applied()

    def _ready(self) -> Project:
        if self._project is None:
            raise OperationError("apply the plan", self._wanted.project, "there is no plan yet")
        return self._project


def _end_of(change: Change, applied: Applied) -> Outcome | OperationError:
    reason = outcome_of(change, applied)
    if reason:
        return OperationError(f"{change.action} a resource", change.handle["address"], reason, applied.advice)
    return Outcome(change.resource)


def _read_failure(project: Project, finished: Finished) -> Applied:
    events = read_events(finished.output)
    error = project.explain("apply the plan", finished)
    errors = [Diagnostic(item.severity, item.summary, project.hide(item.detail), item.address)
              for item in read_diagnostics(events, "error")]
    return Applied(errors or [Diagnostic("error", error.reason)], read_progress(events), project.state(),
                   finished.stopped, error.reason, error.advice)


def _state_agrees(address: str, action: str, state: frozenset[str] | None) -> bool:
    return state is None or (address in state) is (action != "delete")


def _change(entry: Entry) -> Change:
    return Change(entry.resource, entry.action, entry.before, entry.after, f"{entry.action} {entry.address}", NO_UNDO,
                  {"address": entry.address, "action": entry.action})
