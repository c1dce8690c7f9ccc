# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One project's commands: plan it, show the plan, apply exactly that plan, list the state.

Planning always happens in a temporary data folder, without a lock and with a read-only dependency lock file, so that
it leaves nothing behind. That is safe: `apply` of the saved plan takes the lock, and terraform itself refuses a plan
whose state has changed since ("Saved plan is stale", measured).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.errors import Missing, OperationError, Refused, Stopped
from .messages import (
    UNDECLARED,
    Diagnostic,
    describe_progress,
    explain,
    hide,
    leaves,
    read_changes,
    read_diagnostics,
    read_events,
    read_version,
)
from .plan_file import PlanFile, read_plan
from .runner import Finished, Session

DEFAULT_WORKSPACE = "default"


@dataclass(frozen=True)
class Wanted:
    """What is to be applied, as the module's options say it.

    :param project: the folder of the configuration
    :param variables: values of input variables
    :param secret_variables: likewise, never shown
    :param variable_files: files of values, relative to the project
    :param workspace: the workspace; empty means the one that the folder or TF_WORKSPACE selects
    :param backend_config: settings of the state's backend that the configuration leaves open
    :param backend_config_files: likewise, files
    :param targets: addresses to restrict the plan to; empty means everything
    :param plugin_dir: a folder of providers to use instead of downloading them
    """

    project: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    secret_variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    variable_files: Sequence[str] = ()
    workspace: str = ""
    backend_config: Mapping[str, Any] = field(default_factory=dict)
    backend_config_files: Sequence[str] = ()
    targets: Sequence[str] = ()
    plugin_dir: str = ""

    def check(self) -> None:
        """Look that what is named exists and nothing is given twice.

        :raises OperationError: naming what is wrong
        """
        if not os.path.isdir(self.project):
            raise Missing("apply the Terraform configuration", self.project, "there is no such folder")
        for name in (*self.variable_files, *self.backend_config_files):
            if not os.path.isfile(os.path.join(self.project, name)):
                raise Missing("read a file of settings", name, f"there is no such file in {self.project}")
        twice = sorted(set(self.variables) & set(self.secret_variables))
        if twice:
            raise Refused("set Terraform variables", ", ".join(twice), "given in variables and in secret_variables")


@dataclass(frozen=True)
class Planned:
    """What a plan has found.

    :param drift: addresses that were changed outside Terraform, each with the action seen
    :param warnings: what terraform warned of
    """

    plan: PlanFile
    drift: Sequence[Mapping[str, str]]
    warnings: Sequence[str]
    workspace: str
    version: str


class Project:
    """A project in a session. Reads and applies; decides nothing."""

    def __init__(self, session: Session, wanted: Wanted, selected: str) -> None:
        """:param selected: the workspace that the surroundings select (TF_WORKSPACE), used when none is wanted"""
        self._session = session
        self._wanted = wanted
        self._workspace = wanted.workspace or selected or _selected_in(wanted.project) or DEFAULT_WORKSPACE
        self._given: tuple[str, ...] = tuple(leaves(wanted.secret_variables))
        self._secrets = self._given
        self._saved = ""

    def hide(self, value: Any) -> Any:
        """A value without the secrets of this project."""
        return hide(value, self._secrets)

    def plan(self) -> Planned:
        """Make a plan and read it.

        :raises OperationError: with terraform's own reason
        """
        finished = self._first_plan()
        events = read_events(finished.output)
        self._refuse_failed("plan the Terraform configuration", finished, (0, 2))
        warnings = read_diagnostics(events, "warning")
        _refuse_undeclared(self._wanted, warnings)
        plan = self._show() if finished.code == 2 else PlanFile()
        return Planned(plan, read_changes(events, "resource_drift"), [self.hide(item.text()) for item in warnings],
                       self._workspace, read_version(events))

    def remaining(self) -> list[dict[str, str]]:
        """Plan again: what is still to be changed, an empty list when the real resources are as configured."""
        finished = self._command("plan", "-detailed-exitcode", "-lock=false", "-json", *self._arguments())
        self._refuse_failed("verify the Terraform configuration", finished, (0, 2))
        if finished.code == 0:
            return []
        return read_changes(read_events(finished.output), "planned_change") or [
            {"address": "output values", "action": "update"}]

    def apply(self, lock_timeout: int, parallel: int, total: int) -> Finished:
        """Apply the saved plan, under the state's lock. Its failure is the caller's to read."""
        return self._command(
            "apply", "-json", f"-lock-timeout={lock_timeout}s", f"-parallelism={parallel}", self._saved,
            describe=lambda output: describe_progress(output, total))

    def state(self) -> frozenset[str] | None:
        """The addresses in the state, or None when it cannot be read."""
        try:
            finished = self._command("state", "list")
        except OperationError:
            # After an interrupt the session may be closed already; the caller then has terraform's messages only.
            return None
        return frozenset(finished.output.split("\n")) - {""} if finished.code == 0 else None

    def explain(self, attempted: str, finished: Finished) -> OperationError:
        """The error that a failed command stands for, without secrets."""
        errors = read_diagnostics(read_events(finished.output), "error")
        otherwise = finished.errors.strip() or _ending(finished.code)
        error = explain(attempted, self._wanted.project, errors, otherwise)
        return OperationError(attempted, self._wanted.project, self.hide(error.reason), error.advice)

    def _first_plan(self) -> Finished:
        """Plan; initialise first where that is needed.

        A local state without modules and providers needs no `init`, and that costs as much as a plan. Where it is
        needed the plan says so at once.
        """
        if self._wanted.backend_config or self._wanted.backend_config_files or self._workspace != DEFAULT_WORKSPACE:
            self._initialise()
            return self._save_plan()
        finished = self._save_plan()
        if finished.code in (0, 2) or finished.stopped:
            return finished
        if not any("init" in error.text() for error in read_diagnostics(read_events(finished.output), "error")):
            return finished
        self._initialise()
        return self._save_plan()

    def _save_plan(self) -> Finished:
        self._saved = self._session.private_file("plan")
        return self._command("plan", "-detailed-exitcode", "-lock=false", "-json", f"-out={self._saved}",
                             *self._arguments())

    def _initialise(self) -> None:
        arguments = ["init", "-no-color", "-lockfile=readonly"]
        arguments += [f"-backend-config={name}" for name in self._wanted.backend_config_files]
        if self._wanted.backend_config:
            # In a file: the command line is everybody's to read.
            path = self._session.private_file("backend.json", json.dumps(dict(self._wanted.backend_config)))
            arguments.append(f"-backend-config={path}")
        providers = self._wanted.plugin_dir or os.path.join(self._wanted.project, ".terraform", "providers")
        if os.path.isdir(providers):
            arguments.append(f"-plugin-dir={os.path.abspath(providers)}")
        workspace, self._workspace = self._workspace, DEFAULT_WORKSPACE
        self._refuse_failed("initialise the Terraform configuration", self._command(*arguments), (0,))
        if workspace != DEFAULT_WORKSPACE:
            self._refuse_unknown(workspace)
        self._workspace = workspace

    def _refuse_unknown(self, workspace: str) -> None:
        """terraform would quietly make a workspace that does not exist (measured)."""
        finished = self._command("workspace", "list")
        self._refuse_failed("list the workspaces", finished, (0,))
        existing = [line.strip("* ") for line in finished.output.splitlines() if line.strip("* ")]
        if workspace not in existing:
            raise Missing("select the workspace", workspace, f"it does not exist; there are {', '.join(existing)}",
                          "Make it with `terraform workspace new`, or correct the name.")

    def _arguments(self) -> list[str]:
        arguments = [f"-var-file={name}" for name in self._wanted.variable_files]
        given = {**self._wanted.variables, **self._wanted.secret_variables}
        if given:
            arguments.append(f"-var-file={self._session.private_file('given.tfvars.json', json.dumps(given))}")
        return arguments + [f"-target={address}" for address in self._wanted.targets]

    def _show(self) -> PlanFile:
        finished = self._command("show", "-json", self._saved)
        self._refuse_failed("read the saved plan", finished, (0,))
        plan = read_plan(json.loads(finished.output))
        # Messages may quote anything; values in the plan are masked where they stand, but for those given as secret.
        self._secrets = (*self._given, *plan.secrets)
        entries = [replace(entry, before=hide(entry.before, self._given), after=hide(entry.after, self._given))
                   for entry in plan.entries]
        return replace(plan, entries=tuple(entries))

    def _refuse_failed(self, attempted: str, finished: Finished, expected: Sequence[int]) -> None:
        if finished.stopped:
            raise Stopped(attempted, self._wanted.project, finished.stopped)
        if finished.code not in expected:
            raise self.explain(attempted, finished)

    def _command(self, *arguments: str, **options: Any) -> Finished:
        workspace = "" if self._workspace == DEFAULT_WORKSPACE else self._workspace
        return self._session.command(*arguments, workspace=workspace, **options)


def _ending(code: int) -> str:
    return f"terraform was ended by signal {-code}" if code < 0 else f"terraform ended with exit code {code}"


def _selected_in(project: str) -> str:
    """The workspace that an operator has selected in the folder: what `terraform plan` there would use."""
    try:
        with open(os.path.join(project, ".terraform", "environment"), encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _refuse_undeclared(wanted: Wanted, warnings: Sequence[Diagnostic]) -> None:
    """A mistyped variable would leave its default in force, and terraform only warns of it.

    :raises Refused: naming the variables; those of variable files may be shared between projects and stay a warning
    """
    named = {name for item in warnings if item.summary == UNDECLARED for name in re.findall(r'named "([^"]+)"', item.detail)}
    ours = sorted(named & {*wanted.variables, *wanted.secret_variables})
    if ours:
        raise Refused("set Terraform variables", ", ".join(ours), "the configuration does not declare them",
                      "Correct the names: an unknown variable would leave a default in force.")
