# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only place that knows AnsibleModule: options in, the operation's steps run, results and errors out.

A module is its documentation, an option specification and one call of `run_operation` or `run_reading`.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.parameters import remove_values

from ..incident.journal import Journal, affected_by, read_journal
from .approval import refuse_unapproved
from .engine import carry_out
from .errors import MissingLibrary, OperationError, Refused, Skipped
from .evidence import HEALTHY, in_words
from .gate import Judgement
from .limits import Limits
from .operation import Operation, Reading, Report, read
from .options import compose
from .permit import permit_of
from .run import NoJournal, Run, Writes

progress_sink: Callable[[str], None] | None = None
"""Where progress of long waits goes; set by direct execution, None on the ordinary path, which has no terminal."""

# An operation ends this long before the task's own `timeout` would cut it off, so that it can still report.
MARGIN_SECONDS = 2.0

# A shorter line of a secret of several lines is no secret of its own.
MINIMAL_SECRET = 6

Options = Mapping[str, Any]


def run_operation(
    options: Sequence[Mapping[str, Any]], operation: Callable[[Options, Run], Operation[Any]],
    tolerates: Callable[[Options], bool] = lambda options: False, **constraints: Any
) -> None:
    """Run a changing module.

    :param options: option specifications to merge
    :param operation: makes the operation from the module's parameters and the run
    :param tolerates: whether what could not be applied is only warned of
    :param constraints: `required_if`, `mutually_exclusive` and the like, as AnsibleModule takes them
    """
    module = _module(options, constraints)

    def work() -> dict[str, Any]:
        run = _run_of(module)
        approved = (module.params.get("guard") or {}).get("approved_plan")
        report = carry_out(operation(module.params, run), run, module.check_mode,
                           lambda plan: refuse_unapproved(plan, approved))
        result = report.as_result(module._diff)
        if not report.failed:
            return result
        if tolerates(module.params):
            return {**result, "warnings": [*result.get("warnings", ()), failure_message(report)]}
        return {**result, "failed": True, "msg": failure_message(report)}

    _finish(module, work)


def run_reading(
    options: Sequence[Mapping[str, Any]], reading: Callable[[Options, Run], Reading[Any]], **constraints: Any
) -> None:
    """Run an information module. It never reports `changed`; what it saw is in `verdict` and `evidence`."""
    module = _module(options, constraints)
    _finish(module, lambda: read(reading(module.params, _run_of(module))))


def run_gate(options: Sequence[Mapping[str, Any]], judge: Callable[[Options], Judgement]) -> None:
    """Run a gate: a module that reads nothing itself and fails unless what it is given is healthy."""
    module = _module(options, {})

    def work() -> dict[str, Any]:
        judgement = judge(module.params)
        result = {"changed": False, "verdict": judgement.verdict, "lines": list(judgement.lines),
                  "faults": list(judgement.faults), "checks": dict(judgement.checks)}
        if judgement.verdict == HEALTHY:
            return result
        message = (f"Not {module.params['purpose']}: the verdict is {judgement.verdict}. "
                   f"{'; '.join(judgement.faults) or 'No check was made'}. {module.params['advice']}")
        return {**result, "failed": True, "msg": message}

    _finish(module, work)


def run_program(options: Sequence[Mapping[str, Any]], work: Callable[[Options], dict[str, Any]]) -> None:
    """Run a module whose work is another program's, which only reads: its result is that of `work`."""
    module = _module(options, {})
    _finish(module, lambda: work(module.params))


def failure_message(report: Report) -> str:
    """Every resource that failed, what verification saw, and what was done about it."""
    parts = [f"{failure['resource']}: {failure['reason']}" for failure in report.failures]
    parts += [
        f"{item.resource}: {item.check}: {in_words(item.actual)} (expected: {in_words(item.expected)})"
        for item in report.evidence if item.ok is not True
    ]
    parts += [f"{gap.resource} could not be read: {gap.reason}" for gap in report.coverage.missing]
    parts += [text for text in (report.error, report.recovery) if text]
    done = f" {len(report.applied)} of {len(report.plan.changes)} changes were made." if report.plan.changes else ""
    again = " Mend the cause and run again: what is done stays done."
    return "; ".join(parts).rstrip(".") + "." + done + again


def _module(options: Sequence[Mapping[str, Any]], constraints: Mapping[str, Any]) -> AnsibleModule:
    module = AnsibleModule(argument_spec=compose(*options), supports_check_mode=True, **constraints)
    module.no_log_values.update(*(_written_forms(str(value)) for value in set(module.no_log_values)))
    return module


def _written_forms(secret: str) -> set[str]:
    """A secret as messages and tracebacks write it: in quotes, as JSON, a line of several alone."""
    lines = {line for line in secret.splitlines() if len(line) >= MINIMAL_SECRET} if "\n" in secret else set()
    return {repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], *lines}


def _run_of(module: AnsibleModule) -> Run:
    params = module.params
    guard = params.get("guard") or {}
    given = params.get("wait_timeout")
    timeout = 600.0 if given is None else float(given)
    if guard.get("task_timeout"):
        timeout = max(1.0, min(timeout, float(guard["task_timeout"]) - MARGIN_SECONDS))
    for name, least in (("parallel", 1), ("wait_timeout", 0)):
        if params.get(name) is not None and params[name] < least:
            raise Refused("run the module", name, f"{params[name]} is less than {least}", "Give a larger number.")
    changing = "guard" in params and not module.check_mode
    return Run(
        timeout=timeout,
        permit=permit_of(guard) if changing else lambda: None,
        progress=_scrubbed_progress(module),
        journal=_ScrubbedJournal(module, _journal_of(module, guard)) if changing else NoJournal(),
        limits=_limits_of(params, guard),
        workers=int(params.get("parallel") or 8),
    )


def _limits_of(params: Options, guard: Options) -> Limits:
    if "max_affected" not in params:
        return Limits()
    before: frozenset[str] = frozenset()
    if guard.get("journal"):
        before = affected_by(read_journal(guard["journal"]), str(guard.get("operation")), str(guard.get("system")))
    return Limits(params["max_affected"], tuple(params.get("protected") or ()), before)


def _journal_of(module: AnsibleModule, guard: Options) -> Writes:
    if not guard.get("journal"):
        return NoJournal()
    context = {name: guard[name] for name in ("system", "operation", "task", "item") if guard.get(name)}
    return Journal(str(guard["journal"]), **scrub(module, context))


class _ScrubbedJournal:
    """A journal that no secret parameter reaches."""

    def __init__(self, module: AnsibleModule, journal: Writes) -> None:
        self._module = module
        self._journal = journal

    def write(self, event: str, **fields: Any) -> None:
        self._journal.write(event, **scrub(self._module, fields))

    def write_all(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        self._journal.write_all([(event, scrub(self._module, dict(fields))) for event, fields in events])


def _scrubbed_progress(module: AnsibleModule) -> Callable[[str], None]:
    if progress_sink is None:
        return lambda text: None
    sink = progress_sink
    return lambda text: sink(str(scrub(module, text))) if text else None


def scrub(module: AnsibleModule, value: Any) -> Any:
    """A value without the module's secret parameters."""
    return remove_values(value, module.no_log_values)


def _finish(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> None:
    try:
        result = work()
    except MissingLibrary as error:
        module.fail_json(msg=missing_required_lib(error.library, url=error.url or None))
    except Skipped as error:
        # Ansible's terminal does not say why a task was skipped; a warning does. The whole result, all of it empty, so
        # that what a playbook reads of it is there.
        module.warn(str(scrub(module, error.message())))
        module.exit_json(**{**Report().as_result(False), "skipped": True, "msg": scrub(module, error.message())})
    except OperationError as error:
        _fail(module, error.message(), error, error.details)
    except Exception as error:
        _fail(module, f"Unexpected {type(error).__name__}: {error}. This is a defect of the module.", error, {})
    for text in result.pop("warnings", ()):
        module.warn(str(scrub(module, text)))
    if result.get("failed"):
        module.fail_json(msg=result.pop("msg"), exception="", **{k: v for k, v in result.items() if k != "failed"})
    module.exit_json(**result)


def _fail(module: AnsibleModule, message: str, error: BaseException, details: Options) -> None:
    # The traceback is scrubbed by hand: Ansible's own shows local text of exceptions, secrets included (measured).
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    module.fail_json(msg=scrub(module, message), exception=scrub(module, text), **scrub(module, dict(details)))
