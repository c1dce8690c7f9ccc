# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Direct execution: run our modules inside the already forked worker, or fall back to the ordinary path.

Ansible's cost per AWS task is process start, unzipping, imports and client creation, not the API. The result is the
ordinary path's result: what the module prints goes through the same parser, so that nothing a system returns is
trusted as a template. Everything the module may change in the process is put back after each item of a loop.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.aws.client import warm
from ..module_utils.core import adapter
from ..module_utils.core.errors import OperationError
from .heartbeat import lease_kept
from .processes import die_with_parent
from .receipt import guard_option

try:
    # The seam: private names of ansible-core, the same from 2.19 to 2.21. Missing ones mean the ordinary path.
    from ansible.module_utils import _internal as core_internal
    from ansible.module_utils._internal._ansiballz._loader import _handle_exception
    from ansible.module_utils.common import warnings as core_warnings
    from ansible.module_utils.testing import patch_module_args
    from ansible.release import __version__ as core_version

    SEAM = (
        core_version.startswith(("2.19.", "2.20.", "2.21."))
        and hasattr(core_internal, "is_controller")
        and hasattr(core_warnings, "_global_warnings")
        and hasattr(ActionBase, "_parse_returned_data")
    )
except ImportError:
    SEAM = False

PROFILE = "legacy"
"""The serialization profile that AnsiballZ gives a module without metadata of its own."""

display = Display()


class DirectActionModule(ActionBase):  # type: ignore[misc]  # ansible-core publishes no type information
    """Base of every module's action stub.

    A stub names the AWS services its module calls, so that their models are parsed once, in the parent: the strategy
    loads the action class there before it forks.
    """

    _supports_check_mode = True
    _supports_async = True
    _requires_connection = False
    services: ClassVar[tuple[str, ...]] = ()
    changes_things: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The module's code too: Ansible's importer keeps no compiled files, each worker would compile it again.
        cls._module()
        warm((*cls.services, "dynamodb") if cls.changes_things else cls.services)

    @classmethod
    def _module(cls) -> Any:
        """The module of the stub's own name, whatever name the task gave it (a redirect, a short one)."""
        return importlib.import_module(cls.__module__.replace(".plugins.action.", ".plugins.modules."))

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module directly where that is right, else as Ansible runs any module."""
        # What the parent left is never garbage here. Without this a collection walks all of it, and every page it
        # touches is copied from the parent: two thirds of a client's creation time (measured).
        gc.freeze()
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        die_with_parent()
        module_args = dict(self._task.args)
        if self.changes_things:
            module_args["guard"] = _guarded(self._task, task_vars, self._templar)
        if self._direct(task_vars):
            with lease_kept(task_vars, self._templar):
                return {**result, **self._run_here(module_args, task_vars)}
        wrap_async = self._task.async_val and not self._connection.has_native_async
        with lease_kept(task_vars, self._templar):
            ordinary = self._execute_module(module_args=module_args, task_vars=task_vars, wrap_async=wrap_async)
        result = {**result, **ordinary}
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _direct(self, task_vars: Mapping[str, Any]) -> bool:
        wanted = self._templar.template(task_vars.get("opsbook_direct", sys.platform != "darwin"))
        return bool(
            SEAM
            and boolean(wanted, strict=False)
            and self._connection.transport == "local"
            and not self._play_context.become
            and not self._task.async_val
            and self._on_our_python(task_vars)
        )

    def _on_our_python(self, task_vars: Mapping[str, Any]) -> bool:
        """Whether the module may run on any Python that is found, or on the one that runs Ansible."""
        host = self._task.delegate_to
        variables = task_vars["ansible_delegated_vars"][host] if host else task_vars
        said = constants.config.get_config_value("INTERPRETER_PYTHON", variables=variables)
        interpreter = str(self._templar.template(said))
        return interpreter.startswith("auto") or _place(interpreter) == _place(sys.executable)

    def _run_here(self, module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        # As on the ordinary path: adds check mode, diff, verbosity and the like.
        self._update_module_args(self._task.resolved_action or self._task.action, module_args, task_vars)
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        with _preserved_process(), _module_side(), patch_module_args(module_args):
            os.environ.update({key: str(value) for key, value in environment.items()})
            # Where Ansible starts local modules, so that a relative path means the same.
            os.chdir(self._loader.get_basedir())
            if not self._task.no_log:
                adapter.progress_sink = lambda text: display.display(f"  {self._task.get_name()}: {text}")
            status, output = _as_program(self._module().main)
        return self._as_ordinary(status, output)

    def _as_ordinary(self, status: int, output: str) -> dict[str, Any]:
        said = {"rc": status, "stdout": output, "stdout_lines": output.splitlines(), "stderr": "", "stderr_lines": []}
        parsed = self._parse_returned_data(said, PROFILE)
        if not isinstance(parsed, dict):  # ansible-core 2.21
            return dict(parsed.as_result_dict(for_round_trip=True))
        for text in ("stdout", "stderr"):
            if text in parsed and f"{text}_lines" not in parsed:
                parsed[f"{text}_lines"] = (parsed[text] or "").splitlines()
        return parsed


def _place(python: str) -> tuple[str, str]:
    """Folder and program of an interpreter: environments share the program that their Pythons are links to."""
    return os.path.realpath(os.path.dirname(python)), os.path.realpath(python)


def _guarded(task: Any, task_vars: Mapping[str, Any], templar: Any) -> dict[str, Any]:
    try:
        return guard_option(task, task_vars, templar)
    except OperationError as error:
        raise AnsibleActionFail(error.message()) from error


def _as_program(main: Callable[[], None]) -> tuple[int, str]:
    """Exit status and output of a module, as a process of its own would have given them."""
    output, status = io.StringIO(), 0
    try:
        with contextlib.redirect_stdout(output):
            try:
                main()
                raise RuntimeError("New-style module did not handle its own exit.")
            except Exception as error:
                _handle_exception(error, PROFILE)  # prints core's own report of it
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    return status, output.getvalue()


@contextlib.contextmanager
def _module_side() -> Iterator[None]:
    """Make core believe it runs in a module: warnings go into the result, they are not displayed."""
    controller, sink = core_internal.is_controller, adapter.progress_sink
    core_internal.is_controller = False
    core_warnings._global_warnings.clear()
    core_warnings._global_deprecations.clear()
    try:
        yield
    finally:
        core_internal.is_controller = controller
        adapter.progress_sink = sink
        core_warnings._global_warnings.clear()
        core_warnings._global_deprecations.clear()


@contextlib.contextmanager
def _preserved_process() -> Iterator[None]:
    """Put back what a module may change in its process: environment, folder, umask, signal handlers."""
    environment, folder = dict(os.environ), os.getcwd()
    umask = os.umask(0o077)
    os.umask(umask)
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        os.umask(umask)
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
